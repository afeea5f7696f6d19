#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/platform.h"
#include "base/slot_array.h"
#include "base/status.h"
#include "index/lazy_rows.h"

namespace vitrine {

// The graph's adjacency lists: `width` words a node, a multiple of 16.
//
// A word is a link (a slot), a *fill edge* (a slot with kFill set: a near node that pruning left
// out, which only filtered walks follow), or kNoSlot. Links and fill edges may be mixed; kNoSlot
// has the sign bit of a fill edge, so that one test of sign bits gives the links.
//
// Readers take no lock: every word is a valid slot at any time, and a row that is being rewritten
// shows old and new words mixed, which a search survives. Writers hold the row's lock
// (Graph::LockRow). Words are stored with release and loaded with acquire: what a link leads to
// was written before it.
//
// Words of a table that is read on demand are stored when they are first used; none is changed
// before all are.
class Links {
 public:
  static constexpr uint32_t kFill = 0x80000000u;

  explicit Links(size_t width) : width_(width), rows_(width * sizeof(uint32_t)) {}

  [[nodiscard]] bool Grow(size_t count) { return rows_.Grow(count); }
  // The words of a node, for the vector loads of the search loop, which follow them with an
  // acquire fence.
  VITRINE_ALWAYS_INLINE const uint32_t* Row(Slot slot) const {
    return reinterpret_cast<const uint32_t*>(rows_.Row(slot));  // NOLINT
  }
  uint32_t Load(Slot slot, size_t i) const {
    return std::atomic_ref<uint32_t>(Words(slot)[i]).load(std::memory_order_acquire);
  }
  void Store(Slot slot, size_t i, uint32_t word) {
    std::atomic_ref<uint32_t>(Words(slot)[i]).store(word, std::memory_order_release);
  }
  // Words that are stored when they are first used.
  void StoreLazily(std::unique_ptr<const LazyRows> rows) { lazy_ = std::move(rows); }
  // Whether the words of a node may be read. If not, Fetch may make it so: whether it did, and
  // if it did not, why.
  VITRINE_ALWAYS_INLINE bool IsHere(Slot slot) const {
    return lazy_ == nullptr || lazy_->IsHere(slot);
  }
  bool Fetch(Slot slot, Status& failure) const;
  Status FetchAll() const { return lazy_ == nullptr ? Status() : lazy_->FetchAll(); }
  Status Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const {
    return lazy_ == nullptr ? Status() : lazy_->Fetch(first, count, pool, parallelism);
  }
  // Of the first `slots` nodes, about as many as have their words.
  size_t CountHere(size_t slots) const { return lazy_ == nullptr ? slots : lazy_->rows_here(); }

  size_t width() const { return width_; }
  size_t row_bytes() const { return rows_.row_bytes(); }
  size_t reserved_bytes() const { return rows_.reserved_bytes(); }

  static bool IsLink(uint32_t word) { return (word & kFill) == 0; }
  static bool IsFill(uint32_t word) { return (word & kFill) != 0 && word != kNoSlot; }
  static Slot Target(uint32_t word) { return word & ~kFill; }

 private:
  uint32_t* Words(Slot slot) const {
    return reinterpret_cast<uint32_t*>(rows_.Row(slot));
  }  // NOLINT

  const size_t width_;
  SlotRows rows_;
  std::unique_ptr<const LazyRows> lazy_;  // null: everything is here
};

}  // namespace vitrine
