#pragma once

#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <thread>

#include "stats/recall_sampler.h"
#include "stats/search_tally.h"

namespace vitrine {

// Time enough for everything.
inline constexpr TimeBudget::Rule kAllTheTime{.share = 1, .most = std::chrono::hours(1)};

// Statistics that have every search repeated, and what came of that.
class ProbedStatistics {
 public:
  explicit ProbedStatistics(TimeBudget::Rule budget = kAllTheTime)
      : statistics_(Statistics::Create()), sampler_(*statistics_) {
    statistics_->SetLevel(StatsLevel::kCounters);
    statistics_->SetRecallSampleRate(1, budget);
  }

  Statistics& statistics() { return *statistics_; }
  // Of a search that begins.
  SearchCounters NewCounters() const { return {.recall = &sampler_}; }
  SearchTally Tally() { return {*statistics_, StatsLevel::kCounters, sampler_}; }

  uint64_t Count(ProbeOutcome outcome) const {
    return statistics_->Snapshot().value(Family::kRecallProbes, SeriesOf(outcome));
  }
  // Snapshot once `probes` searches have been drawn and are done with.
  StatsSnapshot WaitFor(uint64_t probes) const {
    for (;;) {
      StatsSnapshot snapshot = statistics_->Snapshot();
      uint64_t sum = 0;
      for (size_t outcome = 0; outcome < std::size(kProbeOutcomeNames); ++outcome) {
        sum += snapshot.value(Family::kRecallProbes, outcome);
      }
      if (sum >= probes) return snapshot;
      std::this_thread::yield();
    }
  }

 private:
  std::shared_ptr<Statistics> statistics_;
  RecallSampler sampler_;
};

}  // namespace vitrine
