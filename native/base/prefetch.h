#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace vitrine {

inline constexpr unsigned kCacheLineBytes = 64;

// Asks for the cache line that holds `address`; never faults, whatever the address.
inline void Prefetch(const void* address) {
#if defined(_MSC_VER) && !defined(__clang__)
#if defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
  __prefetch(address);
#endif
#else
  __builtin_prefetch(address, 0, 3);
#endif
}

}  // namespace vitrine
