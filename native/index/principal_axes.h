#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/code_kernels.h"

namespace vitrine {

// The directions in which vectors differ most, kSketchDigits of them at most: orthonormal, and
// those of a sample of some hundred vectors are nearly those of all.
//   rows     [count * dimension] differences from a centre, finite, of which only the direction
//   counts returns  [dimension * kProjected], as CodeKernels::project takes them; zeros where there
//   are fewer
// Takes 0.1 s for 1,000 rows of 784. May throw std::bad_alloc.
std::vector<float> PrincipalAxes(std::vector<float> rows, size_t dimension,
                                 const CodeKernels& kernels);

// Of the axes that a projection has room for; the rest is for factors.
inline constexpr size_t kSketchDigits = 56;

}  // namespace vitrine
