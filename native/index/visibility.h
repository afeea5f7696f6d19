#pragma once

#include <cstdint>

#include "base/slot_array.h"

namespace vitrine {

// A version of a table in 32 bits: its low 31, or one of two values with the top bit. Versions
// count on around the circle, so a stamp says something only to readers less than half a circle
// away: a writer replaces it by `kAlways` or `kNever` once it means the same to every reader.
using Stamp = uint32_t;

inline constexpr Stamp kStampMask = 0x7fffffffu;
inline constexpr Stamp kAlways = 0x80000000u;  // happened before what any reader sees
inline constexpr Stamp kNever = 0xffffffffu;   // has not happened for any reader

inline Stamp StampOf(uint64_t version) { return static_cast<Stamp>(version) & kStampMask; }

// Whether what happened at `stamp` has happened for a reader of version `snapshot`.
inline bool HasHappened(Stamp stamp, uint64_t snapshot) {
  if (stamp > kStampMask) return stamp == kAlways;
  return ((StampOf(snapshot) - stamp) & kStampMask) <= kStampMask / 2;
}

// The version that `stamp` stands for, seen from version `now`; 1, the first, for kAlways.
// REQUIRES: HasHappened(stamp, now)
inline uint64_t VersionOf(Stamp stamp, uint64_t now) {
  return stamp == kAlways ? 1 : now - ((StampOf(now) - stamp) & kStampMask);
}

// When a row appeared and when it went. Fresh memory is {0, 0}: visible to nobody.
struct Stamps {
  // Both: release on store, acquire on load; partner of the table's published version.
  std::atomic<Stamp> birth;
  std::atomic<Stamp> death;

  bool VisibleAt(uint64_t snapshot) const {
    return HasHappened(birth.load(std::memory_order_acquire), snapshot) &&
           !HasHappened(death.load(std::memory_order_acquire), snapshot);
  }
};

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
    return (*stamps)[slot].VisibleAt(snapshot);
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
