#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "base/pages.h"

namespace vitrine {

// Bytes that are gathered for one system call, in pages of their own: the heap keeps a block of
// that size for each thread that ever had one.
class PageBuffer {
 public:
  // May throw std::bad_alloc: where pages are refused the heap is asked.
  explicit PageBuffer(size_t capacity)
      : pages_(PageBlock::Allocate(capacity)), capacity_(capacity), data_(pages_.data()) {
    if (data_ != nullptr) return;
    heap_ = std::make_unique<std::byte[]>(capacity);
    data_ = heap_.get();
  }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t room() const { return capacity_ - size_; }
  const std::byte* data() const { return data_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // REQUIRES: room for them
  void Append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void Clear() { size_ = 0; }

 private:
  const PageBlock pages_;
  std::unique_ptr<std::byte[]> heap_;
  const size_t capacity_;
  std::byte* data_;
  size_t size_ = 0;
};

}  // namespace vitrine
