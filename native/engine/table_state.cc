#include "engine/table_state.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "kernels/code_kernels.h"

namespace vitrine {
namespace {

// A test sees to it that all tables are among them.
size_t PlaceOfTable(std::string_view name) {
  const auto* const found =
      std::find(std::begin(kKernelTableNames), std::end(kKernelTableNames), name);
  return found == std::end(kKernelTableNames)
             ? 0
             : static_cast<size_t>(found - std::begin(kKernelTableNames));
}

}  // namespace

void AddKernels(const KernelTable& kernels, StatsSnapshot& snapshot) {
  snapshot.kernels = {.floats = PlaceOfTable(kernels.name),
                      .integers = PlaceOfTable(SelectCodeKernels(kernels.set).name)};
}

void AddTableState(const Table& table, const TableMemory& memory, StatsSnapshot& snapshot) {
  AddKernels(table.kernels(), snapshot);
  const TableCounts counts = table.counts();
  const uint64_t rows[] = {counts.live_points, counts.deleted_rows, counts.unindexed_rows};
  static_assert(std::size(rows) == std::size(kRowStateNames));
  for (size_t i = 0; i < std::size(rows); ++i) snapshot.AddState(Family::kVectors, i, rows[i]);

  const std::pair<MemoryKind, uint64_t> bytes[] = {
      {MemoryKind::kVectors, memory.vectors}, {MemoryKind::kGraph, memory.graph},
      {MemoryKind::kQuantized, memory.codes}, {MemoryKind::kMetadata, memory.ids},
      {MemoryKind::kBuffers, memory.buffers}, {MemoryKind::kOther, memory.other}};
  for (const auto& [kind, of_kind] : bytes) {
    snapshot.AddState(Family::kMemory, SeriesOf(kind), of_kind);
  }
  snapshot.AddState(Family::kIndexSize, SeriesOf(Tier::kMemory), memory.graph + memory.codes);
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
