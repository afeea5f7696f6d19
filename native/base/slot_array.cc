#include "base/slot_array.h"

#include <algorithm>

namespace vitrine {

SlotRows::~SlotRows() = default;

void SlotRows::Borrow(const std::byte* rows, size_t row_bytes, size_t count) {
  row_bytes_ = row_bytes;
  for (std::atomic<uintptr_t>& base : base_) {
    base.store(reinterpret_cast<uintptr_t>(rows), std::memory_order_relaxed);
  }
  capacity_.store(count, std::memory_order_release);
}

bool SlotRows::Grow(size_t count, PageRegion* region) {
  if (count > kMaxSlots) return false;
  const size_t before = capacity_.load(std::memory_order_relaxed);
  if (count <= before) return true;
  // Neighbouring chunks in one block: each costs calls to the operating system.
  const size_t first = before == 0 ? 0 : ChunkOf(static_cast<Slot>(before));
  const size_t last = ChunkOf(static_cast<Slot>(count - 1));
  const size_t capacity = FirstOf(last) + CountOf(last);
  const size_t bytes = (capacity - before) * row_bytes_;
  PageBlock block =
      region != nullptr ? region->Allocate(bytes) : PageBlock::Allocate(bytes, pages_);
  if (block.data() == nullptr) return false;
  for (size_t chunk = first; chunk <= last; ++chunk) {
    base_[chunk].store(reinterpret_cast<uintptr_t>(block.data()) - before * row_bytes_,
                       std::memory_order_relaxed);
  }
  blocks_[first] = std::move(block);
  capacity_.store(capacity, std::memory_order_release);
  return true;
}

// Of the block that the chunk lies in.
bool SlotRows::HasOwnPages(size_t chunk) const {
  while (blocks_[chunk].data() == nullptr) --chunk;
  return blocks_[chunk].has_own_pages();
}

void SlotRows::Discard(Slot first, size_t count) {
  const size_t end = first + count;
  for (size_t row = first; row < end;) {
    const auto slot = static_cast<Slot>(row);
    const size_t chunk = ChunkOf(slot);
    const size_t past = std::min(end, FirstOf(chunk) + CountOf(chunk));
    if (HasOwnPages(chunk)) DiscardPages(Row(slot), (past - row) * row_bytes_);
    row = past;
  }
}

}  // namespace vitrine
