#include "index/vector_type.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"
#include "kernels/isa.h"

#if defined(VITRINE_X86_64)
VITRINE_TARGET_BEGIN_AVX2
namespace vitrine {
namespace {

// How many of the first components are known to be finite: all up to a multiple of 16, or none.
// Every vector of a file is looked at when it is opened: this is twice as fast as what a compiler
// makes for the oldest processors.
//   vector  f32, any alignment
size_t FiniteInAvx2(const void* vector, size_t dimension) {
  const auto* const at = static_cast<const float*>(vector);
  const __m256i infinity_u32x8 = _mm256_set1_epi32(0x7f800000);
  const __m256i least_u32x8 = _mm256_set1_epi32(0x00800000);
  __m256i carries0_u32x8 = _mm256_setzero_si256();
  __m256i carries1_u32x8 = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    const __m256i first_u32x8 =
        _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(at + i)), infinity_u32x8);
    const __m256i second_u32x8 =
        _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(at + i + 8)), infinity_u32x8);
    carries0_u32x8 = _mm256_or_si256(carries0_u32x8, _mm256_add_epi32(first_u32x8, least_u32x8));
    carries1_u32x8 = _mm256_or_si256(carries1_u32x8, _mm256_add_epi32(second_u32x8, least_u32x8));
  }
  const __m256i carries_u32x8 = _mm256_or_si256(carries0_u32x8, carries1_u32x8);
  return _mm256_movemask_ps(_mm256_castsi256_ps(carries_u32x8)) == 0 ? i : 0;
}

}  // namespace
}  // namespace vitrine
VITRINE_TARGET_END
#endif

namespace vitrine {
namespace {

size_t FiniteAtFirst(const void* vector, size_t dimension) {
#if defined(VITRINE_X86_64)
  static const bool has_avx2 = Avx2Supported();
  if (has_avx2) return FiniteInAvx2(vector, dimension);
#endif
  (void)vector;
  (void)dimension;
  return 0;
}

template <typename T>
T LoadAt(const void* from, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(from) + i * sizeof(T), sizeof(T));
  return value;
}

// The bits of an infinity: those of everything that is not finite are as large or larger.
uint32_t InfinityOf(VectorType type) {
  return type == VectorType::kF32 ? 0x7f800000 : type == VectorType::kF16 ? 0x7c00 : 0x7f80;
}

uint32_t MagnitudeAt(VectorType type, const void* vector, size_t i) {
  return type == VectorType::kF32 ? LoadAt<uint32_t>(vector, i) & 0x7fffffffu
                                  : LoadAt<uint16_t>(vector, i) & 0x7fffu;
}

// An exponent of all ones carries into the sign. Bits, because sums of floats keep their order and
// would be computed one by one.
//   infinity  the bits of one: an exponent of all ones
template <typename T>
bool AllFinite(const void* vector, size_t dimension, T infinity) {
  const T least = static_cast<T>(infinity & -infinity);
  T carries = 0;
  for (size_t i = 0; i < dimension; ++i) {
    carries = static_cast<T>(carries | ((LoadAt<T>(vector, i) & infinity) + least));
  }
  return (carries >> (8 * sizeof(T) - 1)) == 0;
}

float FromHalf(uint32_t half) {
  // The exponent moves from a bias of 15 to one of 127. Denormals get the smallest normal exponent,
  // whose implicit one is taken off again.
  constexpr uint32_t kRebias = 112u << 23, kSmallest = 113u << 23;
  const uint32_t magnitude = (half & 0x7fffu) << 13;
  const bool is_denormal = magnitude < (1u << 23);
  const uint32_t normal = magnitude + kRebias;
  const float denormal =
      std::bit_cast<float>(magnitude + kSmallest) - std::bit_cast<float>(kSmallest);
  const uint32_t bits = is_denormal ? std::bit_cast<uint32_t>(denormal) : normal;
  return std::bit_cast<float>(bits | (half & 0x8000u) << 16);
}

}  // namespace

size_t FindNonFinite(VectorType type, const void* vector, size_t dimension) {
  if (ElementBytes(type) == 1) return dimension;
  const uint32_t infinity = InfinityOf(type);
  const size_t known = type == VectorType::kF32 ? FiniteAtFirst(vector, dimension) : 0;
  const bool finite =
      type == VectorType::kF32
          ? AllFinite<uint32_t>(static_cast<const std::byte*>(vector) + known * sizeof(float),
                                dimension - known, infinity)
          : AllFinite<uint16_t>(vector, dimension, static_cast<uint16_t>(infinity));
  if (finite) return dimension;
  size_t i = 0;
  while (MagnitudeAt(type, vector, i) < infinity) ++i;
  return i;
}

bool IsNaN(VectorType type, const void* vector, size_t component) {
  return MagnitudeAt(type, vector, component) > InfinityOf(type);
}

void ToFloats(VectorType type, const void* vector, size_t dimension, float* out) {
  switch (type) {
    case VectorType::kF32:
      std::memcpy(out, vector, dimension * sizeof(float));
      break;
    case VectorType::kF16:
      for (size_t i = 0; i < dimension; ++i) out[i] = FromHalf(LoadAt<uint16_t>(vector, i));
      break;
    case VectorType::kBf16:
      for (size_t i = 0; i < dimension; ++i) {
        out[i] = std::bit_cast<float>(uint32_t{LoadAt<uint16_t>(vector, i)} << 16);
      }
      break;
    case VectorType::kI8:
      for (size_t i = 0; i < dimension; ++i) out[i] = LoadAt<int8_t>(vector, i);
      break;
    case VectorType::kU8:
      for (size_t i = 0; i < dimension; ++i) out[i] = LoadAt<uint8_t>(vector, i);
      break;
    case VectorType::kBits:
      break;
  }
}

}  // namespace vitrine
