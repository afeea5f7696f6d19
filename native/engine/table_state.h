#pragma once

#include "engine/table.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// Adds to a snapshot what the table consists of now: rows by state, and `memory`, which is the
// table's and perhaps what belongs to it.
void AddTableState(const Table& table, const TableMemory& memory, StatsSnapshot& snapshot);
// Adds which kernels searches call: `kernels`, and those on codes that go with them.
void AddKernels(const KernelTable& kernels, StatsSnapshot& snapshot);
// Adds how often indexes were maintained.
void AddMaintenance(const MaintenanceTotals& totals, StatsSnapshot& snapshot);

}  // namespace vitrine
