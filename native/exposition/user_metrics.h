#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "exposition/metric_set.h"

namespace vitrine {

// The user's own metrics, as lib/metrics/user-metrics.ts writes them: what changes with every
// observation, and what does not.
//
// `layout`, little-endian, where text is a u32 of its bytes and UTF-8:
//   u32 families, and for each of them:
//     u8 type (of SeriesType), text name, help, unit
//     u32 bounds, f64 each: edges of a histogram, quantiles of a summary
//     u32 samples, and for each: f64 since when, in ms since 1970; u32 labels, and for each: text
//     name, value
// `values`: of each sample in that order
//   counter, gauge  the number; of an info 1, of a state set 1 or 0
//   histogram       observations by bucket, one more than bounds, and their sum
//   summary         the value of each quantile, sum, count
struct UserMetrics {
  std::string layout;  // empty: none
  std::vector<double> values;
  Overflow overflow;  // what found no room while it was recorded
};

// Adds them. The set points into `metrics` afterwards. kArgument when the layout is not as above or
// does not fit the values; kExists when a name is there already.
Status AddUserMetrics(const UserMetrics& metrics, MetricSet& set);

}  // namespace vitrine
