#pragma once

#include "kernels/isa.h"

// The intrinsics of the processor that is compiled for. Declared outside of every region of isa.h,
// and included only by what uses them: on x86 they take longer to read than a kernel to compile.
#if defined(VITRINE_X86_64)
#include <immintrin.h>
#elif defined(VITRINE_ARM64)
#include <arm_neon.h>
#endif
