#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "base/pages.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace vitrine {

// Blocks of one size for what one thread makes and any thread gives back, out of one huge page
// where there are such: a thousand blocks of the heap are hundreds of pages that are touched for
// the first time, and whoever takes one there waits for those that give theirs back.
class BlockPool {
 public:
  static constexpr size_t kBytes = size_t{2} << 20;  // of all blocks
  static constexpr size_t kAlignment = 64;

  // So many bytes that are divided by kAlignment.
  static constexpr size_t Rounded(size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  // Null when memory is refused. REQUIRES: 0 < block_bytes <= kBytes, and Rounded. May throw
  // std::bad_alloc.
  static std::shared_ptr<BlockPool> Create(size_t block_bytes) {
    PageBlock pages = PageBlock::Allocate(kBytes);
    if (pages.data() == nullptr) return nullptr;
    return std::make_shared<BlockPool>(std::move(pages), block_bytes);
  }
  BlockPool(PageBlock pages, size_t block_bytes)
      : pages_(std::move(pages)), block_bytes_(block_bytes) {}
  // REQUIRES: no block is out
  ~BlockPool() { Allow(pages_.data(), kBytes); }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  size_t block_bytes() const { return block_bytes_; }

  // Null when all are taken. What is in it is not known. On one thread.
  std::byte* Take() {
    // Acquire: whoever gave them back has done with them. Those that were touched come first.
    if (free_ == nullptr) free_ = returned_.exchange(nullptr, std::memory_order_acquire);
    if (std::byte* const block = free_; block != nullptr) {
      std::memcpy(&free_, block, sizeof(free_));
      Allow(block, block_bytes_);
      return block;
    }
    if (kBytes - cut_ < block_bytes_) return nullptr;
    cut_ += block_bytes_;
    return pages_.data() + (cut_ - block_bytes_);
  }
  // What Take returned. Any thread.
  void Give(std::byte* block) noexcept {
    Forbid(block + sizeof(block), block_bytes_ - sizeof(block));
    std::byte* first = returned_.load(std::memory_order_relaxed);
    do {
      std::memcpy(block, &first, sizeof(first));
      // Release: for Take, which takes all of them at once, so that none can come back meanwhile.
    } while (!returned_.compare_exchange_weak(first, block, std::memory_order_release,
                                              std::memory_order_relaxed));
  }

 private:
  // For AddressSanitizer: a block that was given back is nobody's.
  static void Forbid([[maybe_unused]] std::byte* begin, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(begin, bytes);
#endif
  }
  static void Allow([[maybe_unused]] std::byte* begin, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(begin, bytes);
#endif
  }

  const PageBlock pages_;
  const size_t block_bytes_;
  size_t cut_ = 0;  // bytes that have been blocks
  // Lists that are linked through the first bytes of their blocks.
  std::byte* free_ = nullptr;
  std::atomic<std::byte*> returned_{nullptr};
};

}  // namespace vitrine
