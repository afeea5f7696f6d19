#pragma once

#include <optional>

#include "stats/recall_sampler.h"
#include "stats/search_phases.h"
#include "stats/statistics.h"

namespace vitrine {

// Where the searches of one batch are counted, each by itself, on whatever thread it runs, and
// where their time is noted if somebody watches. `statistics`, and those that `recall` speaks of,
// outlive it.
class SearchTally {
 public:
  using Counters = SearchCounters;
  using Counting = SearchCounting;

  // Nobody counts.
  SearchTally() = default;
  // `level` is the one that the batch found when it began.
  SearchTally(Statistics& statistics, StatsLevel level, const RecallSampler& recall)
      : statistics_(&statistics), level_(level), recall_(recall) {}

  // The same, and it notes in `phases` where time goes, which outlive it.
  SearchTally Watched(BatchPhases& phases) const {
    SearchTally watched = *this;
    watched.phases_ = &phases;
    return watched;
  }

  // Searches that one thread makes one after the other, or in turn.
  class Stretch {
   public:
    explicit Stretch(const SearchTally& tally) : phases_(tally.phases_) {
      if (phases_ != nullptr) timer_.emplace(TickClock::Process());
    }
    ~Stretch() {
      if (phases_ == nullptr) return;
      timer_->End();
      phases_->Add(*timer_);
    }
    Stretch(const Stretch&) = delete;
    Stretch& operator=(const Stretch&) = delete;

    PhaseListener* listener() { return timer_ ? &*timer_ : nullptr; }

   private:
    BatchPhases* const phases_;
    std::optional<PhaseTimer> timer_;
  };

  const RecallSampler& recall() const { return recall_; }
  // Of one search of a stretch; both must outlive them.
  Counters NewCounters(Stretch& stretch) const {
    Counters counters = CountersOf(recall_);
    counters.phases = stretch.listener();
    return counters;
  }
  static Counting Use(Counters& counters) { return Counting(counters); }
  void Count(const Counters& search) const {
    if (statistics_ != nullptr) statistics_->CountSearch(level_, search);
  }

 private:
  Statistics* statistics_ = nullptr;
  StatsLevel level_ = StatsLevel::kOff;
  RecallSampler recall_;
  BatchPhases* phases_ = nullptr;
};

// Of a batch that nobody measures: compiles to nothing.
struct NoTally {
  struct Counters {};
  using Counting = NoCounting;
  struct Stretch {
    explicit Stretch(const NoTally&) {}
  };

  Counters NewCounters(Stretch&) const { return {}; }
  static Counting Use(Counters&) { return {}; }
  void Count(const Counters&) const {}
};

}  // namespace vitrine
