#include "engine/returning_writers.h"

#include <algorithm>

namespace vitrine {
namespace {

using std::chrono::microseconds;

// A thread that waits is late by tens of microseconds.
constexpr microseconds kLeastFlush{200};
// A pause takes this part of a flush, and all of them together no longer than one.
constexpr int kPausesInFlush = 16;
constexpr microseconds kLeastPause{50};
constexpr microseconds kMostPause{500};
// Those who come back are many in a pause; others would be spread over the time of the flush.
constexpr size_t kLeastPart = 8;
constexpr size_t kMostSkipped = 15;

}  // namespace

void ReturningWriters::Acknowledge(size_t writes, size_t queued, Clock::duration flush,
                                   Clock::time_point now) {
  expected_ = 0;
  if (flush < kLeastFlush) return;
  if (skipped_ > 0) {
    --skipped_;
    return;
  }
  expected_ = writes + queued;
  asked_with_ = 0;
  pause_ = std::clamp<Clock::duration>(flush / kPausesInFlush, kLeastPause, kMostPause);
  last_ = now + flush;
}

ReturningWriters::Clock::duration ReturningWriters::PauseFor(size_t queued, Clock::time_point now) {
  bool vain = false;
  if (asked_with_ > 0 && expected_ > 0) {
    vain = queued * kLeastPart < asked_with_ * kLeastPart + expected_;
    skipped_after_vain_ = vain ? std::min(2 * skipped_after_vain_ + 1, kMostSkipped) : 0;
    skipped_ = skipped_after_vain_;
  }
  if (vain || queued >= expected_ || now >= last_) {
    expected_ = 0;
    return {};
  }
  asked_with_ = queued;
  return std::min<Clock::duration>(pause_, last_ - now);
}

}  // namespace vitrine
