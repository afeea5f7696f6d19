#pragma once

#include <cstdint>
#include <string_view>

namespace vitrine {

// Where the vectors of a table are that comes from a file.
//   kMemory  they are read
//   kMapped  they stay in the file, which is mapped
enum class VectorPlace : uint8_t { kMemory = 0, kMapped = 1 };
inline constexpr std::string_view kVectorPlaceNames[] = {"memory", "mmap"};

}  // namespace vitrine
