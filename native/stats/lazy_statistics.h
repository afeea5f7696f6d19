#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "stats/statistics.h"

namespace vitrine {

// Statistics that are made when somebody first asks for them: what nobody watches has none. An
// operation that begins looks at one pointer, which is null as long as nothing is counted.
//
// Thread safety: all functions may be called from any thread.
class LazyStatistics {
 public:
  // May throw std::bad_alloc.
  std::shared_ptr<Statistics> Use() {
    const std::lock_guard lock(mutex_);
    return UseLocked();
  }
  // From now on operations that begin count so much. May throw std::bad_alloc.
  void SetLevel(StatsLevel level) {
    const std::lock_guard lock(mutex_);
    UseLocked()->SetLevel(level);
    counting_.store(level == StatsLevel::kOff ? nullptr : statistics_.get(),
                    std::memory_order_release);
  }
  // Where an operation that begins now is counted; null: nowhere.
  Statistics* counting() const {
#if defined(VITRINE_NO_STATISTICS)
    // For bench/stats.mjs, which shows what the branch costs.
    return nullptr;
#else
    return counting_.load(std::memory_order_acquire);
#endif
  }
  bool on() const { return counting() != nullptr; }
  // The statistics, for who may outlive this; null while they are off.
  std::shared_ptr<Statistics> ShareIfOn() const {
    if (!on()) return nullptr;
    const std::lock_guard lock(mutex_);
    return statistics_;
  }
  size_t memory_bytes() const {
    const std::lock_guard lock(mutex_);
    return statistics_ == nullptr ? 0 : statistics_->memory_bytes();
  }

 private:
  const std::shared_ptr<Statistics>& UseLocked() {
    if (statistics_ == nullptr) statistics_ = Statistics::Create();
    return statistics_;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<Statistics> statistics_;
  // What statistics_ holds, unless they are off. Release and acquire: whoever finds them finds them
  // whole.
  std::atomic<Statistics*> counting_{nullptr};
};

}  // namespace vitrine
