#include "stats/stats_snapshot.h"

#include <cmath>

namespace vitrine {

uint64_t StatsSnapshot::value(Family family, size_t series) const {
  const size_t place = PlaceOf(family) + series;
  switch (RowOf(family).source) {
    case Source::kShards:
      if (family != Family::kKernelCalls) return counters[place];
      // Those of other tables are not called.
      return kernels.Of(series % kDistanceKernels) == series / kDistanceKernels
                 ? counters[PlaceOf(family) + series % kDistanceKernels]
                 : 0;
    case Source::kRare:
      return rare.empty() ? 0 : rare[place];
    case Source::kProbes:
      return probes[place];
    case Source::kRatio: {
      const uint64_t expected = value(Family::kRecallExpected, series);
      const uint64_t found = value(Family::kRecallFound, series);
      const double ratio = static_cast<double>(found) / static_cast<double>(expected);
      return expected == 0 ? 0 : static_cast<uint64_t>(std::llround(ratio * 1e9));
    }
    case Source::kTotals:
      return totals[place];
    case Source::kRunning:
      return running[place];
    case Source::kState:
      break;
  }
  return states[place];
}

void StatsSnapshot::AddBlocks(uint64_t reserved, uint64_t used) {
  reserved_bytes += reserved;
  used_bytes += used;
  if (reserved_bytes == 0) return;
  const double share = static_cast<double>(used_bytes) / static_cast<double>(reserved_bytes);
  states[PlaceOf(Family::kFragmentation)] = static_cast<uint64_t>((1 - share) * 1e9);
}

bool StatsSnapshot::has_something(Family family, size_t series) const {
  if (RowOf(family).type == MetricType::kHistogram) {
    return histogram(family, series).layout != nullptr;
  }
  // What of nothing was found is nothing; of something it may be.
  const bool of_neighbors = family == Family::kRecallRatio || family == Family::kRecallFound;
  return value(of_neighbors ? Family::kRecallExpected : family, series) != 0;
}

uint64_t StatsSnapshot::Sum(Family family) const {
  uint64_t sum = 0;
  for (size_t series = 0; series < RowOf(family).series(); ++series) sum += value(family, series);
  return sum;
}

uint64_t StatsSnapshot::finished(CountedOperation operation) const {
  uint64_t count = 0;
  for (size_t outcome = 0; outcome < std::size(kOutcomeNames); ++outcome) {
    count += value(Family::kOperations, SeriesOf(Family::kOperations, operation, outcome));
  }
  return count;
}

uint64_t StatsSnapshot::failed() const {
  uint64_t count = 0;
  for (size_t operation = 0; operation < std::size(kCountedOperationNames); ++operation) {
    for (size_t outcome = 0; outcome < std::size(kOutcomeNames); ++outcome) {
      if (outcome == static_cast<size_t>(Outcome::kOk)) continue;
      count += value(Family::kOperations, SeriesOf(Family::kOperations, operation, outcome));
    }
  }
  return count;
}

uint64_t StatsSnapshot::memory() const {
  uint64_t bytes = 0;
  for (size_t kind = 0; kind < std::size(kMemoryKindNames); ++kind) {
    bytes += value(Family::kMemory, kind);
  }
  return bytes;
}

StatsSnapshot StatsSnapshot::Since(const StatsSnapshot& earlier) const {
  StatsSnapshot later = *this;
  later.start = earlier.taken;
  for (size_t i = 0; i < counters.size(); ++i) later.counters[i] -= earlier.counters[i];
  for (size_t i = 0; i < earlier.rare.size(); ++i) later.rare[i] -= earlier.rare[i];
  for (size_t i = 0; i < probes.size(); ++i) later.probes[i] -= earlier.probes[i];
  for (size_t i = 0; i < totals.size(); ++i) later.totals[i] -= earlier.totals[i];
  uint64_t places = observed;
  for (size_t i = 0; i < histograms.size(); ++i, places &= places - 1) {
    const auto place = static_cast<size_t>(std::countr_zero(places));
    later.histograms[i] = histograms[i].Since(earlier.HistogramAt(place));
  }
  return later;
}

const HistogramTotals& StatsSnapshot::HistogramAt(size_t place) const {
  static const HistogramTotals nothing;
  return ((observed >> place) & 1) != 0 ? histograms[OrderOf(place)] : nothing;
}

}  // namespace vitrine
