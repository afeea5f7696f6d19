#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "stats/lazy_statistics.h"

namespace vitrine {

// The most memory that something ever took, as far as anybody looked.
//
// Thread safety: all functions may be called from any thread.
class PeakMemory {
 public:
  void Note(size_t bytes) {
    size_t peak = this->bytes();
    while (peak < bytes && !bytes_.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
    }
  }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  // Relaxed: a number for display.
  std::atomic<size_t> bytes_{0};
};

// What `stats()` of one JavaScript object looks at, besides the statistics: what came before does
// not count, and how much memory there was. On the JS thread.
class HandleStats {
 public:
  // What came before a snapshot does not count any more.
  void SetBaseline(StatsSnapshot baseline) {
    baseline_ = std::make_unique<StatsSnapshot>(std::move(baseline));
  }
  bool has_baseline() const { return baseline_ != nullptr; }
  StatsSnapshot SinceBaseline(const StatsSnapshot& snapshot) const {
    return baseline_ == nullptr ? snapshot : snapshot.Since(*baseline_);
  }

  const std::shared_ptr<PeakMemory>& peak() const { return peak_; }

 private:
  std::unique_ptr<StatsSnapshot> baseline_;
  const std::shared_ptr<PeakMemory> peak_ = std::make_shared<PeakMemory>();
};

}  // namespace vitrine
