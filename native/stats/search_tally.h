#pragma once

#include "stats/statistics.h"

namespace vitrine {

// Where the searches of one batch are counted, each by itself, on whatever thread it runs.
// `statistics` outlives it.
class SearchTally {
 public:
  using Counters = SearchCounters;
  using Counting = SearchCounting;

  // `level` is the one that the batch found when it began.
  SearchTally(Statistics& statistics, StatsLevel level) : statistics_(&statistics), level_(level) {}

  static Counting Use(Counters& counters) { return Counting(counters); }
  void Count(const Counters& search) const { statistics_->CountSearch(level_, search); }

 private:
  Statistics* statistics_;
  StatsLevel level_;
};

// Of a batch that nobody measures: compiles to nothing.
struct NoTally {
  struct Counters {};
  using Counting = NoCounting;

  static Counting Use(Counters&) { return {}; }
  void Count(const Counters&) const {}
};

}  // namespace vitrine
