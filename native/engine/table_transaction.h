#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/table.h"

namespace vitrine {

// A write to a table that becomes visible as a whole, however many points it has, or not at all:
//
//   TableTransaction write(table);
//   write.Prepare(points, removed);   // all that can fail; no reader sees any of it
//   ...                               // such as: until a log has it on the device
//   write.Publish();
//
// Other writers of the table wait from construction to destruction; readers never do. Without
// Publish everything is given back.
class TableTransaction {
 public:
  struct Point {
    PointId id;
    const void* vector;  // of the table's type, finite; read by Prepare only
  };

  // `table` outlives the object.
  explicit TableTransaction(Table& table);
  TableTransaction(const TableTransaction&) = delete;
  TableTransaction& operator=(const TableTransaction&) = delete;
  ~TableTransaction();

  // Makes rows for `points`, links them, and remembers to remove `removed`. kTooLarge or
  // kOutOfMemory, and what a table that is read on demand fails with; may throw std::bad_alloc.
  // After a failure the object is of no more use. REQUIRES: called once; no id comes twice; none of
  // `points` is in the table, all of `removed` are
  Status Prepare(std::span<const Point> points, std::span<const PointId> removed);
  // The row that holds point i of those that Prepare was given. REQUIRES: Prepare succeeded
  Slot SlotOf(size_t i) const { return points_[i].ref.slot(); }
  // One version, with all of it. Cannot fail. REQUIRES: Prepare succeeded; called once
  void Publish();
  // Looks after the graph, as other writes do when they end; may take long, and may throw
  // std::bad_alloc. REQUIRES: Publish was called
  void Tidy();

 private:
  Table& table_;
  const std::lock_guard<std::mutex> lock_;
  std::vector<Table::ChunkPoint> points_;
  size_t allocated_ = 0;  // of points_: those that have a row
  std::vector<PointId> removed_;
  std::vector<PointRef> removed_refs_;
  bool published_ = false;
};

}  // namespace vitrine
