#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "base/slot.h"
#include "base/slot_array.h"

namespace vitrine {

// Which points a search may return. The points are fixed; which rows they stand for follows the
// table that it was given to (Table::Follow), which keeps `slots` right as points come and go.
//
// Thread safety: `slots` and `slot_count` are read by searches while the table's writer changes
// them; the rest does not change.
class PointFilter : public std::enable_shared_from_this<PointFilter> {
 public:
  PointFilter() = default;
  PointFilter(const PointFilter&) = delete;
  PointFilter& operator=(const PointFilter&) = delete;
  virtual ~PointFilter() = default;

  virtual bool Contains(PointId id) const = 0;
  // How many points it has, whether or not they are in the table.
  virtual size_t size() const = 0;

  // Rows that stand for at least one point of the filter.
  const SlotBitmap& slots() const { return slots_; }
  // Of memory.
  size_t slot_bytes() const { return slots_.reserved_bytes(); }
  // At least as many as there are, and for a moment more while they change.
  size_t slot_count() const { return slot_count_.load(std::memory_order_relaxed); }

  [[nodiscard]] bool Grow(size_t slots) { return slots_.Grow(slots); }
  void SetSlot(Slot slot, bool allowed) {
    if (!allowed) {
      if (slots_.Clear(slot)) slot_count_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    // Counted before it is set: two threads may set the same row, and the one that comes second
    // must not find a row without a count, which would be a filter that allows nothing. Relaxed:
    // Set releases and acquires.
    slot_count_.fetch_add(1, std::memory_order_relaxed);
    if (!slots_.Set(slot)) slot_count_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  SlotBitmap slots_;
  std::atomic<size_t> slot_count_{0};
};

}  // namespace vitrine
