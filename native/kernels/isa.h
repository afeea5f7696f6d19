#pragma once

#include "base/platform.h"

// Compiling part of a file for a wider instruction set than the rest of the program.
//
//   #include everything first (the intrinsics too: kernels/intrinsics.h), then
//   VITRINE_TARGET_BEGIN_AVX2
//   ... functions in an unnamed namespace ...
//   VITRINE_TARGET_END
//
// A region and not a compiler flag, and closed before any include, because a weak copy of an inline
// function or template of the standard library that is compiled with AVX may be the copy that the
// linker keeps for the whole addon: an illegal instruction on older processors. So a region defines
// only functions of internal linkage and calls no function that another header defines inline;
// `nm -C file.o | grep ' W '` shows what slipped through.
//
// Whoever calls into a region first asks `Avx2Supported` or `Avx512Supported` (cpu_features.h),
// which test for exactly the extensions named here.

// Defined, as 1, only where they hold, so that both `#if` and `#ifdef` work.
#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define VITRINE_X86_64 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define VITRINE_ARM64 1
#endif

#define VITRINE_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define VITRINE_TARGET_BEGIN(extensions) \
  VITRINE_PRAGMA(clang attribute push(__attribute__((target(extensions))), apply_to = function))
#define VITRINE_TARGET_END VITRINE_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define VITRINE_TARGET_BEGIN(extensions) \
  VITRINE_PRAGMA(GCC push_options)       \
  VITRINE_PRAGMA(GCC target(extensions))
#define VITRINE_TARGET_END VITRINE_PRAGMA(GCC pop_options)
#else  // MSVC compiles every intrinsic anywhere
#define VITRINE_TARGET_BEGIN(extensions)
#define VITRINE_TARGET_END
#endif

#if defined(VITRINE_X86_64)
// Haswell and Zen (2013, 2017) and later.
#define VITRINE_TARGET_BEGIN_AVX2 VITRINE_TARGET_BEGIN("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
// Skylake-SP and Zen 4 (2017, 2022) and later; without VNNI, which the first of them lack.
#define VITRINE_TARGET_BEGIN_AVX512 \
  VITRINE_TARGET_BEGIN("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq")
// Cascade Lake and Zen 4 (2019, 2022) and later.
#define VITRINE_TARGET_BEGIN_AVX512_VNNI \
  VITRINE_TARGET_BEGIN(                  \
      "avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
// Ice Lake and Zen 4 (2019, 2022) and later.
#define VITRINE_TARGET_BEGIN_AVX512_VPOPCNTDQ                                              \
  VITRINE_TARGET_BEGIN(                                                                    \
      "avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni," \
      "avx512vpopcntdq")
#elif defined(VITRINE_ARM64)
// Cortex-A76, Neoverse N1 and Apple M1 (2018 to 2020) and later. Clang before 16 declares the
// intrinsics only where the whole file is compiled for them.
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD)
#define VITRINE_HAS_DOTPROD 1
#if defined(__clang__)
#define VITRINE_TARGET_BEGIN_DOTPROD VITRINE_TARGET_BEGIN("dotprod")
#else
#define VITRINE_TARGET_BEGIN_DOTPROD VITRINE_TARGET_BEGIN("arch=armv8.2-a+dotprod")
#endif
#endif
#endif
