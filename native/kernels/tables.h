#pragma once

#include <span>
#include <string_view>

#include "kernels/kernels.h"

namespace vitrine {

// One for each file of kernels, constant-initialised; dispatch.cc lists those of this architecture.
extern const KernelTable kScalarKernels;
extern const KernelTable kNeonKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;

// SelectKernels among other tables than those of this build, best first.
const KernelTable* SelectKernelsFrom(std::span<const KernelTable* const> tables,
                                     std::string_view forced) noexcept;

}  // namespace vitrine
