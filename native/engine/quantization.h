#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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

inline constexpr std::string_view kQuantizationNames[] = {"none", "sq8", "rq4", "auto"};

}  // namespace vitrine
