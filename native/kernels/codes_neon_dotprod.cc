#include "kernels/isa.h"

#if defined(VITRINE_HAS_DOTPROD)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"

VITRINE_TARGET_BEGIN_DOTPROD

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_neon_impl.h"

// SDOT and UDOT add four products of bytes of one kind to each 32-bit lane, and wrap.
struct NeonDotprodCodes : NeonCommon {
  static VITRINE_ALWAYS_INLINE Sum32 DotSigned(Sum32 sum, Bytes x, Bytes y) {
    return vreinterpretq_u32_s32(
        vdotq_s32(vreinterpretq_s32_u32(sum), vreinterpretq_s8_u8(x), vreinterpretq_s8_u8(y)));
  }

  template <class Pair>
  struct ByteTerm {
    using Query = Bytes;
    static constexpr size_t kStep = 16;
    static constexpr int kFlip = 0;
    static VITRINE_ALWAYS_INLINE Query Load(const void* p) { return NeonCommon::Load(p); }
    static VITRINE_ALWAYS_INLINE Query LoadFirst(const void* p, size_t n) {
      return NeonCommon::LoadFirst(p, n);
    }
    static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const void* row) {
      return Pair::AddTerms(sum, query, Load(row));
    }
    static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const void* row,
                                                 size_t n) {
      return Pair::AddTerms(sum, query, LoadFirst(row, n));
    }
  };

  struct L2U8 : ByteTerm<L2U8> {
    static VITRINE_ALWAYS_INLINE Sum32 AddTerms(Sum32 sum, Bytes query, Bytes row) {
      const Bytes difference = vabdq_u8(query, row);
      return vdotq_u32(sum, difference, difference);
    }
  };
  struct L2I8 : ByteTerm<L2I8> {
    static VITRINE_ALWAYS_INLINE Sum32 AddTerms(Sum32 sum, Bytes query, Bytes row) {
      // Differences of 128 and more wrap, to the right unsigned byte.
      const Bytes difference =
          vreinterpretq_u8_s8(vabdq_s8(vreinterpretq_s8_u8(query), vreinterpretq_s8_u8(row)));
      return vdotq_u32(sum, difference, difference);
    }
  };
  struct DotU8 : ByteTerm<DotU8> {
    static VITRINE_ALWAYS_INLINE Sum32 AddTerms(Sum32 sum, Bytes query, Bytes row) {
      return vdotq_u32(sum, query, row);
    }
  };
  struct DotI8 : ByteTerm<DotI8> {
    static VITRINE_ALWAYS_INLINE Sum32 AddTerms(Sum32 sum, Bytes query, Bytes row) {
      return DotSigned(sum, query, row);
    }
  };
  // Rows become signed by taking 128 off. Where the row has ended, the query is zero.
  struct DotI8U8 : ByteTerm<DotI8U8> {
    static constexpr int kFlip = 1;
    static VITRINE_ALWAYS_INLINE Sum32 AddTerms(Sum32 sum, Bytes query, Bytes row) {
      return DotSigned(sum, query, veorq_u8(row, vdupq_n_u8(128)));
    }
    static VITRINE_ALWAYS_INLINE Sum32 AddQuery(Sum32 sum, Bytes query) {
      return DotSigned(sum, query, vdupq_n_u8(1));
    }
  };

  // Digits are signed bytes as well.
  using U4Sum = Sum32;
  static constexpr size_t kU4Blocks = ~size_t{0};
  static VITRINE_ALWAYS_INLINE U4Sum ZeroU4() { return Zero(); }
  static VITRINE_ALWAYS_INLINE U4Sum StepU4(U4Sum sum, Bytes digits, Bytes low, Bytes high) {
    sum = DotSigned(sum, vandq_u8(digits, vdupq_n_u8(15)), low);
    return DotSigned(sum, vshrq_n_u8(digits, 4), high);
  }
  static VITRINE_ALWAYS_INLINE U4Sum FlushU4(U4Sum sum) { return sum; }
  static VITRINE_ALWAYS_INLINE Sum32 TotalU4(U4Sum sum) { return sum; }
};

}  // namespace
}  // namespace vitrine

VITRINE_TARGET_END

namespace vitrine {

constinit const CodeKernelTable kNeonDotprodCodes = {
    .set = InstructionSet::kNeon,
    .name = "neon-dotprod",
    .supported = NeonDotprodSupported,
    .codes = CodeForms<NeonDotprodCodes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_HAS_DOTPROD
