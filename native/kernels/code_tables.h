#pragma once

#include <span>

#include "kernels/code_kernels.h"

namespace vitrine {

// One for each file of kernels on codes, constant-initialised; code_dispatch.cc lists those of this
// architecture.
extern const CodeKernelTable kScalarCodes;
extern const CodeKernelTable kNeonCodes;
extern const CodeKernelTable kNeonDotprodCodes;
extern const CodeKernelTable kAvx2Codes;
extern const CodeKernelTable kAvx512Codes;
extern const CodeKernelTable kAvx512VnniCodes;
extern const CodeKernelTable kAvx512VpopcntdqCodes;

// SelectCodeKernels among other tables than those of this build, best first.
// REQUIRES: the last is supported
const CodeKernelTable& SelectCodeKernelsFrom(std::span<const CodeKernelTable* const> tables,
                                             InstructionSet set) noexcept;

}  // namespace vitrine
