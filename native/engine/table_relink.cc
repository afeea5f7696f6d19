// Rows that are linked once more: for shorter walks, or because the graph was lost.

#include <algorithm>
#include <bit>
#include <chrono>
#include <thread>

#include "engine/table.h"

namespace vitrine {
namespace {

// Rows that are linked before a write has its turn: some milliseconds.
constexpr size_t kRelinkedAtOnce = 64;
// Whoever waits for its turn has to wake up, and to find it free.
constexpr std::chrono::microseconds kPause{100};

}  // namespace

void Table::Relink(size_t first, size_t count, Graph::Care care) {
  ParallelFor(pool_, Parallelism(), count, [&](size_t worker, size_t i) {
    const auto slot = static_cast<Slot>((first + i) % SlotLimit());
    if (graph_.IsAlive(slot)) graph_.Relink(slot, care, *writer_scratches_[worker]);
  });
}

Status Table::Optimize(const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  for (size_t done = 0, rows = 1; done < rows;) {
    if (control.is_cancelled()) return {ErrorCode::kCancelled, "optimizing was cancelled"};
    {
      const std::lock_guard write(write_mutex_);
      VITRINE_RETURN_IF_ERROR(Settle());
      MaintenanceRun run(maintenance_, Maintenance::kRelink);
      for (size_t worker = 0; worker < Parallelism(); ++worker) {
        graph_.Prepare(WriterScratch(worker));
      }
      rows = SlotLimit();
      const size_t count = std::min(kRelinkedAtOnce, rows - done);
      Relink(done, count, Graph::Care::kFull);
      done += count;
      done < rows ? run.GoesOn() : run.Succeeded();
    }
    if (control.on_progress) control.on_progress(done, rows);
    std::this_thread::sleep_for(kPause);
  }
  {
    const std::lock_guard write(write_mutex_);
    // A row may have come into doubt since.
    VITRINE_RETURN_IF_ERROR(Settle());
    MaintenanceRun run(maintenance_, Maintenance::kReconnect);
    graph_.Reconnect(WriterScratch(0));
    run.Succeeded();
  }
  recall_guide_->Renew();
  return {};
}

Result<bool> Table::LinkSome(size_t most) {
  const std::lock_guard write(write_mutex_);
  if (linked_.load(std::memory_order_relaxed)) return false;
  VITRINE_RETURN_IF_ERROR(Settle());
  MaintenanceRun run(maintenance_, Maintenance::kRebuild);
  // Each point is written once more, with the vector that it has: an equal one that is in the graph
  // already gives it a place there, as it would have done then.
  std::vector<ChunkPoint> points;
  for (size_t word = first_unlinked_ / 64; word * 64 < SlotLimit() && points.size() < most;
       ++word) {
    for (uint64_t rows = occupied_.Word(word); rows != 0 && points.size() < most;
         rows &= rows - 1) {
      const Slot slot = static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(rows)));
      if (graph_.Contains(slot) || zero_.Test(slot) || !OwnerAlive(slot)) continue;
      points.push_back({OwnerId(slot), vectors_.Row(slot), kNoSlot, {}});
      if (points.size() == 1) first_unlinked_ = slot;
    }
  }
  if (points.empty()) {
    graph_.Reconnect(WriterScratch(0));
    run.Succeeded();
    // Release; partner: the acquire in searches, which then find every row through the graph.
    linked_.store(true, std::memory_order_release);
    return false;
  }
  VITRINE_RETURN_IF_ERROR(WriteChunk(points));
  run.GoesOn();
  return true;
}

}  // namespace vitrine
