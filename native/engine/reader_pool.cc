#include "engine/reader_pool.h"

#include <algorithm>

namespace vitrine {

ReaderPool::Lease ReaderPool::Acquire() {
  Scratch* scratch = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      // Room in `free_` first, so that Return cannot fail.
      free_.reserve(all_.size() + 1);
      all_.push_back(std::make_unique<Scratch>());
      scratch = all_.back().get();
    } else {
      scratch = free_.back();
      free_.pop_back();
    }
  }
  scratch->failure = {};
  scratch->pin.store(published_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  return {*this, *scratch, published_.load(std::memory_order_seq_cst)};
}

void ReaderPool::Return(Scratch& scratch) {
  scratch.ClearVisited();
  scratch.pin.store(Scratch::kUnpinned, std::memory_order_seq_cst);
  const std::lock_guard lock(mutex_);
  free_.push_back(&scratch);
}

uint64_t ReaderPool::OldestPin() const {
  const std::lock_guard lock(mutex_);
  uint64_t oldest = published_.load(std::memory_order_seq_cst);
  for (const auto& scratch : all_) {
    oldest = std::min(oldest, scratch->pin.load(std::memory_order_seq_cst));
  }
  return oldest;
}

size_t ReaderPool::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const auto& scratch : all_) bytes += scratch->memory_bytes();
  return bytes;
}

}  // namespace vitrine
