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
  // Not __builtin_prefetch: GCC takes a function that does nothing else for one without effects,
  // and drops calls of it, and of what calls only it, without a word.
#elif defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));  // NOLINT
#elif defined(__aarch64__)
  asm volatile("prfm pldl1keep, %a0" : : "p"(address));  // NOLINT
#endif
}

}  // namespace vitrine
