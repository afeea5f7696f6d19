#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/code_kernels.h"

namespace vitrine {

// A pseudo-random orthogonal transformation: it keeps all distances and inner products, and spreads
// whatever a vector consists of over all components, so that each looks like one of a normal
// distribution. Hadamard transforms behind random signs, of as many components as the largest power
// of two covers: first, last and first ones, which overlap. Given by dimension and seed alone, and
// the same bits on every processor.
class CodeRotation {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; kernels outlives the rotation
  CodeRotation(size_t dimension, uint64_t seed, const CodeKernels& kernels);

  // Components of a rotated vector: the dimension rounded up to a multiple of 64.
  size_t padded() const { return padded_; }
  // Rotates in place.
  //   v  [padded()] f32, zeros from the dimension on
  void Apply(float* v) const;

 private:
  // Two leave vectors of few components visibly unlike a normal distribution, and four gain
  // nothing (docs/decisions/0004-codes.md).
  static constexpr size_t kTransforms = 3;

  const size_t padded_;
  const size_t transformed_;  // the largest power of two up to padded_
  const CodeKernels& kernels_;
  // [kTransforms * transformed_]: random signs over the square root of transformed_.
  std::vector<float> signs_;
};

}  // namespace vitrine
