#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "binding/js_value.h"

namespace vitrine {

// A copy of a Float32Array that outlives the call: what JavaScript does to its array meanwhile
// (detach it, shrink it, write to it from another thread) no longer matters.
class VectorCopy {
 public:
  VectorCopy() = default;
  // May throw std::bad_alloc.
  explicit VectorCopy(const TypedArray& array)
      : floats_(std::make_unique_for_overwrite<float[]>(array.length)), size_(array.length) {
    if (size_ > 0) std::memcpy(floats_.get(), array.data, size_ * sizeof(float));
  }

  const float* data() const { return floats_.get(); }
  size_t size() const { return size_; }
  std::span<const float> span() const { return {floats_.get(), size_}; }

 private:
  std::unique_ptr<float[]> floats_;
  size_t size_ = 0;
};

}  // namespace vitrine
