#pragma once

#include <cstdint>

#include "base/slot_array.h"

namespace vitrine {

// The version of a table at which a row appeared and the one at which it went. A search that
// started at version S sees a row when birth <= S < death. Fresh memory is {0, 0}: never visible.
struct Stamps {
  // Both: release on store, acquire on load; partner of the table's published version.
  std::atomic<uint64_t> birth;
  std::atomic<uint64_t> death;
};

inline constexpr uint64_t kNever = ~uint64_t{0};

// Visibility tests of the search loop (docs/decisions/0001-search-loop.md). A row that fails is
// walked through but is no result.

// Null version: every row that the graph leads to is visible.
struct AllVisible {
  static constexpr bool kAll = true;
  bool operator()(Slot) const { return true; }
};

// Rows that have not been removed, whether or not they have been published: what an insert may
// link to.
struct AliveOnly {
  static constexpr bool kAll = false;
  const SlotBitmap* dead;
  bool operator()(Slot slot) const { return !dead->Test(slot); }
};

// Rows that a snapshot shows. Most rows are settled (every snapshot in use shows them), which one
// bit tells without a look at the stamps. A row that stands for several points is always walked as
// visible; its points are tested one by one when the result is made.
struct SnapshotVisible {
  static constexpr bool kAll = false;
  const SlotBitmap* unsettled;
  const SlotBitmap* shared;
  const SlotArray<Stamps>* stamps;
  uint64_t snapshot;

  bool operator()(Slot slot) const { return !unsettled->Test(slot) || Slow(slot); }

 private:
  bool Slow(Slot slot) const {
    if (shared->Test(slot)) return true;
    const Stamps& row = (*stamps)[slot];
    return row.birth.load(std::memory_order_acquire) <= snapshot &&
           snapshot < row.death.load(std::memory_order_acquire);
  }
};

// What a snapshot shows and a filter allows: excluded rows are walked through like hidden ones. For
// filters that allow much of what is near the query; others use an admit test.
struct AllowedVisible {
  static constexpr bool kAll = false;
  SnapshotVisible snapshot;
  const SlotBitmap* allowed;
  bool operator()(Slot slot) const { return allowed->Test(slot) && snapshot(slot); }
};

// Admit tests: which rows a filter lets into the pool at all.

// Null version: no filter.
struct AdmitAll {
  static constexpr bool kAll = true;
  bool operator()(Slot) const { return true; }
};

struct AdmitBitmap {
  static constexpr bool kAll = false;
  const SlotBitmap* allowed;
  bool operator()(Slot slot) const { return allowed->Test(slot); }
};

}  // namespace vitrine
