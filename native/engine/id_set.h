#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/slot.h"
#include "base/slot_array.h"

namespace vitrine {

// A filter by id: the points that a search may return. The ids are fixed; which rows they stand
// for follows the table, which keeps `slots` right as points come and go.
//
// Thread safety: `slots` and `slot_count` are read by searches while the table's writer changes
// them; the rest does not change.
class IdSet {
 public:
  // `ids` in any order, with or without repetitions.
  explicit IdSet(std::vector<PointId> ids) : ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  bool Contains(PointId id) const { return std::binary_search(ids_.begin(), ids_.end(), id); }
  const std::vector<PointId>& ids() const { return ids_; }

  // Rows that stand for at least one point of the set.
  const SlotBitmap& slots() const { return slots_; }
  size_t slot_count() const { return slot_count_.load(std::memory_order_relaxed); }

  [[nodiscard]] bool Grow(size_t slots) { return slots_.Grow(slots); }
  void SetSlot(Slot slot, bool allowed) {
    // Relaxed: the count only guides the choice of a plan.
    if (allowed ? slots_.Set(slot) : slots_.Clear(slot)) {
      slot_count_.fetch_add(allowed ? 1 : size_t(-1), std::memory_order_relaxed);
    }
  }

 private:
  std::vector<PointId> ids_;
  SlotBitmap slots_;
  std::atomic<size_t> slot_count_{0};
};

}  // namespace vitrine
