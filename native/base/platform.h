#pragma once

// For what must not be a call, whatever the compiler's heuristics say: kernels, whose vectors would
// travel through memory, and what a search does for each row, which becomes part of the loop that
// was compiled for the instruction set at hand.
#if defined(_MSC_VER) && !defined(__clang__)
#define VITRINE_ALWAYS_INLINE __forceinline
#else
#define VITRINE_ALWAYS_INLINE inline __attribute__((always_inline))
#endif

// For what is to be compiled once, by itself, whoever calls it.
#if defined(_MSC_VER) && !defined(__clang__)
#define VITRINE_NOINLINE __declspec(noinline)
#else
#define VITRINE_NOINLINE __attribute__((noinline))
#endif

// VITRINE_TSAN: built under ThreadSanitizer, which knows neither fences nor vector loads that
// race by design; such places then go word by word through atomics.
#if defined(__SANITIZE_THREAD__)
#define VITRINE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VITRINE_TSAN 1
#endif
#endif
#ifndef VITRINE_TSAN
#define VITRINE_TSAN 0
#endif
