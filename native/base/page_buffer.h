#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <span>

#include "base/pages.h"

namespace vitrine {

// Bytes that are gathered for one system call, in pages of their own: the heap keeps a block of
// that size for each thread that ever had one.
class PageBuffer {
 public:
  // May throw std::bad_alloc.
  explicit PageBuffer(size_t capacity) : pages_(PageBlock::Allocate(capacity)) {
    if (pages_.data() == nullptr && capacity > 0) throw std::bad_alloc();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t room() const { return pages_.bytes() - size_; }
  const std::byte* data() const { return pages_.data(); }
  std::span<const std::byte> bytes() const { return {pages_.data(), size_}; }

  // REQUIRES: room for them
  void Append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(pages_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void Clear() { size_ = 0; }

 private:
  PageBlock pages_;
  size_t size_ = 0;
};

}  // namespace vitrine
