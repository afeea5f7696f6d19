#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "base/status.h"

namespace vitrine {

// The first failure of several threads that do one thing together.
class FirstFailure {
 public:
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void Note(Status status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (failed()) return;
    status_ = std::move(status);
    // Relaxed: others only stop earlier; the status is read when they have ended.
    failed_.store(true, std::memory_order_relaxed);
  }
  // REQUIRES: all of them have ended
  Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  std::atomic<bool> failed_{false};
  Status status_;
};

}  // namespace vitrine
