#include "engine/table_transaction.h"

#include <algorithm>

namespace vitrine {
namespace {

// Points that are linked together: later ones find them in the graph.
constexpr size_t kLinkedTogether = 512;

}  // namespace

TableTransaction::TableTransaction(Table& table) : table_(table), lock_(table.write_mutex_) {}

TableTransaction::~TableTransaction() {
  if (published_) return;
  for (size_t i = 0; i < allocated_; ++i) table_.Abandon(points_[i]);
}

Status TableTransaction::Prepare(std::span<const Point> points, std::span<const PointId> removed) {
  VITRINE_RETURN_IF_ERROR(table_.Settle());
  table_.Reclaim();
  points_.reserve(points.size());
  for (const Point& point : points) points_.push_back({point.id, point.vector, kNoSlot, {}});
  removed_.assign(removed.begin(), removed.end());
  removed_refs_.reserve(removed.size());
  // A point: its row settles, and may have to be freed. A removed one: guest, end of life, row.
  table_.ReserveDeferred(4 * points.size() + 3 * removed.size());
  for (size_t done = 0; done < points_.size();) {
    const std::span<Table::ChunkPoint> chunk =
        std::span(points_).subspan(done, std::min(kLinkedTogether, points_.size() - done));
    VITRINE_RETURN_IF_ERROR(table_.MakeRoom(chunk.size()));
    table_.AllocateSlots(chunk);
    done += chunk.size();
    allocated_ = done;
    table_.LinkChunk(chunk);
  }
  // What a removal needs grows with the graph.
  table_.graph_.Prepare(table_.WriterScratch(0));
  const auto guests = std::count_if(points_.begin(), points_.end(),
                                    [](const auto& point) { return point.ref.shared(); });
  const std::unique_lock lock(table_.id_mutex_);
  table_.ids_.Reserve(table_.ids_.size() + points_.size(), static_cast<size_t>(guests));
  return {};
}

void TableTransaction::Publish() {
  {
    const std::unique_lock lock(table_.id_mutex_);
    const uint64_t version = table_.readers_.published() + 1;
    for (const PointId id : removed_) {
      const PointRef ref = table_.ids_.Find(id);
      table_.EndLife(id, ref, version);
      table_.ids_.Erase(id);
      removed_refs_.push_back(ref);
    }
    for (const Table::ChunkPoint& point : points_) {
      if (point.ref.shared()) {
        table_.shared_rows_.SetBirth(point.slot, point.id, version);
      } else {
        table_.stamps_[point.slot].birth.store(StampOf(version), std::memory_order_release);
      }
      table_.ids_.Put(point.id, point.ref);
      table_.AllowInFilters(point.id, point.slot);
    }
    table_.size_.store(table_.ids_.size(), std::memory_order_release);
    table_.readers_.Publish(version);
  }
  published_ = true;
  for (size_t i = 0; i < removed_.size(); ++i) table_.Retire(removed_[i], removed_refs_[i]);
  const uint64_t version = table_.readers_.published();
  for (const Table::ChunkPoint& point : points_) {
    if (point.ref.shared()) continue;
    table_.deferred_.push_back({Table::Deferred::Kind::kSettle, point.slot, 0, version});
  }
  table_.NoteIndexed(points_.size());
  table_.Reclaim();
}

void TableTransaction::Tidy() {
  const auto linked = std::count_if(points_.begin(), points_.end(),
                                    [](const auto& point) { return !point.ref.shared(); });
  table_.MakeCodesWhenDue();
  table_.RelinkOldest(static_cast<size_t>(linked));
  table_.MaintainGraph();
}

}  // namespace vitrine
