#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

namespace vitrine {

// Pictures of clothes, as the repository carries them (examples/data): real data, on which recall
// means something.
inline constexpr size_t kSampleDimension = 784;

// The first `count` rows of a file of the sample, "base" (10,000) or "queries" (500).
//   returns  [count * kSampleDimension]; empty, and the test fails, when the file cannot be read
inline std::vector<float> SampleVectors(const std::string& file, size_t count) {
  const std::string command =
      std::string("gzip -dc '") + VITRINE_SAMPLE_FOLDER + "/" + file + ".u8.gz'";
  std::vector<unsigned char> bytes(count * kSampleDimension);
  std::FILE* const pipe = popen(command.c_str(), "r");
  const size_t read = pipe == nullptr ? 0 : std::fread(bytes.data(), 1, bytes.size(), pipe);
  if (pipe != nullptr) pclose(pipe);
  EXPECT_EQ(read, bytes.size()) << command;
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(read)};
}

}  // namespace vitrine
