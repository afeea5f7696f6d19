#pragma once

#include <node_api.h>

#include "base/status.h"
#include "engine/table.h"

namespace vitrine {

// Reads how wide a search is, into `ef` or `recall`: the beam width, an integer from 1 to kMaxEf;
// or, between 0 and 1, the recall to be reached; or undefined. kOption.
Status ReadBeam(napi_env env, napi_value value, SearchParameters& parameters);

}  // namespace vitrine
