#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace vitrine {

// What computes distances: the kernels of kernels/kernels.h and kernels/code_kernels.h that
// searches call, by what the rows are made of. Which of them it is follows from the metric.
enum class DistanceKernel : uint8_t {
  kF32,
  kF16,
  kBf16,
  kI8,
  kU8,
  kBits,
  kSq8,     // codes of eight bits a dimension
  kRq4,     // and of four
  kSketch,  // and of one
};
inline constexpr std::string_view kDistanceKernelNames[] = {"f32",  "f16", "bf16", "i8",    "u8",
                                                            "bits", "sq8", "rq4",  "sketch"};
inline constexpr size_t kDistanceKernels = std::size(kDistanceKernelNames);
static_assert(kDistanceKernels == static_cast<size_t>(DistanceKernel::kSketch) + 1);
// The first that computes with integers; those before it compute with floats.
inline constexpr DistanceKernel kFirstIntegerKernel = DistanceKernel::kI8;

// The tables of kernels that there are, by their names.
inline constexpr std::string_view kKernelTableNames[] = {
    "scalar", "neon", "neon-dotprod", "avx2", "avx512", "avx512-vnni", "avx512-vpopcntdq"};

// Which of them are in force; places in kKernelTableNames.
struct KernelsInForce {
  size_t floats = 0;
  size_t integers = 0;

  constexpr size_t Of(size_t kernel) const {
    return kernel < static_cast<size_t>(kFirstIntegerKernel) ? floats : integers;
  }
};

// What a query is compared with.
enum class ComparedWith : uint8_t { kVectors, kCodes, kSketches };
inline constexpr size_t kComparedForms = static_cast<size_t>(ComparedWith::kSketches) + 1;

// Rows that one call of a kernel takes at most, and how many calls take `rows` of them.
constexpr uint64_t RowsOfCall(ComparedWith what) {
  return what == ComparedWith::kSketches ? 64 : 4;
}
constexpr uint64_t CallsFor(ComparedWith what, uint64_t rows) {
  return (rows + RowsOfCall(what) - 1) / RowsOfCall(what);
}

}  // namespace vitrine
