#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "base/status.h"
#include "base/time_budget.h"
#include "stats/search_counters.h"
#include "stats/series_places.h"
#include "stats/stats_shard.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// What one operation was, once it has ended. Beyond 88 bytes compilers zero it by slower code,
// which takes half of what counting does (measured).
struct OperationRecord {
  CountedOperation operation = CountedOperation::kSearch;
  StatsLevel level = StatsLevel::kOff;     // in force when it began
  std::optional<ErrorCode> error;          // why it failed, if it did
  bool builds_index = false;               // and did nothing else
  std::optional<uint64_t> vectors;         // of a call that takes many
  uint64_t indexed = 0;                    // vectors that it added to an index
  std::optional<uint64_t> wait_ns;         // before it ran
  std::optional<uint64_t> duration_ns;     // while it ran
  std::optional<uint64_t> cpu_ns;          // of its thread, meanwhile
  const SearchCounters* search = nullptr;  // of one search
};

// What became of a search that was to be repeated exactly.
struct RecallProbeRecord {
  ProbeOutcome outcome = ProbeOutcome::kSkipped;
  ProbedIndex index = ProbedIndex::kGraph;
  size_t k = 0;
  uint64_t expected = 0;  // true neighbours
  uint64_t found = 0;     // of them, at most as many
};

// What repeating searches may cost, for each Statistics that asks for it: a hundredth of one
// processor, and a tenth of a second at once.
inline constexpr TimeBudget::Rule kRecallBudget{.share = 0.01,
                                                .most = std::chrono::milliseconds(100)};

// The statistics of an index or a database.
//
// An operation keeps what it counts on its own stack, and hands it over when it ends. It goes to a
// shard that belongs to the thread alone; a thread that ends leaves its shard behind. Counters only
// grow, for as long as the object is there: whoever wants to know what happened since a moment
// subtracts a snapshot of that moment.
//
// Thread safety: all functions may be called from any thread.
class Statistics final : public std::enable_shared_from_this<Statistics> {
  struct MadeHere {};

 public:
  // May throw std::bad_alloc.
  static std::shared_ptr<Statistics> Create() { return std::make_shared<Statistics>(MadeHere{}); }
  explicit Statistics(MadeHere);
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

  // Relaxed: an operation goes by the level that it found when it began.
  StatsLevel level() const { return level_.load(std::memory_order_relaxed); }
  // The first level of the process that asks for times takes two milliseconds: see TickClock.
  void SetLevel(StatsLevel level);

  // An operation begins, and is in flight until it is counted, or given up. Null where there is no
  // memory for the shard: then it is counted all the same, but never seen in flight.
  StatsShard* Begin(CountedOperation operation);
  // Counts an operation that has ended. Never fails: without memory for a shard the operation is
  // counted in one that all threads share.
  //   began  what Begin returned, on this thread; null when it was not called
  void Count(const OperationRecord& record, StatsShard* began = nullptr);
  // Counts one search of a batch.
  void CountSearch(StatsLevel level, const SearchCounters& search);
  // Counts an operation that somebody found slow.
  // REQUIRES: it searches
  void CountSlow(CountedOperation operation);

  // What share of the searches is to be repeated exactly: 0, as at first, to 1. What that may cost
  // is said by the first call with another rate than 0. May throw std::bad_alloc.
  void SetRecallSampleRate(double rate, TimeBudget::Rule budget = kRecallBudget);
  // The same, of 2^63.
  uint64_t recall_share() const { return recall_share_.load(std::memory_order_acquire); }
  // REQUIRES: recall_share() was seen above 0
  TimeBudget& recall_budget() { return *recall_budget_; }
  // Never fails, but is lost without memory for the first.
  void CountProbe(const RecallProbeRecord& probe);

  // Adds what no operation has counted, or observes it, where the level asks for it.
  void Add(Family family, size_t series, uint64_t n);
  //   value  in the smallest unit of the family
  void Observe(Family family, size_t series, uint64_t value);

  // Everything that was counted before it was called, and perhaps some of what is counted
  // meanwhile; no counter is ever less than in a snapshot before. Holds nobody up. May throw
  // std::bad_alloc.
  StatsSnapshot Snapshot() const;

  // Of all shards and histograms.
  size_t memory_bytes() const;

 private:
  friend class ThreadShards;

  // The calling thread's; null when memory for it is refused.
  StatsShard* ThisThreadsShard();
  StatsShard* AddShard();
  // The thread of `shard` ends.
  void Retire(StatsShard* shard);
  template <typename Change>
  void CountInShard(Change change);
  void AddRare(Family family, size_t series);
  void MakeRareTable();

  const StatsSnapshot::Clock::time_point start_ = StatsSnapshot::Clock::now();
  std::atomic<StatsLevel> level_{StatsLevel::kOff};
  bool retired_something_ = false;  // guarded by mutex_: retired_ is read only where something is
  // Release and acquire: who finds it above 0 finds recall_budget_ there.
  std::atomic<uint64_t> recall_share_{0};

  // Shared by all threads: what it counts is rare enough. Allocated at the first; without memory a
  // failure is counted as an operation only. Release and acquire: whoever finds it finds zeros.
  using RareTable = std::array<std::atomic<uint64_t>, kRareCounters>;
  std::atomic<RareTable*> rare_{nullptr};

  // Guarded by mutex_, but for the counters of live shards. In this order there is no padding.
  std::unique_ptr<StatsShard> live_;
  std::unique_ptr<RareTable> rare_table_;
  StatsShard retired_;  // guarded as well
  // Taken when a thread comes or goes and for a snapshot.
  mutable std::mutex mutex_;
  // Rare, and counted under the mutex, so that no snapshot has half of a probe. Null until the
  // first.
  using ProbeTable = std::array<uint64_t, kProbeCounters>;
  std::unique_ptr<ProbeTable> probe_table_;
  std::unique_ptr<TimeBudget> recall_budget_;  // set once
};

}  // namespace vitrine
