// A table whose graph was lost: its rows are linked anew while exact searches go on.

#include <algorithm>
#include <bit>

#include "engine/table.h"

namespace vitrine {

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
