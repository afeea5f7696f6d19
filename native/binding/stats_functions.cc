// Statistics: turned on and off, and read.

#include <memory>
#include <utility>

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/stats_object.h"
#include "binding/stats_reader.h"
#include "binding/stats_snapshot_handle.h"

namespace vitrine {
// statsFamilies(): NativeFamily[]
Result<napi_value> StatsFamilies(Call& call) { return MakeFamilies(call.env); }

namespace {

Result<double> ReadSampleRate(napi_env env, napi_value value) {
  double rate = 0;
  if (napi_get_value_double(env, value, &rate) == napi_ok && rate >= 0 && rate <= 1) return rate;
  return Status(ErrorCode::kOption,
                "recallSampleRate must be a number from 0 to 1, not " + Describe(env, value));
}

}  // namespace

// setStatsLevel(source: StatsSource, level: StatsLevel | 'off', recallSampleRate: number): void
Result<napi_value> SetStatsLevel(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call, call[0]);
  if (!target.ok()) return target.status();
  const Result<size_t> level = ReadWord(call.env, call[1], "level", kStatsLevelNames);
  if (!level.ok()) return level.status();
  const Result<double> rate = ReadSampleRate(call.env, call[2]);
  if (!rate.ok()) return rate.status();
  if (!target->stats.has_baseline()) target->stats.SetBaseline(target->reader.Take());
  target->statistics.Use()->SetRecallSampleRate(*rate);
  target->statistics.SetLevel(static_cast<StatsLevel>(*level));
  return Undefined();
}

// countSlowSearch(source: StatsSource, operation: string): void
//
// Somebody found a search slow that was made from this. Nothing happens when it has been closed
// meanwhile.
Result<napi_value> CountSlowSearch(Call& call) {
  const Result<size_t> operation = ReadWord(call.env, call[1], "operation", kSearchOperationNames);
  if (!operation.ok()) return operation.status();
  const Result<StatsTarget> target = ReadStatsTarget(call, call[0]);
  if (!target.ok() && target.status().code() == ErrorCode::kClosed) return Undefined();
  if (!target.ok()) return target.status();
  if (Statistics* const counting = target->statistics.counting()) {
    counting->CountSlow(static_cast<CountedOperation>(*operation));
  }
  return Undefined();
}

// resetStats(source: StatsSource): void
//
// For readStats alone.
Result<napi_value> ResetStats(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call, call[0]);
  if (!target.ok()) return target.status();
  target->stats.SetBaseline(target->reader.Take());
  return Undefined();
}

// readStats(source: StatsSource): NativeStats | null
//
// Null while statistics are off.
Result<napi_value> ReadStats(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call, call[0]);
  if (!target.ok()) return target.status();
  if (target->statistics.on()) {
    return MakeStats(call.env, target->stats.SinceBaseline(target->reader.Take()));
  }
  napi_value none;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_null(call.env, &none));
  return none;
}

// takeStatsSnapshot(source: StatsSource, since: StatsSnapshotHandle | undefined):
//   NativeStatsSnapshot
Result<napi_value> TakeStatsSnapshot(Call& call) {
  const Result<StatsTarget> target = ReadStatsTarget(call, call[0]);
  if (!target.ok()) return target.status();
  const std::shared_ptr<Statistics> owner = target->reader.statistics();
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
      std::make_shared<StatsSnapshotHandle>(StatsSnapshotHandle{owner, target->reader.Take()});
  const StatsSnapshot& snapshot = taken->snapshot;
  const Result<napi_value> object =
      MakeStatsSnapshot(call.env, since == nullptr ? snapshot : snapshot.Since(since->snapshot));
  if (!object.ok()) return object.status();
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, *object, "handle", WrapHandle(call.env, std::move(taken))));
  return *object;
}

}  // namespace vitrine
