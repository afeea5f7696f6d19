#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/code_kernels.h"

// How the components of a vector become the digits of a code (docs/decisions/0004-codes.md).

namespace vitrine {

// What a digit of 0 stands for, in steps below zero.
inline constexpr float kScaledOffset = 128;
inline constexpr float kRotatedOffset = 7.5f;

// The step that loses least when a normal distribution is cut into 16 equal ones, in standard
// deviations (Max 1960, table II).
inline constexpr double kGaussianStep = 0.3352;

// <digits - offset, vector> and |digits - offset|^2 of a code and its vector.
struct CodeMatch {
  double dot, squared_length;
};

//   vector  [count] f32; rotated where the name says so
//   count   a multiple of 8; of rotated ones 64
//   row     [count] bytes; of rotated ones [count / 2], in the layout of code_kernels.h

// Eight bits a component, scaled by the largest.
CodeMatch EncodeScaled(const float* vector, size_t count, const CodeKernels& kernels, uint8_t* row);
// Four bits a component, scaled by the length.
CodeMatch EncodeRotated(const float* vector, size_t count, const CodeKernels& kernels,
                        uint8_t* row);

// As EncodeRotated, with digits that carry `number` (CodeKernels::carried), and whose inner product
// with the vector is `dot` as nearly as it can be had.
//   count   a multiple of 128 up to kMostCarrying
//   number  of kCarriedBits
CodeMatch EncodeCarrying(const float* vector, size_t count, const CodeKernels& kernels,
                         uint32_t number, double dot, uint8_t* row);
inline constexpr size_t kMostCarrying = 256;
// The step of such digits, over |vector| / sqrt(count), with which they lose least: with it the
// inner product of digits - offset and the vector is to be |vector|^2. The second factor makes up
// for what the errors of digits take away of it.
inline constexpr double kCarryingStretch = kGaussianStep / (1 - 0.0141);

}  // namespace vitrine
