#include "index/code_rotation.h"

#include <bit>
#include <cmath>

namespace vitrine {
namespace {

// The generator SplitMix64 (Steele, Lea and Flood 2014), chosen because it is a few lines that will
// be the same for ever.
uint64_t NextRandom(uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t bits = state;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

}  // namespace

CodeRotation::CodeRotation(size_t dimension, uint64_t seed, const CodeKernels& kernels)
    : padded_((dimension + 63) / 64 * 64),
      transformed_(std::bit_floor(padded_)),
      kernels_(kernels),
      signs_(kTransforms * transformed_) {
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(transformed_)));
  uint64_t bits = 0;
  for (size_t i = 0; i < signs_.size(); ++i) {
    if (i % 64 == 0) bits = NextRandom(seed);
    signs_[i] = (bits >> (i % 64) & 1) != 0 ? -scale : scale;
  }
}

void CodeRotation::Apply(float* v) const {
  for (size_t transform = 0; transform < kTransforms; ++transform) {
    const float* const signs = signs_.data() + transform * transformed_;
    float* const part = transform % 2 == 0 ? v : v + (padded_ - transformed_);
    for (size_t i = 0; i < transformed_; ++i) part[i] *= signs[i];
    kernels_.hadamard(part, transformed_);
  }
}

}  // namespace vitrine
