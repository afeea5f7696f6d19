#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include "index/metric.h"
#include "stats/distance_kernel.h"

namespace vitrine {

inline constexpr size_t kMaxDimension = 65'536;

// What vectors are made of; they are kept as they are given, bit for bit.
//   kF16, kBf16  floats of 16 bits (kernels/kernels.h)
//   kBits        eight components a byte, in whatever order: distances only count them
enum class VectorType : uint8_t { kF32 = 0, kF16 = 1, kBf16 = 2, kI8 = 3, kU8 = 4, kBits = 5 };

inline constexpr std::string_view kVectorTypeNames[] = {"f32", "f16", "bf16", "i8", "u8", "bits"};

constexpr std::string_view NameOf(VectorType type) {
  return kVectorTypeNames[static_cast<size_t>(type)];
}

// What computes distances between such vectors.
constexpr DistanceKernel KernelOf(VectorType type) {
  constexpr DistanceKernel kKernels[] = {DistanceKernel::kF32,  DistanceKernel::kF16,
                                         DistanceKernel::kBf16, DistanceKernel::kI8,
                                         DistanceKernel::kU8,   DistanceKernel::kBits};
  static_assert(std::size(kKernels) == std::size(kVectorTypeNames));
  return kKernels[static_cast<size_t>(type)];
}

// Whether vectors may have so many components: bits come in whole bytes.
constexpr bool DimensionFits(VectorType type, size_t dimension) {
  return type != VectorType::kBits || dimension % 8 == 0;
}

// Whether the distance is one of such vectors.
constexpr bool MetricFits(VectorType type, Metric metric) {
  return (type == VectorType::kBits) == (metric == Metric::kHamming || metric == Metric::kJaccard);
}

// The elements that a vector comes in: its components, or bytes of bits; and how large they are.
// REQUIRES: DimensionFits
constexpr size_t ElementsOf(VectorType type, size_t dimension) {
  return type == VectorType::kBits ? dimension / 8 : dimension;
}
constexpr size_t ElementBytes(VectorType type) {
  constexpr uint8_t kBytes[] = {4, 2, 2, 1, 1, 1};
  return kBytes[static_cast<size_t>(type)];
}
constexpr size_t VectorBytes(VectorType type, size_t dimension) {
  return ElementsOf(type, dimension) * ElementBytes(type);
}

// The components of a vector of so many bytes.
constexpr size_t ComponentsIn(VectorType type, size_t bytes) {
  return type == VectorType::kBits ? bytes * 8 : bytes / ElementBytes(type);
}

// The first component that is infinite or not a number; `dimension` when there is none.
//   vector  of the type, any alignment
size_t FindNonFinite(VectorType type, const void* vector, size_t dimension);
// Whether that component is not a number.
bool IsNaN(VectorType type, const void* vector, size_t component);

// The components as f32, which holds each of them exactly.
//   vector  of the type, any alignment, finite
//   out     [dimension]
// REQUIRES: not kBits
void ToFloats(VectorType type, const void* vector, size_t dimension, float* out);

// Vectors of a type that their receiver knows, one behind the other: their bytes, which outlive the
// object. Made of arrays of any element, so that callers need no casts.
class VectorView {
 public:
  VectorView() = default;
  template <typename T, size_t n>
  VectorView(std::span<T, n> elements) : bytes_(std::as_bytes(elements)) {}  // NOLINT: a view
  template <typename T>
  VectorView(const std::vector<T>& elements)  // NOLINT: a view
      : bytes_(std::as_bytes(std::span(elements))) {}
  template <typename T>
  VectorView(const T* elements, size_t count) : bytes_(std::as_bytes(std::span(elements, count))) {}

  const std::byte* data() const { return bytes_.data(); }
  size_t size_bytes() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace vitrine
