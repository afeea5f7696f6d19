// What follows from the end of points: filters, rows and nodes are given up when no reader is left
// that may see them, and the graph is swept.

#include <algorithm>

#include "engine/table.h"

namespace vitrine {
namespace {

// The share of removed nodes that calls for a sweep: walks pass through them in vain.
constexpr size_t kSweepDivisor = 20;
constexpr size_t kMinSweep = 64;

}  // namespace

// What follows from a point's end once it is published.
void Table::Retire(PointId id, PointRef ref) {
  const uint64_t version = readers_.published();
  if (ref.shared()) {
    deferred_.push_back({Deferred::Kind::kDropGuest, ref.slot(), id, version});
  }
  const Slot slot = ref.slot();
  deferred_.push_back({Deferred::Kind::kEndLife, slot, 0, version});
  if (OwnerAlive(slot) || shared_rows_.AnyAlive(slot)) return;
  if (graph_.Contains(slot)) {
    graph_.Remove(slot, WriterScratch(0));
  } else {
    deferred_.push_back({Deferred::Kind::kHide, slot, 0, version});
  }
}

// A point that is about to be published is in the row. Rows are only added to filters here: older
// readers still need those that lose a point. REQUIRES: id_mutex_ is held.
void Table::AllowInFilters(PointId id, Slot slot) {
  for (const auto& weak : filters_) {
    const auto filter = weak.lock();
    if (filter != nullptr && filter->Contains(id)) filter->SetSlot(slot, true);
  }
}

// A row is in a filter when one of its points is, also one that is dying: readers from `oldest` on
// may see it. REQUIRES: id_mutex_ is held.
void Table::UpdateFilters(Slot slot, uint64_t oldest) {
  for (const auto& weak : filters_) {
    const auto filter = weak.lock();
    if (filter == nullptr) continue;
    bool allowed = !HasHappened(stamps_[slot].death.load(std::memory_order_relaxed), oldest) &&
                   filter->Contains(OwnerId(slot));
    if (!allowed && shared_.Test(slot)) {
      shared_rows_.ForEachKept(slot, [&](PointId id) {
        allowed = filter->Contains(id);
        return !allowed;
      });
    }
    filter->SetSlot(slot, allowed);
  }
}

// Room to defer `count` things more, and for the rows that all of them may free.
void Table::ReserveDeferred(size_t count) {
  const auto grow = [](auto& list, size_t needed) {
    if (list.capacity() < needed) list.reserve(std::max(needed, 2 * list.capacity()));
  };
  grow(deferred_, deferred_.size() + count);
  grow(free_slots_, free_slots_.size() + deferred_.size() + count);
}

void Table::Reclaim() {
  while (!deferred_.empty()) {
    // Who pins this version began when scans met none of the rows that are hidden now.
    const uint64_t next_version = readers_.published() + 1;
    if (!ReclaimOnce(next_version)) return;
    readers_.Publish(next_version);
  }
}

// Does what no reader is too old for; whether it hid rows, which may be used again once no reader
// is older than `next_version`.
bool Table::ReclaimOnce(uint64_t next_version) {
  const uint64_t oldest = readers_.OldestPin();
  FreeBytesUnlessUsed(oldest);
  bool any_hidden = false;
  size_t kept = 0;
  for (const Deferred& entry : deferred_) {
    if (entry.version > oldest) {
      deferred_[kept++] = entry;
      continue;
    }
    switch (entry.kind) {
      case Deferred::Kind::kSettle:
        stamps_[entry.slot].birth.store(kAlways, std::memory_order_release);
        // A row that has died meanwhile stays unsettled until it is free.
        if (OwnerAlive(entry.slot) && unsettled_.Clear(entry.slot)) {
          unsettled_count_.fetch_sub(1, std::memory_order_release);
        }
        break;
      case Deferred::Kind::kDropGuest:
        shared_rows_.Erase(entry.slot, entry.id, entry.version);
        if (shared_rows_.Empty(entry.slot)) shared_.Clear(entry.slot);
        break;
      case Deferred::Kind::kEndLife: {
        // The row may wait long for a sweep: longer than a stamp of its death would be true. When
        // this life was a guest's, its owner may have ended later, and still be seen.
        if (HasHappened(stamps_[entry.slot].death.load(std::memory_order_relaxed), oldest)) {
          stamps_[entry.slot].birth.store(kNever, std::memory_order_release);
        }
        const std::shared_lock lock(id_mutex_);
        UpdateFilters(entry.slot, oldest);
        break;
      }
      case Deferred::Kind::kHide:
        HideRow(entry.slot);
        deferred_[kept++] = {Deferred::Kind::kFree, entry.slot, 0, next_version};
        any_hidden = true;
        break;
      case Deferred::Kind::kFree:
        FreeSlot(entry.slot);
        break;
    }
  }
  deferred_.resize(kept);
  return any_hidden;
}

// Scans that begin from now on do not meet the row; one that is under way may have it in its hands,
// and sees by the stamps that nothing is there.
// REQUIRES: no link leads to the row, and no reader sees a point of it.
void Table::HideRow(Slot slot) {
  stamps_[slot].birth.store(kNever, std::memory_order_release);
  occupied_.Clear(slot);
  shared_.Clear(slot);
  if (zero_.Clear(slot)) zero_count_.fetch_sub(1, std::memory_order_release);
}

// Lets the next point have the row. It stays marked as unsettled until that point is.
// REQUIRES: the row is hidden, and no reader that might have met it before is left; or its point
// was never published.
void Table::FreeSlot(Slot slot) {
  unsettled_count_.fetch_sub(1, std::memory_order_release);
  free_slots_.push_back(slot);
  NoteFreeRows();
}

void Table::MaintainGraph() {
  const size_t dead = graph_.dead_count();
  if (dead > kMinSweep && dead > graph_.size() / kSweepDivisor) {
    SweepLocked();
  } else if (inserted_since_reconnect_ > std::max<size_t>(1024, graph_.size() / 4)) {
    MaintenanceRun run(maintenance_, Maintenance::kReconnect);
    graph_.Reconnect(WriterScratch(0));
    inserted_since_reconnect_ = 0;
    run.Succeeded();
  }
}

Status Table::Sweep() {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  const std::lock_guard write(write_mutex_);
  VITRINE_RETURN_IF_ERROR(Settle());
  SweepLocked();
  return {};
}

void Table::SweepLocked() {
  MaintenanceRun run(maintenance_, Maintenance::kGc);
  ReserveDeferred(graph_.dead_count());
  const std::vector<Slot> removed = graph_.Sweep(WriterScratch(0));
  inserted_since_reconnect_ = 0;
  // A version of its own: who pins it began when no row named these slots any more.
  const uint64_t version = readers_.published() + 1;
  for (const Slot slot : removed) {
    deferred_.push_back({Deferred::Kind::kHide, slot, 0, version});
  }
  readers_.Publish(version);
  Reclaim();
  run.Succeeded();
}

}  // namespace vitrine
