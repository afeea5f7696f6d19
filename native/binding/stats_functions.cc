// Statistics: turned on and off, and read.

#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/stats_object.h"
#include "binding/stats_snapshot_handle.h"
#include "engine/database_state.h"
#include "engine/table_state.h"

namespace vitrine {
namespace {

// Whose statistics are meant, and who asks.
struct StatsTarget {
  LazyStatistics& statistics;
  HandleStats& stats;
  std::function<void(StatsSnapshot& snapshot)> add_state;  // what it consists of now
};

// With keys, payloads and fields, and with its statistics.
TableMemory MemoryOf(Collection& collection) {
  const CollectionMemory memory = collection.memory();
  TableMemory all = memory.table;
  all.ids += memory.keys + memory.payloads + memory.fields;
  all.other += collection.statistics().memory_bytes();
  return all;
}

}  // namespace

void AddCollectionState(Collection& collection, StatsSnapshot& snapshot) {
  AddTableState(collection.table(), MemoryOf(collection), snapshot);
}

namespace {

void AddDatabaseState(Database& database, StatsSnapshot& snapshot) {
  for (const auto& collection : database.Collections()) AddCollectionState(*collection, snapshot);
  AddStorageState(database, snapshot);
  constexpr size_t kOther = std::size(kMemoryKindNames) - 1;
  snapshot.AddState(Family::kMemory, kOther,
                    database.memory().other + database.statistics().memory_bytes());
}

Result<StatsTarget> ReadStatsTarget(Call& call) {
  if (PeekHandle<DatabaseHandle>(call.env, call[0]) != nullptr) {
    const auto handle = ReadOpenDatabase(call, 0);
    if (!handle.ok()) return handle.status();
    Database& database = **(*handle)->database;
    return StatsTarget{
        database.statistics(), (*handle)->stats,
        [&database](StatsSnapshot& snapshot) { AddDatabaseState(database, snapshot); }};
  }
  if (PeekHandle<CollectionHandle>(call.env, call[0]) != nullptr) {
    const auto handle = ReadOpenCollection(call, 0);
    if (!handle.ok()) return handle.status();
    Collection& collection = *(*handle)->collection;
    return StatsTarget{
        collection.statistics(), (*handle)->stats,
        [&collection](StatsSnapshot& snapshot) { AddCollectionState(collection, snapshot); }};
  }
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  IndexHandle& handle = ***index;
  return StatsTarget{handle.statistics(), handle.stats(), [&handle](StatsSnapshot& snapshot) {
                       AddTableState(*handle.table(), handle.memory(), snapshot);
                     }};
}

StatsSnapshot TakeSnapshot(const StatsTarget& target) {
  StatsSnapshot snapshot = target.statistics.Use()->Snapshot();
  snapshot.AddState(Family::kStatsLevel, 0, static_cast<uint64_t>(snapshot.level));
  snapshot.AddState(Family::kStatsStart, 0,
                    static_cast<uint64_t>(NanosecondsSince1970(snapshot.start)));
  target.add_state(snapshot);
  target.stats.NoteMemory(snapshot.memory());
  snapshot.AddState(Family::kMemoryPeak, 0, target.stats.peak_bytes());
  return snapshot;
}

}  // namespace

// statsFamilies(): NativeFamily[]
Result<napi_value> StatsFamilies(Call& call) { return MakeFamilies(call.env); }

// setStatsLevel(source: StatsSource, level: StatsLevel | 'off'): void
Result<napi_value> SetStatsLevel(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call);
  if (!target.ok()) return target.status();
  const Result<size_t> level = ReadWord(call.env, call[1], "level", kStatsLevelNames);
  if (!level.ok()) return level.status();
  if (!target->stats.has_baseline()) target->stats.SetBaseline(TakeSnapshot(*target));
  target->statistics.SetLevel(static_cast<StatsLevel>(*level));
  return Undefined();
}

// resetStats(source: StatsSource): void
//
// For readStats alone.
Result<napi_value> ResetStats(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call);
  if (!target.ok()) return target.status();
  target->stats.SetBaseline(TakeSnapshot(*target));
  return Undefined();
}

// readStats(source: StatsSource): NativeStats | null
//
// Null while statistics are off.
Result<napi_value> ReadStats(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call);
  if (!target.ok()) return target.status();
  if (target->statistics.on()) {
    return MakeStats(call.env, target->stats.SinceBaseline(TakeSnapshot(*target)));
  }
  napi_value none;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_null(call.env, &none));
  return none;
}

// takeStatsSnapshot(source: StatsSource, since: StatsSnapshotHandle | undefined):
//   NativeStatsSnapshot
Result<napi_value> TakeStatsSnapshot(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call);
  if (!target.ok()) return target.status();
  const std::shared_ptr<Statistics> owner = target->statistics.Use();
  const StatsSnapshotHandle* since = nullptr;
  if (!IsUndefined(call.env, call[1])) {
    const auto handle = ReadHandle<StatsSnapshotHandle>(call.env, call[1]);
    if (!handle.ok()) return handle.status();
    since = (*handle)->get();
    if (since->owner.lock() != owner) {
      return Status(ErrorCode::kArgument, "since is a stats snapshot of something else");
    }
  }
  auto taken =
      std::make_shared<StatsSnapshotHandle>(StatsSnapshotHandle{owner, TakeSnapshot(*target)});
  const StatsSnapshot& snapshot = taken->snapshot;
  const Result<napi_value> object =
      MakeStatsSnapshot(call.env, since == nullptr ? snapshot : snapshot.Since(since->snapshot));
  if (!object.ok()) return object.status();
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, *object, "handle", WrapHandle(call.env, std::move(taken))));
  return *object;
}

// captureStats(source: StatsSource): StatsSnapshotHandle
//
// The same for who exports it: nothing of it becomes an object of JavaScript.
Result<napi_value> CaptureStats(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call);
  if (!target.ok()) return target.status();
  return WrapHandle(call.env, std::make_shared<StatsSnapshotHandle>(StatsSnapshotHandle{
                                  target->statistics.Use(), TakeSnapshot(*target)}));
}

}  // namespace vitrine
