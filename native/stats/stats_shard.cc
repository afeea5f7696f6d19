#include "stats/stats_shard.h"

#include <utility>

namespace vitrine {
namespace {

// The layout of each place of a histogram.
const HistogramLayout& LayoutOf(Family family) {
  const Unit unit = RowOf(family).unit;
  const bool in_billionths = unit == Unit::kSeconds || unit == Unit::kRatio;
  return in_billionths ? HistogramLayout::Seconds() : HistogramLayout::Counts();
}

}  // namespace

void StatsShard::SetHistogram(size_t place, std::unique_ptr<Histogram> histogram) {
  histograms_[place] = std::move(histogram);
  present_.store(present_.load(std::memory_order_relaxed) | uint64_t{1} << place,
                 std::memory_order_release);
}

void StatsShard::Observe(Family family, size_t series, uint64_t value) {
  const size_t place = PlaceOf(family) + series;
  if (histograms_[place] == nullptr) {
    std::unique_ptr<Histogram> made = Histogram::Create(LayoutOf(family));
    if (made == nullptr) return;
    SetHistogram(place, std::move(made));
  }
  histograms_[place]->Observe(value);
}

void StatsShard::AddTo(StatsSnapshot& snapshot) const {
  for (size_t i = 0; i < counters_.size(); ++i) {
    snapshot.counters[i] += counters_[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < histograms_.size(); ++i) {
    if (const Histogram* const histogram = HistogramAt(i)) histogram->AddTo(snapshot.histograms[i]);
  }
}

void StatsShard::Absorb(StatsShard& other) {
  for (size_t i = 0; i < counters_.size(); ++i) {
    AddAt(i, other.counters_[i].load(std::memory_order_relaxed));
  }
  for (size_t i = 0; i < histograms_.size(); ++i) {
    if (other.histograms_[i] == nullptr) continue;
    if (histograms_[i] == nullptr) {
      SetHistogram(i, std::move(other.histograms_[i]));
    } else {
      histograms_[i]->Absorb(*other.histograms_[i]);
    }
  }
}

size_t StatsShard::memory_bytes() const {
  size_t bytes = sizeof(*this);
  for (size_t i = 0; i < histograms_.size(); ++i) {
    if (const Histogram* const histogram = HistogramAt(i)) bytes += histogram->memory_bytes();
  }
  return bytes;
}

}  // namespace vitrine
