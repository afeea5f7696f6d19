#pragma once

#include <cstdint>
#include <optional>

#include "base/thread_time.h"
#include "stats/lazy_statistics.h"

namespace vitrine {

// The time that the calling thread has a processor from here to the end of the scope, where anybody
// counts that.
class CpuStretch {
 public:
  // `statistics` outlives it.
  CpuStretch(const LazyStatistics& statistics, CpuPool pool)
      : statistics_(statistics), pool_(pool) {
    const Statistics* const counting = statistics.counting();
    if (counting != nullptr && counting->level() >= StatsLevel::kCpu) {
      start_ = ThreadCpuNanoseconds();
    }
  }
  ~CpuStretch() {
    Statistics* const counting = start_ ? statistics_.counting() : nullptr;
    if (counting == nullptr) return;
    counting->Add(Family::kCpu, SeriesOf(pool_), ThreadCpuNanoseconds() - *start_);
  }
  CpuStretch(const CpuStretch&) = delete;
  CpuStretch& operator=(const CpuStretch&) = delete;

 private:
  const LazyStatistics& statistics_;
  const CpuPool pool_;
  std::optional<uint64_t> start_;
};

}  // namespace vitrine
