#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "index/vector_type.h"

namespace vitrine {

// What walks score instead of whole rows (docs/decisions/0004-codes.md). Distances of hits are
// exact with each.
enum class Quantization : uint8_t {
  kNone = 0,
  kSq8 = 1,   // eight bits a dimension
  kRq4 = 2,   // four bits a dimension
  kAuto = 3,  // what the first thousand vectors speak for
};

// So many vectors tell what their centre is: with them codes are made.
inline constexpr size_t kCodesFrom = 1'000;

// Whether there are such codes of such vectors. Bytes have none of eight bits, which would say less
// than they do themselves, and bits have none.
constexpr bool QuantizationFits(VectorType type, Quantization quantization) {
  if (ElementBytes(type) > 1) return true;
  return quantization == Quantization::kNone || quantization == Quantization::kAuto ||
         (quantization == Quantization::kRq4 && type != VectorType::kBits);
}

inline constexpr std::string_view kQuantizationNames[] = {"none", "sq8", "rq4", "auto"};

}  // namespace vitrine
