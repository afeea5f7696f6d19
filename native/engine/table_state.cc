#include "engine/table_state.h"

#include <iterator>

namespace vitrine {

void AddTableState(const Table& table, const TableMemory& memory, StatsSnapshot& snapshot) {
  const TableCounts counts = table.counts();
  const uint64_t rows[] = {counts.live_points, counts.deleted_rows, counts.unindexed_rows};
  static_assert(std::size(rows) == std::size(kRowStateNames));
  for (size_t i = 0; i < std::size(rows); ++i) snapshot.AddState(Family::kVectors, i, rows[i]);

  const uint64_t bytes[] = {memory.vectors, memory.graph, memory.codes, memory.ids, memory.other};
  static_assert(std::size(bytes) == std::size(kMemoryKindNames));
  for (size_t i = 0; i < std::size(bytes); ++i) snapshot.AddState(Family::kMemory, i, bytes[i]);
  snapshot.AddState(Family::kIndexSize, 0, memory.graph + memory.codes);
  const TableBlocks blocks = table.blocks();
  snapshot.AddBlocks(blocks.reserved, blocks.used);
}

void AddMaintenance(const MaintenanceTotals& totals, StatsSnapshot& snapshot) {
  for (size_t kind = 0; kind < std::size(kMaintenanceNames); ++kind) {
    for (size_t outcome = 0; outcome < std::size(kRunOutcomeNames); ++outcome) {
      snapshot.AddTotal(
          Family::kMaintenance, SeriesOf(Family::kMaintenance, kind, outcome),
          totals.of(static_cast<Maintenance>(kind), static_cast<RunOutcome>(outcome)));
    }
  }
}

}  // namespace vitrine
