#pragma once

#include <chrono>
#include <mutex>

namespace vitrine {

// What work that nobody waits for may cost: a share of the time that passes. What is not used
// gathers, up to a limit. Work that has begun may overdraw it, and what would come next has to wait
// until that is made up for.
//
// Thread safety: all functions may be called from any thread.
class TimeBudget {
 public:
  using Clock = std::chrono::steady_clock;
  struct Rule {
    double share;          // of one processor, >= 0
    Clock::duration most;  // that gathers, and what there is at first
  };

  explicit TimeBudget(Rule rule) : rule_(rule), credit_(rule.most) {}

  // Whether anything is left.
  bool HasSome();
  void Spend(Clock::duration time);

 private:
  const Rule rule_;
  std::mutex mutex_;
  Clock::duration credit_;
  Clock::time_point reckoned_ = Clock::now();
};

}  // namespace vitrine
