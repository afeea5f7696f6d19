#pragma once

#include <array>
#include <bit>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <vector>

#include "stats/histogram.h"
#include "stats/series_places.h"

namespace vitrine {

// A copy of all counters of one Statistics. Counters of two of them differ by exactly what was
// counted between them.
class StatsSnapshot {
 public:
  using Clock = std::chrono::system_clock;

  uint64_t value(Family family, size_t series = 0) const;
  // Whether anything was counted in a series, or observed: nothing in a ratio of nothing.
  bool has_something(Family family, size_t series) const;
  // False where nothing was in any of its series, as far as that is known without a look at each.
  bool may_have_something(Family family) const {
    const MetricFamily& row = RowOf(family);
    if (row.source == Source::kRare) return !rare.empty();
    if (row.type != MetricType::kHistogram) return true;
    return (observed >> PlaceOf(family) & ((uint64_t{1} << row.series()) - 1)) != 0;
  }
  // REQUIRES: a family of histograms
  const HistogramTotals& histogram(Family family, size_t series = 0) const {
    return HistogramAt(PlaceOf(family) + series);
  }
  // Nothing was observed where the place is not among `observed`.
  const HistogramTotals& HistogramAt(size_t place) const;
  // REQUIRES: the place is among `observed`
  HistogramTotals& HistogramAt(size_t place) { return histograms[OrderOf(place)]; }
  // Makes `histograms`, of these. May throw std::bad_alloc.
  void Observe(uint64_t places) {
    observed = places;
    histograms.resize(static_cast<size_t>(std::popcount(places)));
  }
  // REQUIRES: a family of Source::kState
  void AddState(Family family, size_t series, uint64_t value) {
    states[PlaceOf(family) + series] += value;
  }
  // REQUIRES: a family of Source::kTotals
  void AddTotal(Family family, size_t series, uint64_t value) {
    totals[PlaceOf(family) + series] += value;
  }
  // Says that a value is not to be had now.
  void Lacks(Family family) { lacking.set(static_cast<size_t>(family)); }
  // Adds bytes that are reserved for rows, and those of them that rows are in.
  void AddBlocks(uint64_t reserved, uint64_t used);
  // Whether what it is of has such a family.
  bool has(Family family) const {
    return RowOf(family).scope <= scope && !lacking.test(static_cast<size_t>(family));
  }
  // Of searches that were repeated exactly.
  uint64_t expected_neighbors() const { return Sum(Family::kRecallExpected); }
  uint64_t found_neighbors() const { return Sum(Family::kRecallFound); }
  // Operations that ended, however they did; and all those that did not end well.
  uint64_t finished(CountedOperation operation) const;
  uint64_t failed() const;
  // Bytes of all kinds.
  uint64_t memory() const;

  // What was counted after `earlier`, an earlier one of the same Statistics. Gauges are as they are
  // here.
  StatsSnapshot Since(const StatsSnapshot& earlier) const;

  StatsLevel level = StatsLevel::kOff;
  Clock::time_point start = {};  // of what it holds
  Clock::time_point taken = {};
  Scope scope = Scope::kEverything;  // what it is of
  std::bitset<kFamilyCount> lacking = {};
  KernelsInForce kernels = {};
  uint64_t reserved_bytes = 0;  // of which kFragmentation is a share
  uint64_t used_bytes = 0;

  std::array<uint64_t, kShardCounters> counters = {};
  std::vector<uint64_t> rare;  // [kRareCounters], or none where all are 0
  std::array<uint64_t, kRunningValues> running = {};
  std::array<uint64_t, kProbeCounters> probes = {};
  std::array<uint64_t, kStateValues> states = {};
  std::array<uint64_t, kTotalValues> totals = {};
  // Which places of histograms were observed into, a bit each, and what of them, by place: most
  // never are.
  uint64_t observed = 0;
  std::vector<HistogramTotals> histograms;

 private:
  size_t OrderOf(size_t place) const {
    return static_cast<size_t>(std::popcount(observed & ((uint64_t{1} << place) - 1)));
  }
  uint64_t Sum(Family family) const;
};

inline int64_t NanosecondsSince1970(StatsSnapshot::Clock::time_point moment) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count();
}

}  // namespace vitrine
