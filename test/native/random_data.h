#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/platform.h"
#include "base/slot.h"

namespace vitrine {

#if defined(__SANITIZE_ADDRESS__)
#define VITRINE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VITRINE_ASAN 1
#endif
#endif
#ifndef VITRINE_ASAN
#define VITRINE_ASAN 0
#endif

// Defined where an emulator runs the tests: by cmake/native-tests.cmake.
#ifndef VITRINE_EMULATED
#define VITRINE_EMULATED 0
#endif

// How much to do: `full`, or a part of it where a sanitizer or an emulator makes everything many
// times slower.
constexpr size_t Scaled(size_t full, size_t part) {
  return VITRINE_TSAN != 0 || VITRINE_ASAN != 0 || VITRINE_EMULATED != 0 ? part : full;
}

// Whether a variable of the environment is 1.
inline bool IsAsked(const char* name) {
  const char* const asked = std::getenv(name);
  return asked != nullptr && std::string_view(asked) == "1";
}

// How much to do of a loop over kills, faults or damage, where every round is like the others: a
// sample of them, as with a sanitizer, unless all are asked for (VITRINE_EVERY_ROUND=1).
inline size_t Rounds(size_t every, size_t sample) {
  return IsAsked("VITRINE_EVERY_ROUND") ? Scaled(every, sample) : sample;
}

// The seed of a random test, which every failure names: VITRINE_TEST_SEED, or one that is always
// the same.
inline uint64_t TestSeed() {
  const char* const given = std::getenv("VITRINE_TEST_SEED");
  return given == nullptr ? 20'260'101 : std::strtoull(given, nullptr, 10);
}

#define VITRINE_TRACE_SEED() SCOPED_TRACE("VITRINE_TEST_SEED=" + std::to_string(TestSeed()))

// [count * dimension], each component from a normal distribution.
inline std::vector<float> NormalVectors(size_t count, size_t dimension, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * dimension);
  for (float& component : vectors) component = normal(random);
  return vectors;
}

// [count * dimension] around `clusters` centres in the order of the clusters, with more structure
// than noise, as real data has.
inline std::vector<float> ClusteredVectors(size_t count, size_t dimension, size_t clusters,
                                           uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const std::vector<float> centres = NormalVectors(clusters, dimension, seed + 1);
  std::vector<float> vectors(count * dimension);
  for (size_t i = 0; i < count; ++i) {
    const float* const centre = centres.data() + i * clusters / count * dimension;
    for (size_t j = 0; j < dimension; ++j) {
      vectors[i * dimension + j] = centre[j] + 0.4f * normal(random);
    }
  }
  return vectors;
}

inline std::vector<PointId> IdsFrom(PointId first, size_t count, PointId step = 1) {
  std::vector<PointId> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + i * step;
  return ids;
}

}  // namespace vitrine
