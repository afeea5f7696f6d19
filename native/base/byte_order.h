#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vitrine {

// Unsigned integers as files hold them: little-endian, at any alignment. Exactly sizeof(T) bytes
// are read or written.

template <std::unsigned_integral T>
T LoadLittleEndian(const std::byte* from) {
  if constexpr (std::endian::native == std::endian::little) {
    T value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  } else {
    T value = 0;
    for (size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8 | T(from[i]));
    return value;
  }
}

template <std::unsigned_integral T>
void StoreLittleEndian(std::byte* to, T value) {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(to, &value, sizeof(value));
  } else {
    for (size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
  }
}

}  // namespace vitrine
