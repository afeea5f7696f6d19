#pragma once

#include <node_api.h>

#include "base/status.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// NativeFamily[] of lib/native-stats.ts: the table of metrics.
Result<napi_value> MakeFamilies(napi_env env);
// NativeStatsSnapshot of lib/native-stats.ts.
Result<napi_value> MakeStatsSnapshot(napi_env env, const StatsSnapshot& snapshot);
// NativeStats of lib/native-stats.ts: the figures for people, of which `since` is what was counted
// since the baseline.
Result<napi_value> MakeStats(napi_env env, const StatsSnapshot& since);

}  // namespace vitrine
