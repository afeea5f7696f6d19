#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/slot.h"
#include "base/status.h"
#include "base/thread_pool.h"

namespace vitrine {

// What belongs to the rows of a table that is read on demand: it is brought to where it is used, a
// group of neighbouring rows at a time, before the first row of the group is used.
//
// Thread safety: all functions may be called from any thread.
class LazyRows {
 public:
  // Puts rows [first, first + count) where they are used, once everything about them has been
  // checked. Runs for one group at a time and for different ones on many threads at once; a group
  // that failed is tried again.
  //   buffer  memory to reuse
  using Bring = std::function<Status(Slot first, size_t count, std::vector<std::byte>& buffer)>;

  // Groups of about `group_bytes`, of a power of two of rows. May throw std::bad_alloc.
  // REQUIRES: count > 0
  LazyRows(size_t count, size_t row_bytes, size_t group_bytes, Bring bring);
  LazyRows(const LazyRows&) = delete;
  LazyRows& operator=(const LazyRows&) = delete;

  // Rows that came later are here from the start.
  bool IsHere(Slot slot) const {
    if (slot >= count_) return true;
    // Acquire; partner: the release in Fetch. What was brought is there for who sees the bit.
    const uint64_t word = here_[slot >> (shift_ + 6)].load(std::memory_order_acquire);
    return ((word >> ((slot >> shift_) % 64)) & 1) != 0;
  }
  // Brings the group of row `slot`, unless it is here. What fails is tried again the next time.
  Status Fetch(Slot slot) const;
  // Brings rows [first, first + count), or all.
  // REQUIRES: these rows were there from the start
  Status Fetch(Slot first, size_t count) const;
  Status FetchAll() const { return Fetch(0, count_); }
  // The same on up to `parallelism` threads.
  Status Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const;
  // The same in one call: whether row `slot` is here now. If it is not, `failure` says why.
  bool Ensure(Slot slot, Status& failure) const {
    return IsHere(slot) || EnsureSlowly(slot, failure);
  }
  // Whether every row is here: who asks once need not ask for each. Acquire; partner: Fetch.
  bool AllHere() const { return groups_here_.load(std::memory_order_acquire) == groups_; }
  // About how many rows are here.
  size_t rows_here() const;

 private:
  static constexpr size_t kLanes = 8;

  bool EnsureSlowly(Slot slot, Status& failure) const;
  std::vector<std::byte> TakeBuffer() const;
  // Once everything is here none is kept.
  void GiveBuffer(std::vector<std::byte> buffer) const;

  const size_t count_;
  const unsigned shift_;
  const size_t groups_;
  const Bring bring_;
  const std::unique_ptr<std::atomic<uint64_t>[]> here_;  // a bit a group
  mutable std::atomic<size_t> groups_here_{0};
  mutable std::mutex lanes_[kLanes];  // a group is brought under one of these
  mutable std::mutex buffers_mutex_;  // the last to be locked
  mutable std::vector<std::vector<std::byte>> buffers_;
};

}  // namespace vitrine
