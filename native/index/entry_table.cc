#include "index/entry_table.h"

#include <bit>

namespace vitrine {

void EntryTable::Offer(Slot slot) {
  if (offered_++ % stride_ != 0) return;
  size_t count = count_.load(std::memory_order_relaxed);
  if (count >= limit_) {
    for (size_t i = 1; i < limit_ / 2; ++i) {
      entries_[i].store(entries_[2 * i].load(std::memory_order_relaxed), std::memory_order_release);
    }
    count = limit_ / 2;
    count_.store(count, std::memory_order_release);
    stride_ *= 2;
    if ((offered_ - 1) % stride_ != 0) return;
  }
  entries_[count].store(slot, std::memory_order_release);
  count_.store(count + 1, std::memory_order_release);
}

void EntryTable::Widen(const Slot* slots, size_t count) {
  limit_ *= 2;
  stride_ = std::max<uint64_t>(1, stride_ / 2);
  for (size_t i = 0; i < count; ++i) entries_[i].store(slots[i], std::memory_order_release);
  count_.store(count, std::memory_order_release);
}

void EntryTable::Drop(size_t i) {
  const size_t last = count_.load(std::memory_order_relaxed) - 1;
  entries_[i].store(entries_[last].load(std::memory_order_relaxed), std::memory_order_release);
  count_.store(last, std::memory_order_release);
  if (last != 0) return;
  limit_ = kFirstLimit;
  offered_ = 0;
  stride_ = 1;
}

void EntryTable::Restore(const Slot* slots, size_t count, uint64_t offered, uint64_t stride) {
  for (size_t i = 0; i < count; ++i) entries_[i].store(slots[i], std::memory_order_release);
  count_.store(count, std::memory_order_release);
  limit_ = std::max(kFirstLimit, std::bit_ceil(count));
  offered_ = offered;
  stride_ = stride == 0 ? 1 : stride;
}

}  // namespace vitrine
