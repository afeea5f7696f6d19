#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"

VITRINE_TARGET_BEGIN_AVX512

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_avx512_impl.h"

// Processors with AVX-512 and without VNNI: Skylake-SP.
struct Avx512Codes : Avx512Integers, Avx512Hadamard {
  static VITRINE_ALWAYS_INLINE Sum32 MultiplyAdd(Sum32 sum, Wide x, Wide y) {
    return Add(sum, _mm512_madd_epi16(x, y));
  }
  using L2U8 = WidenedTerm<Avx512Codes, uint8_t, uint8_t, true>;
  using L2I8 = WidenedTerm<Avx512Codes, int8_t, int8_t, true>;
  using DotU8 = WidenedTerm<Avx512Codes, uint8_t, uint8_t, false>;
  using DotI8 = WidenedTerm<Avx512Codes, int8_t, int8_t, false>;
  using DotI8U8 = WidenedTerm<Avx512Codes, int8_t, uint8_t, false>;

  // As in codes_avx2.cc: the eight pairs of four blocks stay within 16 bits.
  struct U4Sum {
    __m512i sum_i32x16, pairs_i16x32;
  };
  static constexpr size_t kU4Blocks = 4;
  static VITRINE_ALWAYS_INLINE U4Sum ZeroU4() { return {Zero(), Zero()}; }
  static VITRINE_ALWAYS_INLINE U4Sum StepU4(U4Sum sum, Bytes digits, Bytes low, Bytes high) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i low_u8x64 = _mm512_and_si512(digits, nibble);
    const __m512i high_u8x64 = _mm512_and_si512(_mm512_srli_epi16(digits, 4), nibble);
    const __m512i both_i16x32 = _mm512_add_epi16(_mm512_maddubs_epi16(low_u8x64, low),
                                                 _mm512_maddubs_epi16(high_u8x64, high));
    return {sum.sum_i32x16, _mm512_add_epi16(sum.pairs_i16x32, both_i16x32)};
  }
  static VITRINE_ALWAYS_INLINE U4Sum FlushU4(U4Sum sum) {
    return {MultiplyAdd(sum.sum_i32x16, sum.pairs_i16x32, _mm512_set1_epi16(1)), Zero()};
  }
  static VITRINE_ALWAYS_INLINE Sum32 TotalU4(U4Sum sum) { return sum.sum_i32x16; }
};

}  // namespace
}  // namespace vitrine

VITRINE_TARGET_END

namespace vitrine {

constinit const CodeKernelTable kAvx512Codes = {
    .set = InstructionSet::kAvx512,
    .name = "avx512",
    .supported = Avx512Supported,
    .codes = CodeForms<Avx512Codes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
