#pragma once

#include "stats/recall_sampler.h"
#include "stats/statistics.h"

namespace vitrine {

// Where the searches of one batch are counted, each by itself, on whatever thread it runs.
// `statistics`, and those that `recall` speaks of, outlive it.
class SearchTally {
 public:
  using Counters = SearchCounters;
  using Counting = SearchCounting;

  // `level` is the one that the batch found when it began.
  SearchTally(Statistics& statistics, StatsLevel level, const RecallSampler& recall)
      : statistics_(&statistics), level_(level), recall_(recall) {}

  const RecallSampler& recall() const { return recall_; }
  // Of one search; this must outlive them.
  Counters NewCounters() const { return CountersOf(recall_); }
  static Counting Use(Counters& counters) { return Counting(counters); }
  void Count(const Counters& search) const { statistics_->CountSearch(level_, search); }

 private:
  Statistics* statistics_;
  StatsLevel level_;
  RecallSampler recall_;
};

// Of a batch that nobody measures: compiles to nothing.
struct NoTally {
  struct Counters {};
  using Counting = NoCounting;

  Counters NewCounters() const { return {}; }
  static Counting Use(Counters&) { return {}; }
  void Count(const Counters&) const {}
};

}  // namespace vitrine
