#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"

VITRINE_TARGET_BEGIN_AVX2

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_x86_impl.h"

struct Avx2Codes : X86Parities {
  using Sum32 = __m256i;
  static VITRINE_ALWAYS_INLINE Sum32 Zero() { return _mm256_setzero_si256(); }
  static VITRINE_ALWAYS_INLINE Sum32 Add(Sum32 x, Sum32 y) { return _mm256_add_epi32(x, y); }
  static VITRINE_ALWAYS_INLINE uint32_t Total(Sum32 sum_i32x8) {
    __m128i sum_i32x4 =
        _mm_add_epi32(_mm256_castsi256_si128(sum_i32x8), _mm256_extracti128_si256(sum_i32x8, 1));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0x4e));
    sum_i32x4 = _mm_add_epi32(sum_i32x4, _mm_shuffle_epi32(sum_i32x4, 0xb1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(sum_i32x4));
  }
  static VITRINE_ALWAYS_INLINE void Total4(Sum32 a, Sum32 b, Sum32 c, Sum32 d, uint32_t* out) {
    // Two sums each of a, b, c and d in either half.
    const Sum32 halves_i32x8 = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_add_epi32(_mm256_castsi256_si128(halves_i32x8),
                                   _mm256_extracti128_si256(halves_i32x8, 1)));
  }

  // VPMADDUBSW would multiply bytes directly, but its pairs saturate at 16 bits: 2 * 255 * 127.
  using Wide = __m256i;
  static constexpr size_t kWideStep = 16;
  static VITRINE_ALWAYS_INLINE Wide Widen(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static VITRINE_ALWAYS_INLINE Wide Widen(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // AVX2 has no masked load of bytes.
  template <class Byte>
  static VITRINE_ALWAYS_INLINE Wide WidenFirst(const Byte* p, size_t n) {
    alignas(16) Byte bytes[kWideStep] = {};
    std::memcpy(bytes, p, n);
    return Widen(bytes);
  }
  static VITRINE_ALWAYS_INLINE Wide SubWide(Wide x, Wide y) { return _mm256_sub_epi16(x, y); }
  static VITRINE_ALWAYS_INLINE Sum32 MultiplyAdd(Sum32 sum, Wide x, Wide y) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
  }
  using L2U8 = WidenedTerm<Avx2Codes, uint8_t, uint8_t, true>;
  using L2I8 = WidenedTerm<Avx2Codes, int8_t, int8_t, true>;
  using DotU8 = WidenedTerm<Avx2Codes, uint8_t, uint8_t, false>;
  using DotI8 = WidenedTerm<Avx2Codes, int8_t, int8_t, false>;
  using DotI8U8 = WidenedTerm<Avx2Codes, int8_t, uint8_t, false>;

  using Bytes = __m256i;
  static constexpr size_t kBytes = 32;
  static VITRINE_ALWAYS_INLINE Bytes Load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }

  static VITRINE_ALWAYS_INLINE Bytes LoadFirst(const void* p, size_t n) {
    alignas(32) uint8_t bytes[kBytes] = {};
    std::memcpy(bytes, p, n);
    return Load(bytes);
  }
  static VITRINE_ALWAYS_INLINE Bytes And(Bytes x, Bytes y) { return _mm256_and_si256(x, y); }
  static VITRINE_ALWAYS_INLINE Bytes Xor(Bytes x, Bytes y) { return _mm256_xor_si256(x, y); }
  // Looks both nibbles up (Mula, Kurz and Lemire 2018, section 3), then adds eight bytes at a time.
  static VITRINE_ALWAYS_INLINE Sum32 AddBits(Sum32 sum, Bytes x) {
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(x, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    return Add(sum, _mm256_sad_epu8(_mm256_add_epi8(low, high), Zero()));
  }

  // A pair of products of VPMADDUBSW is at most 2 * 15 * 128 = 3840 here, so that the eight of two
  // blocks stay within 16 bits: 30,720.
  struct U4Sum {
    __m256i sum_i32x8, pairs_i16x16;
  };
  static constexpr size_t kU4Blocks = 2;
  static VITRINE_ALWAYS_INLINE U4Sum ZeroU4() { return {Zero(), Zero()}; }
  static VITRINE_ALWAYS_INLINE U4Sum StepU4(U4Sum sum, Bytes digits, Bytes low, Bytes high) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i low_u8x32 = _mm256_and_si256(digits, nibble);
    const __m256i high_u8x32 = _mm256_and_si256(_mm256_srli_epi16(digits, 4), nibble);
    const __m256i both_i16x16 = _mm256_add_epi16(_mm256_maddubs_epi16(low_u8x32, low),
                                                 _mm256_maddubs_epi16(high_u8x32, high));
    return {sum.sum_i32x8, _mm256_add_epi16(sum.pairs_i16x16, both_i16x16)};
  }
  static VITRINE_ALWAYS_INLINE U4Sum FlushU4(U4Sum sum) {
    return {MultiplyAdd(sum.sum_i32x8, sum.pairs_i16x16, _mm256_set1_epi16(1)), Zero()};
  }
  static VITRINE_ALWAYS_INLINE Sum32 TotalU4(U4Sum sum) { return sum.sum_i32x8; }

  using Floats = __m256;
  static constexpr size_t kLanes = 8;
  static VITRINE_ALWAYS_INLINE Floats LoadFloats(const float* p) { return _mm256_loadu_ps(p); }
  static VITRINE_ALWAYS_INLINE Floats Splat(float x) { return _mm256_set1_ps(x); }
  static VITRINE_ALWAYS_INLINE void StoreFloats(float* p, Floats x) { _mm256_storeu_ps(p, x); }
  static VITRINE_ALWAYS_INLINE Floats AddFloats(Floats x, Floats y) { return _mm256_add_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Floats SubFloats(Floats x, Floats y) { return _mm256_sub_ps(x, y); }
  static VITRINE_ALWAYS_INLINE Floats MulFloats(Floats x, Floats y) { return _mm256_mul_ps(x, y); }
  // kDifferences: lanes that take partner - own, the others take the sum.
  template <int kDifferences>
  static VITRINE_ALWAYS_INLINE Floats Butterfly(Floats partner, Floats own) {
    return _mm256_blend_ps(AddFloats(partner, own), SubFloats(partner, own), kDifferences);
  }
  static VITRINE_ALWAYS_INLINE Floats HadamardWithin(Floats x) {
    x = Butterfly<0xaa>(_mm256_permute_ps(x, 0xb1), x);
    x = Butterfly<0xcc>(_mm256_permute_ps(x, 0x4e), x);
    return Butterfly<0xf0>(_mm256_permute2f128_ps(x, x, 1), x);
  }
};

}  // namespace
}  // namespace vitrine

VITRINE_TARGET_END

namespace vitrine {

constinit const CodeKernelTable kAvx2Codes = {
    .set = InstructionSet::kAvx2,
    .name = "avx2",
    .supported = Avx2Supported,
    .codes = CodeForms<Avx2Codes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
