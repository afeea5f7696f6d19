#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "base/pages.h"

namespace vitrine {

// Memory for many small records: blocks of a few sizes, cut from large chunks and used again. A
// record loses at most a fifth of itself or seven bytes, and chunks are kept: under churn
// memory stays at the most that there ever was of each size.
//
// Thread safety: one caller at a time; records may be read beside it.
class RecordStore {
 public:
  RecordStore() = default;
  RecordStore(const RecordStore&) = delete;
  RecordStore& operator=(const RecordStore&) = delete;

  // Has the next blocks cut from one chunk of `bytes`, or somewhat more: for who knows what will
  // come. From some size on the system gives it out in huge pages, where it gives out one chunk
  // after the other page by page. Nothing happens where memory is refused.
  void Reserve(size_t bytes);
  // A block of `bytes`, aligned to 8. May throw std::bad_alloc, and then nothing changed.
  std::byte* Allocate(size_t bytes);
  // Takes back what Allocate gave for `bytes`. Does not fail.
  void Free(std::byte* block, size_t bytes);

  // Of chunks, used or not.
  size_t memory_bytes() const { return memory_bytes_; }

 private:
  static constexpr size_t kChunkBytes = size_t{256} << 10;
  static constexpr size_t kLargest = size_t{16} << 10;  // beyond, each block is a chunk
  static constexpr size_t kClasses = 64;

  static size_t ClassOf(size_t bytes);
  static size_t BytesOf(size_t size_class);

  // The blocks of a class that are free: each begins with a pointer to the next.
  std::array<std::byte*, kClasses> free_{};
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  PageBlock reserved_;
  std::byte* next_ = nullptr;  // in the newest chunk, or in reserved_
  size_t left_ = 0;
  std::map<std::byte*, std::unique_ptr<std::byte[]>> large_;
  size_t memory_bytes_ = 0;
};

}  // namespace vitrine
