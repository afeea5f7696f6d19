#pragma once

#include "stats/statistics.h"

namespace vitrine {

// Where the searches of one batch are counted, each by itself, on whatever thread it runs; nowhere
// by default. `statistics` outlives it.
class SearchTally {
 public:
  SearchTally() = default;
  // `level` is the one that the batch found when it began.
  SearchTally(Statistics& statistics, StatsLevel level)
      : statistics_(level == StatsLevel::kOff ? nullptr : &statistics), level_(level) {}

  // What the search is to count with: `counters`, or null where nobody wants to know.
  SearchCounters* Use(SearchCounters& counters) const {
    return statistics_ == nullptr ? nullptr : &counters;
  }
  void Count(const SearchCounters& search) const {
    if (statistics_ != nullptr) statistics_->CountSearch(level_, search);
  }

 private:
  Statistics* statistics_ = nullptr;
  StatsLevel level_ = StatsLevel::kOff;
};

}  // namespace vitrine
