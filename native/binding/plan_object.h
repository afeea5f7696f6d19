#pragma once

#include <node_api.h>

#include "base/status.h"
#include "engine/search_plan.h"
#include "stats/search_counters.h"

namespace vitrine {

// What searches tell of themselves, as the interfaces of lib/search-plan.ts.
Result<napi_value> MakePlan(napi_env env, const SearchPlan& plan);
// Sets the properties of SearchCost.
Status SetCost(napi_env env, napi_value object, const SearchCounters& counters,
               const PhaseNanoseconds& phases);
// A SearchCost.
Result<napi_value> MakeCost(napi_env env, const SearchCounters& counters,
                            const PhaseNanoseconds& phases);

}  // namespace vitrine
