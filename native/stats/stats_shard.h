#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "stats/histogram.h"
#include "stats/series_places.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// What one thread has counted. Adding takes a load and a store, because nobody else writes.
//
// Thread safety: `Add`, `Begin`, `End`, `Observe` and `Absorb` are for one thread at a time; the
// others for any.
class alignas(64) StatsShard {
 public:
  StatsShard() = default;
  StatsShard(const StatsShard&) = delete;
  StatsShard& operator=(const StatsShard&) = delete;

  void Add(Family family, size_t series, uint64_t n) { AddAt(PlaceOf(family) + series, n); }
  // An operation of this thread begins, and ends: it is in flight meanwhile.
  void Begin(CountedOperation operation) { AddRunning(operation, 1); }
  void End(CountedOperation operation) { AddRunning(operation, static_cast<uint32_t>(-1)); }
  // Lost where memory for the histogram is refused.
  void Observe(Family family, size_t series, uint64_t value);

  // Which histograms have been observed into, a bit each.
  uint64_t histograms() const { return present_.load(std::memory_order_acquire); }
  // Of histograms, those that the snapshot has. May throw std::bad_alloc.
  void AddTo(StatsSnapshot& snapshot) const;
  // Takes over what another one holds, which nobody counts into any more; not what its thread left
  // in flight, for nobody will end that. Allocates nothing.
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
  void AddRunning(CountedOperation operation, uint32_t n) {
    std::atomic<uint32_t>& running =
        running_[PlaceOf(Family::kOperationsInFlight) + SeriesOf(operation)];
    running.store(running.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  // Most threads observe into few of them, which lie together: where they are takes memory by
  // fours.
  static constexpr size_t kGroup = 4;
  using Group = std::array<Histogram, kGroup>;

  // REQUIRES: it was found in histograms()
  const Histogram& HistogramAt(size_t place) const {
    return (*groups_[place / kGroup])[place % kGroup];
  }
  // Null when memory is refused. The thread of the shard.
  Histogram* MakeHistogram(size_t place, Family family);

  // Relaxed: each is a number of its own, with one writer; partner: AddTo.
  std::array<std::atomic<uint64_t>, kShardCounters> counters_ = {};
  // Of operations that begin and end on this thread: never less than none. Relaxed, likewise.
  std::array<std::atomic<uint32_t>, kRunningValues> running_ = {};
  // Which histograms have been observed into. Release by the only writer, once the histogram is
  // whole; partner: the acquire in histograms().
  std::atomic<uint64_t> present_{0};
  // Each is made with its first histogram, and then there for good.
  std::array<std::unique_ptr<Group>, (kHistograms + kGroup - 1) / kGroup> groups_;
};

// On one thread, all of a database's counters.
static_assert(sizeof(StatsShard) <= 1024);

}  // namespace vitrine
