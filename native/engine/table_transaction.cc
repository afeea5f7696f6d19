#include "engine/table_transaction.h"

#include <algorithm>

namespace vitrine {
namespace {

// Points that are linked together: later ones find them in the graph.
constexpr size_t kChunk = 512;
// Fewer points than this are not worth a second pass.
constexpr size_t kMinBulk = 1'000;

}  // namespace

TableTransaction::TableTransaction(Table& table) : table_(table), lock_(table.write_mutex_) {}

TableTransaction::~TableTransaction() {
  if (published_) return;
  for (size_t i = 0; i < allocated_; ++i) table_.Abandon(points_[i]);
}

Status TableTransaction::Prepare(std::span<const Point> points, std::span<const PointId> removed) {
  table_.Reclaim();
  points_.reserve(points.size());
  for (const Point& point : points) points_.push_back({point.id, point.vector, kNoSlot, {}});
  removed_.assign(removed.begin(), removed.end());
  removed_refs_.reserve(removed.size());
  // A point: its row settles, and may have to be freed. A removed one: guest, end of life, row.
  table_.ReserveDeferred(4 * points.size() + 3 * removed.size());
  bulk_ = points.size() >= kMinBulk && points.size() >= table_.size();
  const size_t beam = bulk_ ? table_.graph_.bulk_beam() : table_.graph_.stream_beam();
  // Removals repair the graph with a scratch of their own.
  table_.graph_.Prepare(table_.WriterScratch(0), table_.graph_.stream_beam());

  for (size_t done = 0; done < points_.size();) {
    const std::span<Table::ChunkPoint> chunk =
        std::span(points_).subspan(done, std::min(kChunk, points_.size() - done));
    VITRINE_RETURN_IF_ERROR(table_.MakeRoom(chunk.size(), beam));
    table_.AllocateSlots(chunk);
    done += chunk.size();
    allocated_ = done;
    table_.LinkChunk(chunk, beam);
  }
  // The graph grew: so did what a removal needs.
  table_.graph_.Prepare(table_.WriterScratch(0), table_.graph_.stream_beam());
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
      table_.AllowInIdSets(point.id, point.slot);
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
  table_.inserted_since_reconnect_ += points_.size();
  table_.Reclaim();
}

void TableTransaction::Tidy() {
  if (bulk_) {
    std::vector<Slot> older_half;
    for (size_t i = 0; i < points_.size() / 2; ++i) {
      if (!points_[i].ref.shared()) older_half.push_back(points_[i].slot);
    }
    table_.RelinkRows(older_half, {});
  }
  table_.MaintainGraph();
}

}  // namespace vitrine
