#include "sample_vectors.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace vitrine {

std::vector<float> SampleVectors(const std::string& file, size_t count) {
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
