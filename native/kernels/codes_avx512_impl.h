// What the kernels on codes share with and without VNNI; included inside the target regions and
// the unnamed namespaces of codes_avx512.cc and codes_avx512_vnni.cc.

#include "kernels/codes_x86_impl.h"

struct Avx512Integers : X86Parities {
  using Sum32 = __m512i;
  static VITRINE_ALWAYS_INLINE Sum32 Zero() { return _mm512_setzero_si512(); }
  static VITRINE_ALWAYS_INLINE Sum32 Add(Sum32 x, Sum32 y) { return _mm512_add_epi32(x, y); }
  // Zero-masking forms, for the reason that avx512.cc gives.
  static VITRINE_ALWAYS_INLINE uint32_t Total(Sum32 sum_i32x16) {
    const __m256i sum_i32x8 =
        _mm256_add_epi32(_mm512_maskz_extracti32x8_epi32(0xff, sum_i32x16, 0),
                         _mm512_maskz_extracti32x8_epi32(0xff, sum_i32x16, 1));
    __m128i sum_i32x4 =
        _mm_add_epi32(_mm256_castsi256_si128(sum_i32x8), _mm256_extracti128_si256(sum_i32x8, 1));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0x4e));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0xb1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(sum_i32x4));
  }
  // The sums of the two halves of x, then those of y.
  static VITRINE_ALWAYS_INLINE Sum32 AddHalves(Sum32 x, Sum32 y) {
    return Add(_mm512_maskz_shuffle_i32x4(0xffff, x, y, 0x44),
               _mm512_maskz_shuffle_i32x4(0xffff, x, y, 0xee));
  }
  static VITRINE_ALWAYS_INLINE void Total4(Sum32 a, Sum32 b, Sum32 c, Sum32 d, uint32_t* out) {
    const Sum32 ab_i32x16 = AddHalves(a, b), cd_i32x16 = AddHalves(c, d);
    // A quarter for each of the four, then each one's total in all lanes of its quarter.
    const Sum32 quarters_i32x16 =
        Add(_mm512_maskz_shuffle_i32x4(0xffff, ab_i32x16, cd_i32x16, 0x88),
            _mm512_maskz_shuffle_i32x4(0xffff, ab_i32x16, cd_i32x16, 0xdd));
    const Sum32 pairs_i32x16 =
        Add(quarters_i32x16, _mm512_maskz_shuffle_epi32(0xffff, quarters_i32x16, _MM_PERM_BADC));
    const Sum32 totals_i32x16 =
        Add(pairs_i32x16, _mm512_maskz_shuffle_epi32(0xffff, pairs_i32x16, _MM_PERM_CDAB));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm512_maskz_extracti32x4_epi32(
                         0xf, _mm512_maskz_compress_epi32(0x1111, totals_i32x16), 0));
  }

  using Wide = __m512i;
  static constexpr size_t kWideStep = 32;
  static VITRINE_ALWAYS_INLINE Wide Widen(__m256i u8x32, const uint8_t*) {
    return _mm512_maskz_cvtepu8_epi16(~__mmask32{0}, u8x32);
  }
  static VITRINE_ALWAYS_INLINE Wide Widen(__m256i i8x32, const int8_t*) {
    return _mm512_maskz_cvtepi8_epi16(~__mmask32{0}, i8x32);
  }
  template <class Byte>
  static VITRINE_ALWAYS_INLINE Wide Widen(const Byte* p) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), p);
  }
  // Lanes outside the mask do not fault (Intel SDM, volume 1, section 15.6.4).
  template <class Byte>
  static VITRINE_ALWAYS_INLINE Wide WidenFirst(const Byte* p, size_t n) {
    return Widen(_mm256_maskz_loadu_epi8(static_cast<__mmask32>((uint32_t{1} << n) - 1), p), p);
  }
  static VITRINE_ALWAYS_INLINE Wide SubWide(Wide x, Wide y) { return _mm512_sub_epi16(x, y); }

  using Bytes = __m512i;
  static constexpr size_t kBytes = 64;
  static VITRINE_ALWAYS_INLINE Bytes Load(const void* p) { return _mm512_loadu_si512(p); }
  static VITRINE_ALWAYS_INLINE Bytes LoadFirst(const void* p, size_t n) {
    return _mm512_maskz_loadu_epi8((uint64_t{1} << n) - 1, p);
  }
  static VITRINE_ALWAYS_INLINE Bytes And(Bytes x, Bytes y) { return _mm512_and_si512(x, y); }
  static VITRINE_ALWAYS_INLINE Bytes Xor(Bytes x, Bytes y) { return _mm512_xor_si512(x, y); }
  // As in codes_avx2.cc.
  static VITRINE_ALWAYS_INLINE Sum32 AddBits(Sum32 sum, Bytes x) {
    const __m512i counts = _mm512_set4_epi32(0x04030302, 0x03020201, 0x03020201, 0x02010100);
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i low = _mm512_shuffle_epi8(counts, _mm512_and_si512(x, nibble));
    const __m512i high =
        _mm512_shuffle_epi8(counts, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble));
    return Add(sum, _mm512_sad_epu8(_mm512_add_epi8(low, high), Zero()));
  }
  static VITRINE_ALWAYS_INLINE Bytes LoadHalf(const void* p) {
    return _mm512_maskz_loadu_epi64(0x0f, p);
  }
};

struct Avx512Hadamard {
  using Floats = __m512;
  static constexpr size_t kLanes = 16;
  static VITRINE_ALWAYS_INLINE Floats LoadFloats(const float* p) { return _mm512_loadu_ps(p); }
  static VITRINE_ALWAYS_INLINE Floats Splat(float x) { return _mm512_set1_ps(x); }
  static VITRINE_ALWAYS_INLINE void StoreFloats(float* p, Floats x) { _mm512_storeu_ps(p, x); }
  static VITRINE_ALWAYS_INLINE Floats AddFloats(Floats x, Floats y) { return _mm512_add_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Floats SubFloats(Floats x, Floats y) { return _mm512_sub_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Floats MulFloats(Floats x, Floats y) { return _mm512_mul_ps(x, y); }
  // kDifferences: lanes that take partner - own, the others take the sum.
  template <int kDifferences>
  static VITRINE_ALWAYS_INLINE Floats Butterfly(Floats partner, Floats own) {
    return _mm512_mask_sub_ps(AddFloats(partner, own), kDifferences, partner, own);
  }
  static VITRINE_ALWAYS_INLINE Floats HadamardWithin(Floats x) {
    x = Butterfly<0xaaaa>(_mm512_maskz_permute_ps(0xffff, x, 0xb1), x);
    x = Butterfly<0xcccc>(_mm512_maskz_permute_ps(0xffff, x, 0x4e), x);
    x = Butterfly<0xf0f0>(_mm512_maskz_shuffle_f32x4(0xffff, x, x, 0xb1), x);
    return Butterfly<0xff00>(_mm512_maskz_shuffle_f32x4(0xffff, x, x, 0x4e), x);
  }
};
