#include "stats/stats_shard.h"

#include <bit>
#include <new>
#include <utility>

namespace vitrine {
namespace {

// The layout of each place of a histogram.
const HistogramLayout& LayoutOf(Family family) {
  const Unit unit = RowOf(family).unit;
  const bool in_billionths = unit == Unit::kSeconds || unit == Unit::kRatio;
  return in_billionths ? HistogramLayout::Seconds() : HistogramLayout::Counts();
}

template <typename Visit>
void ForEachBit(uint64_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<size_t>(std::countr_zero(bits)));
}

}  // namespace

Histogram* StatsShard::MakeHistogram(size_t place, Family family) {
  std::unique_ptr<Group>& group = groups_[place / kGroup];
  if (group == nullptr) group.reset(new (std::nothrow) Group);
  Histogram made(LayoutOf(family));
  if (group == nullptr || !made.has_cells()) return nullptr;
  Histogram& histogram = (*group)[place % kGroup];
  histogram = std::move(made);
  present_.store(present_.load(std::memory_order_relaxed) | uint64_t{1} << place,
                 std::memory_order_release);
  return &histogram;
}

void StatsShard::Observe(Family family, size_t series, uint64_t value) {
  const size_t place = PlaceOf(family) + series;
  const std::unique_ptr<Group>& group = groups_[place / kGroup];
  Histogram* histogram = group == nullptr ? nullptr : &(*group)[place % kGroup];
  if (histogram == nullptr || !histogram->has_cells()) histogram = MakeHistogram(place, family);
  if (histogram != nullptr) histogram->Observe(value);
}

void StatsShard::AddTo(StatsSnapshot& snapshot) const {
  for (size_t i = 0; i < counters_.size(); ++i) {
    snapshot.counters[i] += counters_[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    snapshot.running[i] += running_[i].load(std::memory_order_relaxed);
  }
  ForEachBit(histograms() & snapshot.observed,
             [&](size_t place) { HistogramAt(place).AddTo(snapshot.HistogramAt(place)); });
}

void StatsShard::Absorb(StatsShard& other) {
  for (size_t i = 0; i < counters_.size(); ++i) {
    AddAt(i, other.counters_[i].load(std::memory_order_relaxed));
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i] == nullptr) {
      groups_[i] = std::move(other.groups_[i]);
      continue;
    }
    for (size_t j = 0; other.groups_[i] != nullptr && j < kGroup; ++j) {
      Histogram& from = (*other.groups_[i])[j];
      Histogram& to = (*groups_[i])[j];
      if (!to.has_cells()) {
        to = std::move(from);
      } else if (from.has_cells()) {
        to.Absorb(from);
      }
    }
  }
  present_.store(
      present_.load(std::memory_order_relaxed) | other.present_.load(std::memory_order_relaxed),
      std::memory_order_release);
}

size_t StatsShard::memory_bytes() const {
  size_t bytes = sizeof(*this);
  const uint64_t present = histograms();
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (((present >> (i * kGroup)) & ((1 << kGroup) - 1)) != 0) bytes += sizeof(Group);
  }
  ForEachBit(present, [&](size_t place) {
    bytes += HistogramAt(place).memory_bytes() - sizeof(Histogram);  // which is in its group
  });
  return bytes;
}

}  // namespace vitrine
