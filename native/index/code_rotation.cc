#include "index/code_rotation.h"

#include <bit>
#include <cmath>

#include "base/splitmix64.h"

namespace vitrine {

CodeRotation::CodeRotation(size_t dimension, uint64_t seed, const CodeKernels& kernels)
    : padded_((dimension + 63) / 64 * 64),
      transformed_(std::bit_floor(padded_)),
      kernels_(kernels),
      signs_(kTransforms * transformed_) {
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(transformed_)));
  SplitMix64 random(seed);
  uint64_t bits = 0;
  for (size_t i = 0; i < signs_.size(); ++i) {
    if (i % 64 == 0) bits = random();
    signs_[i] = (bits >> (i % 64) & 1) != 0 ? -scale : scale;
  }
}

void CodeRotation::Apply(float* v) const {
  for (size_t transform = 0; transform < kTransforms; ++transform) {
    const float* const signs = signs_.data() + transform * transformed_;
    float* const part = transform % 2 == 0 ? v : v + (padded_ - transformed_);
    kernels_.hadamard(part, signs, transformed_);
  }
}

}  // namespace vitrine
