#include "base/slot_array.h"

namespace vitrine {

SlotRows::~SlotRows() = default;

void SlotRows::Borrow(const std::byte* rows, size_t row_bytes, size_t count) {
  row_bytes_ = row_bytes;
  for (std::atomic<uintptr_t>& base : base_) {
    base.store(reinterpret_cast<uintptr_t>(rows), std::memory_order_relaxed);
  }
  capacity_.store(count, std::memory_order_release);
}

bool SlotRows::Grow(size_t count) {
  if (count > kMaxSlots) return false;
  for (size_t capacity = capacity_.load(std::memory_order_relaxed); capacity < count;) {
    const size_t chunk = capacity == 0 ? 0 : ChunkOf(static_cast<Slot>(capacity));
    PageBlock block = PageBlock::Allocate(CountOf(chunk) * row_bytes_);
    if (block.data() == nullptr) return false;
    base_[chunk].store(reinterpret_cast<uintptr_t>(block.data()) - FirstOf(chunk) * row_bytes_,
                       std::memory_order_relaxed);
    chunks_[chunk] = std::move(block);
    capacity += CountOf(chunk);
    capacity_.store(capacity, std::memory_order_release);
  }
  return true;
}

}  // namespace vitrine
