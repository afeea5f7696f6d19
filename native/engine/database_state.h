#pragma once

#include "engine/database.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// Adds what a database has counted for itself, its collections apart, and what it consists of: its
// queue and limits and, where it has a folder, its files.
void AddStorageState(const Database& database, StatsSnapshot& snapshot);

}  // namespace vitrine
