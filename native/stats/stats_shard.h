#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "stats/catalog.h"
#include "stats/histogram.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// What one thread has counted. Adding takes a load and a store, because nobody else writes.
//
// Thread safety: `Add`, `Observe` and `Absorb` are for one thread at a time; the others for any.
class alignas(64) StatsShard {
 public:
  StatsShard() = default;
  StatsShard(const StatsShard&) = delete;
  StatsShard& operator=(const StatsShard&) = delete;

  void Add(Family family, size_t series, uint64_t n) { AddAt(PlaceOf(family) + series, n); }
  // Lost where memory for the histogram is refused.
  void Observe(Family family, size_t series, uint64_t value);

  void AddTo(StatsSnapshot& snapshot) const;
  // Takes over what another one holds, which nobody counts into any more. Allocates nothing.
  void Absorb(StatsShard& other);
  size_t memory_bytes() const;

  // The next shard of the same Statistics, which guards it.
  std::unique_ptr<StatsShard> next;

 private:
  static_assert(kHistograms <= 64);

  void AddAt(size_t place, uint64_t n) {
    std::atomic<uint64_t>& counter = counters_[place];
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  // Null unless it is there.
  const Histogram* HistogramAt(size_t place) const {
    const bool there = ((present_.load(std::memory_order_acquire) >> place) & 1) != 0;
    return there ? histograms_[place].get() : nullptr;
  }
  void SetHistogram(size_t place, std::unique_ptr<Histogram> histogram);

  // Relaxed: each is a number of its own, with one writer; partner: AddTo.
  std::array<std::atomic<uint64_t>, kShardCounters> counters_ = {};
  // Which histograms have been observed into. Release by the only writer, once the histogram is
  // whole; partner: the acquire in HistogramAt.
  std::atomic<uint64_t> present_{0};
  std::array<std::unique_ptr<Histogram>, kHistograms> histograms_;
};

// On one thread, all of a database's counters.
static_assert(sizeof(StatsShard) <= 1024);

}  // namespace vitrine
