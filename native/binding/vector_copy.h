#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "base/pages.h"
#include "binding/js_value.h"

namespace vitrine {

// A copy of a Float32Array that outlives the call: what JavaScript does to its array meanwhile
// (detach it, shrink it, write to it from another thread) no longer matters.
class VectorCopy {
 public:
  VectorCopy() = default;
  // May throw std::bad_alloc.
  explicit VectorCopy(const TypedArray& array) : size_(array.length) {
    const size_t bytes = size_ * sizeof(float);
    // Given back to the system when it is freed, which allocators do not do with blocks that come
    // and go.
    if (bytes >= kOwnPages) pages_ = PageBlock::Allocate(bytes);
    if (pages_.data() == nullptr) floats_ = std::make_unique_for_overwrite<float[]>(size_);
    float* const to =
        floats_ != nullptr ? floats_.get() : reinterpret_cast<float*>(pages_.data());  // NOLINT
    if (size_ > 0) std::memcpy(to, array.data, bytes);
    data_ = to;
  }

  const float* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const float> span() const { return {data(), size_}; }

 private:
  static constexpr size_t kOwnPages = size_t{1} << 20;

  std::unique_ptr<float[]> floats_;  // one of these two
  PageBlock pages_;
  const float* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace vitrine
