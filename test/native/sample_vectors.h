#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vitrine {

// Pictures of clothes, as the repository carries them (examples/data): real data, on which recall
// means something.
inline constexpr size_t kSampleDimension = 784;

// The first `count` rows of a file of the sample, "base" (10,000) or "queries" (500).
//   returns  [count * kSampleDimension]; empty, and the test fails, when the file cannot be read
std::vector<float> SampleVectors(const std::string& file, size_t count);

}  // namespace vitrine
