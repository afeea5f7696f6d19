#include "kernels/isa.h"

#if defined(VITRINE_ARM64)

#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/intrinsics.h"
#include "kernels/tables.h"

// Every 64-bit ARM processor has NEON with fused multiply-add: no target region.

namespace vitrine {
namespace {

bool NeonSupported() noexcept { return true; }

struct Neon {
  using Vec = float32x4_t;
  using Four = float32x4_t;
  static constexpr size_t kLanes = 4;

  static VITRINE_ALWAYS_INLINE Vec Zero() { return vdupq_n_f32(0); }
  static VITRINE_ALWAYS_INLINE Vec Add(Vec x, Vec y) { return vaddq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Vec Sub(Vec x, Vec y) { return vsubq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Vec MultiplyAdd(Vec x, Vec y, Vec sum) {
    return vfmaq_f32(sum, x, y);
  }
  static VITRINE_ALWAYS_INLINE Vec Load(const float* p) { return vld1q_f32(p); }

  // NEON has no masked load.
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const float* p, size_t n) {
    if (n == kLanes) return Load(p);
    if (n == 1) return vld1q_lane_f32(p, Zero(), 0);
    const Vec two_f32x4 = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    return n == 2 ? two_f32x4 : vld1q_lane_f32(p + 2, two_f32x4, 2);
  }

  static VITRINE_ALWAYS_INLINE Vec Load(const Half* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(LoadBits(p)));
  }
  static VITRINE_ALWAYS_INLINE Vec Load(const BFloat16* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(LoadBits(p), 16));
  }
  template <class Element>
  static VITRINE_ALWAYS_INLINE uint16x4_t LoadBits(const Element* p) {
    return vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(p)));
  }
  template <class Element>
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const Element* p, size_t n) {
    if (n == kLanes) return Load(p);
    Element elements[kLanes] = {};
    std::memcpy(elements, p, n * sizeof(Element));
    return Load(elements);
  }

  static VITRINE_ALWAYS_INLINE float Sum(Vec sum_f32x4) {
    const float32x2_t sum_f32x2 = vadd_f32(vget_low_f32(sum_f32x4), vget_high_f32(sum_f32x4));
    return vget_lane_f32(vpadd_f32(sum_f32x2, sum_f32x2), 0);
  }

  static VITRINE_ALWAYS_INLINE Four Sum4(Vec a_f32x4, Vec b_f32x4, Vec c_f32x4, Vec d_f32x4) {
    // a0+a2 b0+b2 a1+a3 b1+b3, the same for c and d, then the even to the odd lanes.
    const Vec ab_f32x4 = vaddq_f32(vzip1q_f32(a_f32x4, b_f32x4), vzip2q_f32(a_f32x4, b_f32x4));
    const Vec cd_f32x4 = vaddq_f32(vzip1q_f32(c_f32x4, d_f32x4), vzip2q_f32(c_f32x4, d_f32x4));
    return vaddq_f32(vcombine_f32(vget_low_f32(ab_f32x4), vget_low_f32(cd_f32x4)),
                     vcombine_f32(vget_high_f32(ab_f32x4), vget_high_f32(cd_f32x4)));
  }

  static VITRINE_ALWAYS_INLINE Four LoadFour(const float* p) { return vld1q_f32(p); }
  static VITRINE_ALWAYS_INLINE void StoreFour(float* p, Four x) { vst1q_f32(p, x); }
  static VITRINE_ALWAYS_INLINE Four FourOf(float x) { return vdupq_n_f32(x); }
  static VITRINE_ALWAYS_INLINE float FirstOf(Four x) { return vgetq_lane_f32(x, 0); }
  static VITRINE_ALWAYS_INLINE Four MultiplyFour(Four x, Four y) { return vmulq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Four SubFour(Four x, Four y) { return vsubq_f32(x, y); }
  static VITRINE_ALWAYS_INLINE Four NonzeroOf(Four x) {
    return vreinterpretq_f32_u32(vmvnq_u32(vceqzq_f32(x)));
  }
  static VITRINE_ALWAYS_INLINE Four AndFour(Four x, Four y) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vreinterpretq_u32_f32(y)));
  }
  // FMAX and FMIN give NaN where either is.
  static VITRINE_ALWAYS_INLINE Four ClampFour(Four x, Four low, Four high) {
    return vminq_f32(vmaxq_f32(x, low), high);
  }
};

}  // namespace
}  // namespace vitrine

#include "kernels/f32_impl.h"

namespace vitrine {

constinit const KernelTable kNeonKernels = {
    .set = InstructionSet::kNeon,
    .name = "neon",
    .supported = NeonSupported,
    .f32 = FloatForms<Neon, float>::kTable,
    .f16 = FloatForms<Neon, Half>::kTable,
    .bf16 = FloatForms<Neon, BFloat16>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_ARM64
