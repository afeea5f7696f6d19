#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "stats/statistics.h"

namespace vitrine {

// Where a search is counted, as those statistics that may want it to be repeated exactly, to learn
// how many of the true neighbours it found.
class RecallSampler {
 public:
  // A collection's and its database's.
  static constexpr size_t kMostPlaces = 2;

  RecallSampler() = default;
  explicit RecallSampler(Statistics& statistics) { Add(statistics); }
  // `statistics` outlive it. REQUIRES: no more than kMostPlaces
  void Add(Statistics& statistics) { places_[count_++] = &statistics; }

  // Whether the search that has just ended is to be repeated: by chance, whatever came before, so
  // that it is in step with no rhythm that searches may have. At the highest rate of all places.
  bool Draw() const;
  // Whether all that draw searches have time left for them.
  bool CanAfford() const;

 private:
  friend class RecallProbe;

  std::array<Statistics*, kMostPlaces> places_ = {};
  size_t count_ = 0;
};

// A search that was drawn, to be counted once, when this goes, in every place where the search was:
// with `record` as it is by then. Its statistics stay until that has happened.
class RecallProbe {
 public:
  explicit RecallProbe(const RecallSampler& sampler);
  RecallProbe(RecallProbe&&) = default;
  RecallProbe& operator=(RecallProbe&&) = delete;
  ~RecallProbe();

  // Takes what it cost out of the budgets of those who draw searches.
  void Spend(TimeBudget::Clock::duration time) const;

  RecallProbeRecord record;

 private:
  std::array<std::shared_ptr<Statistics>, RecallSampler::kMostPlaces> places_;
};

}  // namespace vitrine
