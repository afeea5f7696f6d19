#include "binding/stats_reader.h"

#include "binding/functions.h"
#include "binding/handle.h"
#include "engine/database_state.h"
#include "engine/table_state.h"

namespace vitrine {
namespace {

// With keys, payloads and fields, and with its statistics; without the filters.
TableMemory TableMemoryOf(Collection& collection, const CollectionMemory& memory) {
  TableMemory all = memory.table;
  all.ids += memory.keys + memory.payloads + memory.fields;
  all.other += collection.statistics().memory_bytes();
  return all;
}

void AddDatabaseState(Database& database, StatsSnapshot& snapshot) {
  for (const auto& collection : database.Collections()) AddCollectionState(*collection, snapshot);
  AddStorageState(database, snapshot);
  snapshot.AddState(Family::kMemory, SeriesOf(MemoryKind::kOther),
                    database.memory().other + database.statistics().memory_bytes());
}

void AddExternalMemory(int64_t bytes, StatsSnapshot& snapshot) {
  snapshot.AddState(Family::kExternalMemory, 0, static_cast<uint64_t>(bytes));
}

// A collection ends before its database.
struct SharedCollection {
  std::shared_ptr<SharedDatabase> database;
  std::shared_ptr<Collection> collection;

  void operator()(StatsSnapshot& snapshot) const {
    AddCollectionState(*collection, snapshot);
    AddMaintenance(collection->table().maintenance(), snapshot);
  }
};

}  // namespace

void AddCollectionState(Collection& collection, StatsSnapshot& snapshot) {
  const CollectionMemory memory = collection.memory();
  AddTableState(collection.table(), TableMemoryOf(collection, memory), snapshot);
  snapshot.AddState(Family::kMemory, SeriesOf(MemoryKind::kCache), memory.filters);
}

StatsSnapshot StatsReader::Take() const {
  StatsSnapshot snapshot = statistics_->Snapshot();
  snapshot.AddState(Family::kStatsLevel, 0, static_cast<uint64_t>(snapshot.level));
  snapshot.AddState(Family::kStatsStart, 0,
                    static_cast<uint64_t>(NanosecondsSince1970(snapshot.start)));
  add_state_(snapshot);
  peak_->Note(snapshot.memory());
  snapshot.AddState(Family::kMemoryPeak, 0, peak_->bytes());
  return snapshot;
}

Result<StatsTarget> ReadStatsTarget(Call& call, napi_value value) {
  const Status closed(ErrorCode::kClosed, "the database has been closed");
  if (const auto* const handle = PeekHandle<DatabaseHandle>(call.env, value)) {
    if ((*handle)->closing) return closed;
    const std::shared_ptr<SharedDatabase> database = (*handle)->database;
    LazyStatistics& statistics = (**database).statistics();
    const auto add = [database, reported = (*handle)->reported_bytes](StatsSnapshot& snapshot) {
      AddDatabaseState(**database, snapshot);
      AddExternalMemory(reported, snapshot);
    };
    return StatsTarget{statistics, (*handle)->stats,
                       StatsReader(statistics, (*handle)->stats, add)};
  }
  if (const auto* const handle = PeekHandle<CollectionHandle>(call.env, value)) {
    if ((*handle)->owner->closing) return closed;
    const SharedCollection add{(*handle)->owner->database, (*handle)->collection};
    LazyStatistics& statistics = add.collection->statistics();
    return StatsTarget{statistics, (*handle)->stats,
                       StatsReader(statistics, (*handle)->stats, add)};
  }
  const auto index = ReadHandle<IndexHandle>(call.env, value);
  if (!index.ok()) return index.status();
  const std::shared_ptr<IndexHandle> handle = **index;
  if (handle->closing()) return Status(ErrorCode::kClosed, "the index has been closed");
  const auto add = [handle, table = handle->table(),
                    reported = handle->reported_bytes()](StatsSnapshot& snapshot) {
    TableMemory memory = table->memory();
    memory.other += handle->statistics().memory_bytes();
    AddTableState(*table, memory, snapshot);
    AddMaintenance(table->maintenance(), snapshot);
    AddExternalMemory(reported, snapshot);
    snapshot.AddState(Family::kOpenDuration, 0, handle->load_ns());
  };
  return StatsTarget{handle->statistics(), handle->stats(),
                     StatsReader(handle->statistics(), handle->stats(), add)};
}

}  // namespace vitrine
