#pragma once

#include <chrono>
#include <cstddef>

namespace vitrine {

// Whether a group of writes waits for more before it is flushed. Those who write one after the
// other come back soon after they were acknowledged, one by one: whoever goes to the device with
// the first of them has the others wait for two flushes each time.
//
// Nothing is waited for where a flush is as short as a pause, where writes come one at a time,
// and mostly not where nobody came back of late.
class ReturningWriters {
 public:
  using Clock = std::chrono::steady_clock;

  // `writes` are about to be acknowledged while `queued` wait, on a device that takes so long to
  // flush.
  void Acknowledge(size_t writes, size_t queued, Clock::duration flush, Clock::time_point now);
  // How long to wait for more than `queued`, which are some; zero when no longer. To be asked again
  // after that time, and when all are there.
  Clock::duration PauseFor(size_t queued, Clock::time_point now);
  // All that may come; 0 where nothing is waited for.
  size_t expected() const { return expected_; }

 private:
  size_t expected_ = 0;
  size_t asked_with_ = 0;  // as many were queued; 0 before the first pause
  Clock::duration pause_{};
  Clock::time_point last_;  // no pause goes beyond
  // Groups that are not waited for after a vain pause: more after each one.
  size_t skipped_after_vain_ = 0;
  size_t skipped_ = 0;
};

}  // namespace vitrine
