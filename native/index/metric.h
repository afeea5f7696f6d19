#pragma once

#include <cstdint>
#include <string_view>

namespace vitrine {

// How far apart two vectors are; lower is nearer for each.
//   kL2       squared Euclidean distance
//   kCosine   1 - cos, in [0, 2]; 1 from and to a zero vector
//   kIp       minus the inner product
//   kHamming  of bits: how many differ
//   kJaccard  of bits: 1 - both / either, in [0, 1]; 0 between two that have none set
enum class Metric : uint8_t { kL2 = 0, kCosine = 1, kIp = 2, kHamming = 3, kJaccard = 4 };

inline constexpr std::string_view kMetricNames[] = {"l2", "cosine", "ip", "hamming", "jaccard"};

}  // namespace vitrine
