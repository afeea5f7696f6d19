#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"
#include "kernels/tables.h"

VITRINE_TARGET_BEGIN_AVX2

namespace vitrine {
namespace {

#include "kernels/f32_x86_impl.h"

struct Avx2 : X86Four {
  using Vec = __m256;
  static constexpr size_t kLanes = 8;

  static VITRINE_ALWAYS_INLINE Vec Zero() { return _mm256_setzero_ps(); }
  static VITRINE_ALWAYS_INLINE Vec Add(Vec x, Vec y) { return _mm256_add_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Vec Sub(Vec x, Vec y) { return _mm256_sub_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Vec MultiplyAdd(Vec x, Vec y, Vec sum) {
    return _mm256_fmadd_ps(x, y, sum);
  }
  static VITRINE_ALWAYS_INLINE Vec Load(const float* p) { return _mm256_loadu_ps(p); }

  // VMASKMOVPS does not fault on the lanes that its mask leaves out (Intel SDM, volume 2).
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const float* p, size_t n) {
    const __m256i lane_i32x8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(
        p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane_i32x8));
  }

  static VITRINE_ALWAYS_INLINE Vec Load(const Half* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static VITRINE_ALWAYS_INLINE Vec Load(const BFloat16* p) {
    const __m128i bits_u16x8 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits_u16x8), 16));
  }
  // AVX2 has no masked load of 16-bit lanes.
  template <class Element>
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const Element* p, size_t n) {
    if (n == kLanes) return Load(p);
    alignas(16) Element elements[kLanes] = {};
    std::memcpy(elements, p, n * sizeof(Element));
    return Load(elements);
  }

  static VITRINE_ALWAYS_INLINE __m128 Halve(Vec sum_f32x8) {
    return _mm_add_ps(_mm256_castps256_ps128(sum_f32x8), _mm256_extractf128_ps(sum_f32x8, 1));
  }

  static VITRINE_ALWAYS_INLINE float Sum(Vec sum_f32x8) {
    const __m128 sum_f32x4 = Halve(sum_f32x8);
    const __m128 sum_f32x2 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
    return _mm_cvtss_f32(_mm_add_ss(sum_f32x2, _mm_movehdup_ps(sum_f32x2)));
  }

  static VITRINE_ALWAYS_INLINE Four Sum4(Vec a_f32x8, Vec b_f32x8, Vec c_f32x8, Vec d_f32x8) {
    const __m128 a_f32x4 = Halve(a_f32x8), b_f32x4 = Halve(b_f32x8);
    const __m128 c_f32x4 = Halve(c_f32x8), d_f32x4 = Halve(d_f32x8);
    // a0+a2 b0+b2 a1+a3 b1+b3, the same for c and d, then the even to the odd lanes.
    const __m128 ab_f32x4 =
        _mm_add_ps(_mm_unpacklo_ps(a_f32x4, b_f32x4), _mm_unpackhi_ps(a_f32x4, b_f32x4));
    const __m128 cd_f32x4 =
        _mm_add_ps(_mm_unpacklo_ps(c_f32x4, d_f32x4), _mm_unpackhi_ps(c_f32x4, d_f32x4));
    return _mm_add_ps(_mm_movelh_ps(ab_f32x4, cd_f32x4), _mm_movehl_ps(cd_f32x4, ab_f32x4));
  }
};

}  // namespace
}  // namespace vitrine

#include "kernels/f32_impl.h"

VITRINE_TARGET_END

namespace vitrine {

constinit const KernelTable kAvx2Kernels = {
    .set = InstructionSet::kAvx2,
    .name = "avx2",
    .supported = Avx2Supported,
    .f32 = FloatForms<Avx2, float>::kTable,
    .f16 = FloatForms<Avx2, Half>::kTable,
    .bf16 = FloatForms<Avx2, BFloat16>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
