#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "stats/statistics.h"

namespace vitrine {

// Statistics that are made when somebody first asks for them: what nobody watches has none.
//
// Thread safety: all functions may be called from any thread.
class LazyStatistics {
 public:
  // May throw std::bad_alloc.
  std::shared_ptr<Statistics> Use() {
    const std::lock_guard lock(mutex_);
    if (statistics_ == nullptr) statistics_ = Statistics::Create();
    pointer_.store(statistics_.get(), std::memory_order_release);
    return statistics_;
  }
  // Null until then.
  Statistics* get() const { return pointer_.load(std::memory_order_acquire); }
  // Whether an operation that begins now is counted.
  bool on() const {
    const Statistics* const statistics = get();
    return statistics != nullptr && statistics->level() != StatsLevel::kOff;
  }
  // The statistics, for who may outlive this; null while they are off.
  std::shared_ptr<Statistics> ShareIfOn() const {
    if (!on()) return nullptr;
    const std::lock_guard lock(mutex_);
    return statistics_;
  }
  size_t memory_bytes() const {
    const Statistics* const statistics = get();
    return statistics == nullptr ? 0 : statistics->memory_bytes();
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Statistics> statistics_;
  // What statistics_ holds, for who does not want to wait. Release and acquire: whoever finds them
  // finds them whole.
  std::atomic<Statistics*> pointer_{nullptr};
};

}  // namespace vitrine
