#include "kernels/isa.h"

#if defined(VITRINE_ARM64)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/intrinsics.h"

// Every 64-bit ARM processor has these: no target region.

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_neon_impl.h"

bool NeonSupported() noexcept { return true; }

// Processors before ARMv8.4 and without its dot products, such as the Cortex-A72.
struct NeonCodes : NeonCommon {
  using Wide = int16x8_t;
  static constexpr size_t kWideStep = 8;
  static VITRINE_ALWAYS_INLINE Wide Widen(const uint8_t* p) {
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
  }
  static VITRINE_ALWAYS_INLINE Wide Widen(const int8_t* p) { return vmovl_s8(vld1_s8(p)); }
  template <class Byte>
  static VITRINE_ALWAYS_INLINE Wide WidenFirst(const Byte* p, size_t n) {
    Byte bytes[kWideStep] = {};
    std::memcpy(bytes, p, n);
    return Widen(bytes);
  }
  static VITRINE_ALWAYS_INLINE Wide SubWide(Wide x, Wide y) { return vsubq_s16(x, y); }
  static VITRINE_ALWAYS_INLINE Sum32 MultiplyAdd(Sum32 sum, Wide x, Wide y) {
    int32x4_t sum_i32x4 = vreinterpretq_s32_u32(sum);
    sum_i32x4 = vmlal_s16(sum_i32x4, vget_low_s16(x), vget_low_s16(y));
    return vreinterpretq_u32_s32(vmlal_high_s16(sum_i32x4, x, y));
  }
  using L2U8 = WidenedTerm<NeonCodes, uint8_t, uint8_t, true>;
  using L2I8 = WidenedTerm<NeonCodes, int8_t, int8_t, true>;
  using DotU8 = WidenedTerm<NeonCodes, uint8_t, uint8_t, false>;
  using DotI8 = WidenedTerm<NeonCodes, int8_t, int8_t, false>;
  using DotI8U8 = WidenedTerm<NeonCodes, int8_t, uint8_t, false>;

  // A product is at most 15 * 128 = 1,920, so that the sixteen of one block stay within 16 bits.
  struct U4Sum {
    int32x4_t sum_i32x4;
    int16x8_t products_i16x8;
  };
  static constexpr size_t kU4Blocks = 1;
  static VITRINE_ALWAYS_INLINE U4Sum ZeroU4() { return {vdupq_n_s32(0), vdupq_n_s16(0)}; }
  static VITRINE_ALWAYS_INLINE U4Sum StepU4(U4Sum sum, Bytes digits, Bytes low, Bytes high) {
    const int8x16_t low_u4x16 = vreinterpretq_s8_u8(vandq_u8(digits, vdupq_n_u8(15)));
    const int8x16_t high_u4x16 = vreinterpretq_s8_u8(vshrq_n_u8(digits, 4));
    const int8x16_t low_i8x16 = vreinterpretq_s8_u8(low);
    const int8x16_t high_i8x16 = vreinterpretq_s8_u8(high);
    int16x8_t products_i16x8 = sum.products_i16x8;
    products_i16x8 = vmlal_s8(products_i16x8, vget_low_s8(low_u4x16), vget_low_s8(low_i8x16));
    products_i16x8 = vmlal_high_s8(products_i16x8, low_u4x16, low_i8x16);
    products_i16x8 = vmlal_s8(products_i16x8, vget_low_s8(high_u4x16), vget_low_s8(high_i8x16));
    products_i16x8 = vmlal_high_s8(products_i16x8, high_u4x16, high_i8x16);
    return {sum.sum_i32x4, products_i16x8};
  }
  static VITRINE_ALWAYS_INLINE U4Sum FlushU4(U4Sum sum) {
    return {vpadalq_s16(sum.sum_i32x4, sum.products_i16x8), vdupq_n_s16(0)};
  }
  static VITRINE_ALWAYS_INLINE Sum32 TotalU4(U4Sum sum) {
    return vreinterpretq_u32_s32(sum.sum_i32x4);
  }
};

}  // namespace

constinit const CodeKernelTable kNeonCodes = {
    .set = InstructionSet::kNeon,
    .name = "neon",
    .supported = NeonSupported,
    .codes = CodeForms<NeonCodes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_ARM64
