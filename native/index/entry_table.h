#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/slot.h"

namespace vitrine {

// Where walks begin: 33 to 64 nodes spread evenly over the order of insertion, in place of the
// upper layers of an HNSW graph. Every stride-th node enters; when there would be 65, every second
// one leaves and the stride doubles. Data of more clusters than that needs more entries: the limit
// can be doubled, up to 1,024.
//
// Readers copy the table without a lock and may see it half rewritten: an entry twice or none of
// some, which a walk survives. Writers are serialised by the caller.
class EntryTable {
 public:
  static constexpr size_t kRoom = 1024;
  static constexpr size_t kFirstLimit = 64;
  using Snapshot = std::array<Slot, kRoom>;

  // Copies the entries into `out`; returns how many. Acquire: what an entry leads to was written
  // before it.
  size_t Read(Snapshot& out) const {
    const size_t count = count_.load(std::memory_order_acquire);
    for (size_t i = 0; i < count; ++i) out[i] = entries_[i].load(std::memory_order_acquire);
    return count;
  }
  size_t size() const { return count_.load(std::memory_order_acquire); }

  // Counts a node that joined the graph and makes it an entry when its turn has come.
  void Offer(Slot slot);
  size_t limit() const { return limit_; }
  // Whether there may be twice as many.
  bool CanWiden() const { return limit_ < kRoom; }
  // How many there are to be once there may be twice as many. REQUIRES: CanWiden()
  size_t WideCount() const {
    return std::max<size_t>(1, offered_ / std::max<uint64_t>(1, stride_ / 2));
  }
  // Doubles the limit, and begins anew with `slots`: about WideCount() of them, spread evenly.
  // REQUIRES: CanWiden(); at least one slot, at most kRoom
  void Widen(const Slot* slots, size_t count);
  // Puts `slot` in the place of entry `i`.
  void Replace(size_t i, Slot slot) { entries_[i].store(slot, std::memory_order_release); }
  // Drops entry `i`; the last one takes its place. With the last of all the order of insertion
  // begins anew: the next node that is offered enters.
  void Drop(size_t i);
  // Sets the table as it was saved. REQUIRES: count <= kRoom
  void Restore(const Slot* slots, size_t count, uint64_t offered, uint64_t stride);

  uint64_t offered() const { return offered_; }
  uint64_t stride() const { return stride_; }

 private:
  std::array<std::atomic<Slot>, kRoom> entries_ = {};
  std::atomic<size_t> count_{0};
  size_t limit_ = kFirstLimit;  // a power of two
  uint64_t offered_ = 0;
  uint64_t stride_ = 1;
};

}  // namespace vitrine
