#include "stats/search_phases.h"

#include <algorithm>

namespace vitrine {

void PhaseTimer::Enter(SearchPhase phase) {
  // Never back: the clocks of two processors may differ a little.
  const uint64_t now = std::max(clock_->Now(), since_);
  stretches_[static_cast<size_t>(current_)].Extend(since_, now);
  since_ = now;
  if (phase == current_) return;
  current_ = phase;
  ++stretches_[static_cast<size_t>(current_)].times;
}

PhaseNanoseconds PhaseTimer::End() {
  Enter(current_);
  PhaseNanoseconds nanoseconds = {};
  uint64_t ticks = 0;
  uint64_t before = 0;
  // Differences of rounded sums, so that rounding does not add up.
  for (size_t i = 0; i < kSearchPhases; ++i) {
    ticks += stretches_[i].ticks;
    const uint64_t sum = clock_->NanosecondsBetween(0, ticks);
    nanoseconds[i] = sum - before;
    before = sum;
  }
  return nanoseconds;
}

void BatchPhases::Add(const PhaseTimer& timer) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < kSearchPhases; ++i) stretches_[i].Merge(timer.stretches()[i]);
}

}  // namespace vitrine
