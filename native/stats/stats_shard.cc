#include "stats/stats_shard.h"

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

}  // namespace

Histogram* StatsShard::MakeHistogram(size_t place, Family family) {
  std::unique_ptr<Group>& group = groups_[place / kGroup];
  if (group == nullptr) group.reset(new (std::nothrow) Group);
  std::unique_ptr<Histogram> made = Histogram::Create(LayoutOf(family));
  if (group == nullptr || made == nullptr) return nullptr;
  std::unique_ptr<Histogram>& histogram = (*group)[place % kGroup];
  histogram = std::move(made);
  present_.store(present_.load(std::memory_order_relaxed) | uint64_t{1} << place,
                 std::memory_order_release);
  return histogram.get();
}

void StatsShard::Observe(Family family, size_t series, uint64_t value) {
  const size_t place = PlaceOf(family) + series;
  const std::unique_ptr<Group>& group = groups_[place / kGroup];
  Histogram* histogram = group == nullptr ? nullptr : (*group)[place % kGroup].get();
  if (histogram == nullptr) histogram = MakeHistogram(place, family);
  if (histogram != nullptr) histogram->Observe(value);
}

void StatsShard::AddTo(StatsSnapshot& snapshot) const {
  for (size_t i = 0; i < counters_.size(); ++i) {
    snapshot.counters[i] += counters_[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    snapshot.running[i] += running_[i].load(std::memory_order_relaxed);
  }
  for (size_t i = 0; i < kHistograms; ++i) {
    if (const Histogram* const histogram = HistogramAt(i)) histogram->AddTo(snapshot.histograms[i]);
  }
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
      std::unique_ptr<Histogram>& from = (*other.groups_[i])[j];
      std::unique_ptr<Histogram>& to = (*groups_[i])[j];
      if (to == nullptr) {
        to = std::move(from);
      } else if (from != nullptr) {
        to->Absorb(*from);
      }
    }
  }
  present_.store(
      present_.load(std::memory_order_relaxed) | other.present_.load(std::memory_order_relaxed),
      std::memory_order_release);
}

size_t StatsShard::memory_bytes() const {
  size_t bytes = sizeof(*this);
  const uint64_t present = present_.load(std::memory_order_acquire);
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (((present >> (i * kGroup)) & ((1 << kGroup) - 1)) != 0) bytes += sizeof(Group);
  }
  for (size_t i = 0; i < kHistograms; ++i) {
    if (const Histogram* const histogram = HistogramAt(i)) bytes += histogram->memory_bytes();
  }
  return bytes;
}

}  // namespace vitrine
