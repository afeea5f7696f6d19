#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "stats/lazy_statistics.h"

namespace vitrine {

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

  void NoteMemory(size_t bytes) { peak_bytes_ = std::max(peak_bytes_, bytes); }
  size_t peak_bytes() const { return peak_bytes_; }

 private:
  std::unique_ptr<StatsSnapshot> baseline_;
  size_t peak_bytes_ = 0;
};

}  // namespace vitrine
