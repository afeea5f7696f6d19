#pragma once

#include <cstdint>
#include <string_view>

namespace vitrine {

// How far apart two vectors are; lower is nearer for each.
//   kL2      squared Euclidean distance
//   kCosine  1 - cos, in [0, 2]; 1 from and to a zero vector
//   kIp      minus the inner product
enum class Metric : uint8_t { kL2 = 0, kCosine = 1, kIp = 2 };

inline constexpr std::string_view kMetricNames[] = {"l2", "cosine", "ip"};

}  // namespace vitrine
