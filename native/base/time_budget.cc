#include "base/time_budget.h"

#include <algorithm>

namespace vitrine {

bool TimeBudget::HasSome() {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  const auto earned = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double, Clock::period>(now - reckoned_) * rule_.share);
  credit_ = std::min(credit_ + earned, rule_.most);
  reckoned_ = now;
  return credit_ > Clock::duration::zero();
}

void TimeBudget::Spend(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  credit_ -= time;
}

}  // namespace vitrine
