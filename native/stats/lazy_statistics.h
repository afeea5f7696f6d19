#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "stats/statistics.h"

namespace vitrine {

// Whether anything can be counted at all: bench/stats.mjs shows what the branch costs that is saved
// where nothing can.
#if defined(VITRINE_NO_STATISTICS)
inline constexpr bool kHasStatistics = false;
#else
inline constexpr bool kHasStatistics = true;
#endif

// Statistics that are made when somebody first asks for them: what nobody watches has none. An
// operation that begins looks at one pointer, which is null as long as nothing is counted.
//
// Thread safety: all functions may be called from any thread.
class LazyStatistics {
 public:
  LazyStatistics() = default;
  virtual ~LazyStatistics() = default;
  LazyStatistics(const LazyStatistics&) = delete;
  LazyStatistics& operator=(const LazyStatistics&) = delete;

  // May throw std::bad_alloc.
  std::shared_ptr<Statistics> Use() {
    const std::lock_guard lock(mutex_);
    return UseLocked();
  }
  // From now on operations that begin count so much. May throw std::bad_alloc.
  virtual void SetLevel(StatsLevel level) {
    const std::lock_guard lock(mutex_);
    UseLocked()->SetLevel(level);
    counting_.store(level == StatsLevel::kOff ? nullptr : statistics_.get(),
                    std::memory_order_release);
  }
  // Where an operation that begins now is counted; null: nowhere.
  Statistics* counting() const {
    return kHasStatistics ? counting_.load(std::memory_order_acquire) : nullptr;
  }
  bool on() const { return counting() != nullptr; }
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

// The same of something of which one thread alone begins operations, and turns statistics on and
// off: to find them off takes a comparison with memory and a branch, while compilers load what is
// atomic into a register first.
//
// Thread safety: `SetLevel` and `on` are for that thread; the others for any.
class LocalStatistics final : public LazyStatistics {
 public:
  void SetLevel(StatsLevel level) override {
    LazyStatistics::SetLevel(level);
    on_ = level != StatsLevel::kOff;
  }
  bool on() const { return kHasStatistics && on_; }

 private:
  bool on_ = false;
};

}  // namespace vitrine
