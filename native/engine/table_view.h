#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/prefetch.h"
#include "base/slot_array.h"
#include "base/status.h"
#include "engine/point_filter.h"
#include "engine/query_scorers.h"
#include "engine/reader_pool.h"
#include "engine/table.h"

namespace vitrine {

// A table as one reader sees it: the parts that searches need, none of which they change, and the
// rows and points that a snapshot shows.
//
// The table outlives it, and so do the leases that its scratch and its snapshot are of.
class TableView {
 public:
  TableView(const Table& table, const ReaderPool::Lease& lease)
      : TableView(table, lease.scratch(), lease.snapshot()) {}
  // The scratch of one lease and the snapshot of another, which is as old or older.
  TableView(const Table& table, Scratch& scratch, uint64_t snapshot)
      : table_(table), scratch_(scratch), snapshot_(snapshot) {}

  const Table& table() const { return table_; }
  Scratch& scratch() const { return scratch_; }
  uint64_t snapshot() const { return snapshot_; }

  const VectorStore& vectors() const { return table_.vectors_; }
  const Graph& graph() const { return table_.graph_; }
  const WalkTable& walks() const { return table_.walks_; }
  // Null where not every row has its code, or its sketch.
  const CodeStore* codes() const { return table_.codes_.load(std::memory_order_acquire); }
  const SketchStore* sketches() const { return table_.sketches_.load(std::memory_order_acquire); }
  // The same, and has them made where they would be of use.
  const SketchStore* SketchesOrBegin() const { return table_.SketchesOrBegin(); }
  // What vectors and codes are compared as. `codes` may be null.
  VectorForms Forms(const CodeStore* codes) const {
    // Acquire; partners: the releases of CopySomeBytes, so that every row has its bytes, and of
    // EndBytes, after which versions are published that have rows without.
    return {vectors(), table_.bytes_.load(std::memory_order_acquire), codes};
  }
  RecallProber& recall_prober() const { return *table_.recall_prober_; }
  // Whether `given` are whole vectors, and those finite.
  Status CheckVectors(VectorView given) const { return table_.CheckVectors(given); }

  // Rows, as bitmaps: those in use, and those of zero vectors that stand outside the graph.
  const SlotBitmap& occupied() const { return table_.occupied_; }
  const SlotBitmap& zero_rows() const { return table_.zero_; }
  size_t zero_count() const { return table_.zero_count_.load(std::memory_order_acquire); }
  // Every row in use is below.
  size_t SlotLimit() const { return table_.SlotLimit(); }

  // Whether every reader sees every row.
  bool AllSettled() const { return table_.unsettled_count_.load(std::memory_order_acquire) == 0; }
  // The test of a row for walks.
  SnapshotVisible Visible() const {
    return {&table_.unsettled_, &table_.shared_, &table_.stamps_, snapshot_};
  }
  // Whether the point that owns the row is shown.
  bool OwnerVisible(Slot slot) const { return table_.stamps_[slot].VisibleAt(snapshot_); }

  // Of the 64 rows of a word, as bits: those in use that are among `allowed`, which may be null.
  uint64_t AllowedRows(size_t word, const SlotBitmap* allowed) const {
    const uint64_t rows = occupied().Word(word);
    if (allowed == nullptr || rows == 0) return rows;
    return word * 64 < allowed->capacity() ? rows & allowed->Word(word) : 0;
  }
  // Of `rows`, bits of a word, those that may hold a point that is shown.
  uint64_t VisibleRows(size_t word, uint64_t rows) const {
    uint64_t doubtful = rows & table_.unsettled_.Word(word);
    for (; doubtful != 0; doubtful &= doubtful - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(doubtful));
      const auto slot = static_cast<Slot>(word * 64 + bit);
      if (!OwnerVisible(slot) && !table_.shared_.Test(slot)) rows &= ~(uint64_t{1} << bit);
    }
    return rows;
  }
  // Calls visit(slot) for each row among `allowed` that may hold a point that is shown, in
  // ascending order, until it returns false.
  template <typename Visitor>
  void ForEachVisibleRow(const SlotBitmap* allowed, Visitor visit) const {
    const size_t limit = SlotLimit();
    for (size_t word = 0; word * 64 < limit; ++word) {
      uint64_t rows = AllowedRows(word, allowed);
      if (rows == 0) continue;
      for (rows = VisibleRows(word, rows); rows != 0; rows &= rows - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(rows));
        if (!visit(static_cast<Slot>(word * 64 + bit))) return;
      }
    }
  }

  // Calls visit(id) for each point of the row that the snapshot shows and the filter, which may be
  // null, allows, until it returns false. Of a row whose ids cannot be read there is none, and
  // `scratch().failure` says why.
  template <typename Visitor>
  void ForEachPointOfRow(Slot slot, const PointFilter* filter, Visitor visit) const {
    const bool has_guests = table_.shared_.Test(slot);
    if (OwnerVisible(slot)) {
      if (!table_.OwnerIsHere(slot, scratch_.failure)) return;
      const PointId id = table_.OwnerId(slot);
      // The filter's bit speaks for all points that the row has and for some that it had.
      if ((filter == nullptr || filter->Contains(id)) && !visit(id)) return;
    }
    if (!has_guests) return;
    table_.shared_rows_.ForEachVisible(slot, snapshot_, [&](PointId id) {
      return (filter != nullptr && !filter->Contains(id)) || visit(id);
    });
  }
  // Has what the last needs come from memory.
  void PrefetchPointOfRow(Slot slot) const {
    Prefetch(&table_.stamps_[slot]);
    Prefetch(table_.owner_ids_.Row(slot));
  }

  // What was found, unless a row could not be read on the way.
  template <typename T>
  Result<T> UnlessFailed(Result<T> found) const {
    return scratch_.failure.ok() || !found.ok() ? std::move(found) : Result<T>(scratch_.failure);
  }

 private:
  const Table& table_;
  Scratch& scratch_;
  const uint64_t snapshot_;
};

}  // namespace vitrine
