#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <utility>

#include "base/prefetch.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"
#include "kernels/tables.h"

VITRINE_TARGET_BEGIN_AVX512

namespace vitrine {
namespace {

#include "kernels/f32_x86_impl.h"

struct Avx512 : X86Four {
  using Vec = __m512;
  static constexpr size_t kLanes = 16;

  static VITRINE_ALWAYS_INLINE Vec Zero() { return _mm512_setzero_ps(); }
  static VITRINE_ALWAYS_INLINE Vec Add(Vec x, Vec y) { return _mm512_add_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Vec Sub(Vec x, Vec y) { return _mm512_sub_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Vec MultiplyAdd(Vec x, Vec y, Vec sum) {
    return _mm512_fmadd_ps(x, y, sum);
  }
  static VITRINE_ALWAYS_INLINE Vec Load(const float* p) { return _mm512_loadu_ps(p); }

  // Lanes outside the mask do not fault (Intel SDM, volume 1, section 15.6.4).
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const float* p, size_t n) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
  }

  static VITRINE_ALWAYS_INLINE Vec Widen(__m256i bits_u16x16, const Half*) {
    return _mm512_maskz_cvtph_ps(0xffff, bits_u16x16);
  }
  static VITRINE_ALWAYS_INLINE Vec Widen(__m256i bits_u16x16, const BFloat16*) {
    return _mm512_castsi512_ps(
        _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, bits_u16x16), 16));
  }
  template <class Element>
  static VITRINE_ALWAYS_INLINE Vec Load(const Element* p) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), p);
  }
  template <class Element>
  static VITRINE_ALWAYS_INLINE Vec LoadFirst(const Element* p, size_t n) {
    return Widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p), p);
  }

  // Zero-masking forms from here on, with every lane in the mask: g++ 12 warns falsely of an
  // uninitialised value in the plain ones, the casts included, and emits the same instructions.
  template <int kHalf>
  static VITRINE_ALWAYS_INLINE __m256 Half(Vec v_f32x16) {
    return _mm512_maskz_extractf32x8_ps(0xff, v_f32x16, kHalf);
  }

  // Two quarters of x, then two of y, as in _mm512_shuffle_f32x4.
  template <int kSelect>
  static VITRINE_ALWAYS_INLINE Vec Quarters(Vec x, Vec y) {
    return _mm512_maskz_shuffle_f32x4(0xffff, x, y, kSelect);
  }

  // The four lanes of each quarter of x, as in _mm512_permute_ps.
  template <int kSelect>
  static VITRINE_ALWAYS_INLINE Vec WithinQuarters(Vec x) {
    return _mm512_maskz_permute_ps(0xffff, x, kSelect);
  }

  static VITRINE_ALWAYS_INLINE float Sum(Vec sum_f32x16) {
    const __m256 sum_f32x8 = _mm256_add_ps(Half<0>(sum_f32x16), Half<1>(sum_f32x16));
    const __m128 sum_f32x4 =
        _mm_add_ps(_mm256_castps256_ps128(sum_f32x8), _mm256_extractf128_ps(sum_f32x8, 1));
    const __m128 sum_f32x2 = _mm_add_ps(sum_f32x4, _mm_movehl_ps(sum_f32x4, sum_f32x4));
    return _mm_cvtss_f32(_mm_add_ss(sum_f32x2, _mm_movehdup_ps(sum_f32x2)));
  }

  static VITRINE_ALWAYS_INLINE Four Sum4(Vec a_f32x16, Vec b_f32x16, Vec c_f32x16, Vec d_f32x16) {
    // Eight sums each of rows a and b, and of c and d; then a quarter for each of the four rows.
    const Vec ab_f32x16 =
        Add(Quarters<0x44>(a_f32x16, b_f32x16), Quarters<0xee>(a_f32x16, b_f32x16));
    const Vec cd_f32x16 =
        Add(Quarters<0x44>(c_f32x16, d_f32x16), Quarters<0xee>(c_f32x16, d_f32x16));
    const Vec abcd_f32x16 =
        Add(Quarters<0x88>(ab_f32x16, cd_f32x16), Quarters<0xdd>(ab_f32x16, cd_f32x16));
    const Vec pairs_f32x16 = Add(abcd_f32x16, WithinQuarters<0x4e>(abcd_f32x16));
    const Vec rows_f32x16 = Add(pairs_f32x16, WithinQuarters<0xb1>(pairs_f32x16));
    const __m512i first_i32x16 = _mm512_set4_epi32(12, 8, 4, 0);
    return _mm512_maskz_extractf32x4_ps(
        0xf, _mm512_maskz_permutexvar_ps(0xffff, first_i32x16, rows_f32x16), 0);
  }
};

}  // namespace
}  // namespace vitrine

#include "kernels/f32_impl.h"

VITRINE_TARGET_END

namespace vitrine {

constinit const KernelTable kAvx512Kernels = {
    .set = InstructionSet::kAvx512,
    .name = "avx512",
    .supported = Avx512Supported,
    .f32 = FloatForms<Avx512, float>::kTable,
    .f16 = FloatForms<Avx512, Half>::kTable,
    .bf16 = FloatForms<Avx512, BFloat16>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
