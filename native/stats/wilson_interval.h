#pragma once

#include <cstdint>

namespace vitrine {

struct WilsonInterval {
  double low = 0;
  double high = 1;
};

// The 95 % interval for the probability of what happened `hits` times in `trials` (Wilson 1927),
// taking trials for independent of each other: those that are not are fewer than they seem, and the
// interval should then be wider. All of 0 ... 1 for no trials. REQUIRES: hits <= trials
WilsonInterval IntervalOfShare(uint64_t hits, uint64_t trials);

}  // namespace vitrine
