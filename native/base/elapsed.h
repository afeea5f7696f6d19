#pragma once

#include <chrono>
#include <cstdint>

namespace vitrine {

// How long it is since `start`.
inline uint64_t NanosecondsSince(std::chrono::steady_clock::time_point start) {
  const auto spent = std::chrono::steady_clock::now() - start;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count());
}

}  // namespace vitrine
