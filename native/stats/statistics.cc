#include "stats/statistics.h"

#include <cassert>
#include <cmath>
#include <new>
#include <utility>

#include "base/platform.h"
#include "stats/histogram_layout.h"
#include "stats/tick_clock.h"

namespace vitrine {
namespace {

void AddSearch(StatsShard& shard, StatsLevel level, const SearchCounters& search) {
  if (!search.strategy) return;
  const bool in_graph = *search.strategy == SearchStrategy::kGraph ||
                        *search.strategy == SearchStrategy::kGraphFiltered;
  const size_t kind = in_graph ? 0 : 1;  // of kIndexKindNames
  const auto add = [&](EvaluationPhase phase, uint64_t evaluations) {
    if (evaluations == 0) return;
    shard.Add(Family::kDistanceEvaluations, SeriesOf(Family::kDistanceEvaluations, kind, phase),
              evaluations);
  };
  const uint64_t walked = search.graph_evaluations;
  add(EvaluationPhase::kRoute, search.entry_evaluations);
  add(EvaluationPhase::kApprox, search.sketch_evaluations + (search.on_codes ? walked : 0));
  add(EvaluationPhase::kRerank, search.rerank_evaluations);
  add(EvaluationPhase::kExact, search.scan_evaluations + (search.on_codes ? 0 : walked));
  if (search.hops > 0) shard.Add(Family::kNodeVisits, kind, search.hops);
  const DistanceKernel kernels[] = {search.vector_kernel, search.code_kernel,
                                    DistanceKernel::kSketch};
  static_assert(std::size(kernels) == kComparedForms);
  for (size_t i = 0; i < kComparedForms; ++i) {
    const uint64_t calls = search.kernel_calls[i];
    if (calls > 0) shard.Add(Family::kKernelCalls, SeriesOf(kernels[i]), calls);
  }
  shard.Add(Family::kPlans, SeriesOf(*search.strategy), 1);
  if (level < StatsLevel::kHistograms) return;
  shard.Observe(Family::kScannedVectors, kind, search.evaluations());
  if (search.hops > 0) shard.Observe(Family::kHops, kind, search.hops);
  shard.Observe(Family::kReturnedVectors, 0, search.returned);
}

void AddOperation(StatsShard& shard, const OperationRecord& record) {
  const Outcome outcome = record.error ? OutcomeOf(*record.error) : Outcome::kOk;
  shard.Add(Family::kOperations, SeriesOf(Family::kOperations, record.operation, outcome), 1);
  if (record.indexed > 0) shard.Add(Family::kVectorsIndexed, 0, record.indexed);
  if (record.search != nullptr) AddSearch(shard, record.level, *record.search);
  if (record.level < StatsLevel::kHistograms) return;
  const size_t operation = SeriesOf(record.operation);
  if (record.duration_ns) shard.Observe(Family::kOperationDuration, operation, *record.duration_ns);
  if (record.vectors) shard.Observe(Family::kBatchVectors, operation, *record.vectors);
  if (record.builds_index && record.duration_ns) {
    shard.Observe(Family::kIndexBuildDuration, SeriesOf(BuildCause::kWrite), *record.duration_ns);
  }
  if (record.level < StatsLevel::kPhases) return;
  if (record.wait_ns) shard.Observe(Family::kQueueWait, 0, *record.wait_ns);
  if (record.level < StatsLevel::kCpu || !record.cpu_ns) return;
  if (const std::optional<CpuPool> pool = CpuPoolOf(record.operation)) {
    shard.Add(Family::kCpu, SeriesOf(*pool), *record.cpu_ns);
  }
}

}  // namespace

// The shards of one thread, the one that was used last in front. They belong to their statistics,
// which may end before the thread; then the entry expires. Its address is not used again as long as
// the entry is there, because the entry keeps the memory of what std::make_shared made.
class ThreadShards {
 public:
  ThreadShards() = default;
  ThreadShards(const ThreadShards&) = delete;
  ThreadShards& operator=(const ThreadShards&) = delete;
  ~ThreadShards() {
    for (; first_ != nullptr; first_ = std::move(first_->next)) {
      if (const auto owner = first_->owner.lock()) owner->Retire(first_->shard);
    }
  }

  static ThreadShards& Current() {
    thread_local ThreadShards shards;
    return shards;
  }

  // Null when there is none.
  StatsShard* Find(const Statistics* owner) {
    if (first_ != nullptr && first_->key == owner) return first_->shard;
    return FindFurther(owner);
  }

  // Not inlined, so that the way to a shard that is there stays short.
  VITRINE_NOINLINE StatsShard* Add(Statistics& owner) {
    DropExpired();
    std::unique_ptr<Entry> entry(new (std::nothrow) Entry);
    if (entry == nullptr) return nullptr;
    StatsShard* const shard = owner.AddShard();
    if (shard == nullptr) return nullptr;
    *entry = {&owner, owner.weak_from_this(), shard, std::move(first_)};
    first_ = std::move(entry);
    return shard;
  }

 private:
  struct Entry {
    const Statistics* key = nullptr;
    std::weak_ptr<Statistics> owner;
    StatsShard* shard = nullptr;
    std::unique_ptr<Entry> next;
  };

  VITRINE_NOINLINE StatsShard* FindFurther(const Statistics* owner) {
    for (std::unique_ptr<Entry>* link = &first_; *link != nullptr; link = &(*link)->next) {
      if ((*link)->key != owner) continue;
      std::unique_ptr<Entry> found = std::move(*link);
      *link = std::move(found->next);
      found->next = std::move(first_);
      first_ = std::move(found);
      return first_->shard;
    }
    return nullptr;
  }

  void DropExpired() {
    for (std::unique_ptr<Entry>* link = &first_; *link != nullptr;) {
      if ((*link)->owner.expired()) {
        *link = std::move((*link)->next);
      } else {
        link = &(*link)->next;
      }
    }
  }

  std::unique_ptr<Entry> first_;
};

// What all histograms share is made here, so that nothing is allocated for it while counting.
Statistics::Statistics(MadeHere) {
  HistogramLayout::Seconds();
  HistogramLayout::Counts();
}

void Statistics::SetLevel(StatsLevel level) {
  // Calibrated here, and not within the first operation that is timed.
  if (level >= StatsLevel::kHistograms) TickClock::Process();
  level_.store(level, std::memory_order_relaxed);
}

StatsShard* Statistics::ThisThreadsShard() {
  ThreadShards& shards = ThreadShards::Current();
  StatsShard* const shard = shards.Find(this);
  return shard != nullptr ? shard : shards.Add(*this);
}

StatsShard* Statistics::AddShard() {
  std::unique_ptr<StatsShard> shard(new (std::nothrow) StatsShard);
  if (shard == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  shard->next = std::move(live_);
  live_ = std::move(shard);
  return live_.get();
}

void Statistics::Retire(StatsShard* shard) {
  const std::lock_guard lock(mutex_);
  retired_something_ = true;
  retired_.Absorb(*shard);
  std::unique_ptr<StatsShard>* link = &live_;
  while (link->get() != shard) link = &(*link)->next;
  *link = std::move((*link)->next);
}

template <typename Change>
void Statistics::CountInShard(Change change) {
  if (StatsShard* const shard = ThisThreadsShard()) {
    change(*shard);
    return;
  }
  const std::lock_guard lock(mutex_);
  retired_something_ = true;
  change(retired_);
}

StatsShard* Statistics::Begin(CountedOperation operation) {
  StatsShard* const shard = ThisThreadsShard();
  if (shard != nullptr) shard->Begin(operation);
  return shard;
}

void Statistics::Count(const OperationRecord& record, StatsShard* began) {
  if (record.level == StatsLevel::kOff) return;
  assert(began == nullptr || began == ThisThreadsShard());
  if (began != nullptr) {
    began->End(record.operation);
    AddOperation(*began, record);
  } else {
    CountInShard([&](StatsShard& shard) { AddOperation(shard, record); });
  }
  if (record.error) {
    AddRare(Family::kErrors, SeriesOf(Family::kErrors, record.operation, *record.error));
  }
}

void Statistics::CountSearch(StatsLevel level, const SearchCounters& search) {
  if (level == StatsLevel::kOff) return;
  CountInShard([&](StatsShard& shard) { AddSearch(shard, level, search); });
}

void Statistics::Add(Family family, size_t series, uint64_t n) {
  if (level() < RowOf(family).level) return;
  CountInShard([&](StatsShard& shard) { shard.Add(family, series, n); });
}

void Statistics::CountSlow(CountedOperation operation) {
  if (level() < RowOf(Family::kSlowOperations).level) return;
  AddRare(Family::kSlowOperations, SeriesOf(operation));
}

void Statistics::Observe(Family family, size_t series, uint64_t value) {
  if (level() < RowOf(family).level) return;
  CountInShard([&](StatsShard& shard) { shard.Observe(family, series, value); });
}

void Statistics::AddRare(Family family, size_t series) {
  if (rare_.load(std::memory_order_acquire) == nullptr) MakeRareTable();
  RareTable* const table = rare_.load(std::memory_order_acquire);
  if (table == nullptr) return;
  (*table)[PlaceOf(family) + series].fetch_add(1, std::memory_order_relaxed);
}

void Statistics::MakeRareTable() {
  const std::lock_guard lock(mutex_);
  if (rare_table_ != nullptr) return;
  rare_table_.reset(new (std::nothrow) RareTable{});
  rare_.store(rare_table_.get(), std::memory_order_release);
}

void Statistics::SetRecallSampleRate(double rate, TimeBudget::Rule budget) {
  const std::lock_guard lock(mutex_);
  if (rate > 0 && recall_budget_ == nullptr) recall_budget_ = std::make_unique<TimeBudget>(budget);
  recall_share_.store(static_cast<uint64_t>(std::ldexp(rate, 63)), std::memory_order_release);
}

void Statistics::CountProbe(const RecallProbeRecord& probe) {
  if (level() == StatsLevel::kOff) return;
  const std::lock_guard lock(mutex_);
  if (probe_table_ == nullptr) probe_table_.reset(new (std::nothrow) ProbeTable{});
  if (probe_table_ == nullptr) return;
  const auto add = [&](Family family, size_t series, uint64_t n) {
    (*probe_table_)[PlaceOf(family) + series] += n;
  };
  add(Family::kRecallProbes, SeriesOf(probe.outcome), 1);
  if (probe.outcome != ProbeOutcome::kOk) return;
  const size_t series = SeriesOf(Family::kRecallExpected, probe.index, ProbedNeighbors(probe.k));
  add(Family::kRecallExpected, series, probe.expected);
  add(Family::kRecallFound, series, probe.found);
}

StatsSnapshot Statistics::Snapshot() const {
  StatsSnapshot snapshot;
  snapshot.level = level();
  snapshot.start = start_;
  const std::lock_guard lock(mutex_);
  snapshot.taken = StatsSnapshot::Clock::now();
  uint64_t observed = retired_something_ ? retired_.histograms() : 0;
  for (const StatsShard* shard = live_.get(); shard != nullptr; shard = shard->next.get()) {
    observed |= shard->histograms();
  }
  snapshot.Observe(observed);
  if (retired_something_) retired_.AddTo(snapshot);
  for (const StatsShard* shard = live_.get(); shard != nullptr; shard = shard->next.get()) {
    shard->AddTo(snapshot);
  }
  if (rare_table_ != nullptr) {
    snapshot.rare.resize(kRareCounters);
    for (size_t i = 0; i < snapshot.rare.size(); ++i) {
      snapshot.rare[i] = (*rare_table_)[i].load(std::memory_order_relaxed);
    }
  }
  if (probe_table_ != nullptr) snapshot.probes = *probe_table_;
  return snapshot;
}

size_t Statistics::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = sizeof(*this) - sizeof(retired_) + retired_.memory_bytes();
  for (const StatsShard* shard = live_.get(); shard != nullptr; shard = shard->next.get()) {
    bytes += shard->memory_bytes();
  }
  if (rare_table_ != nullptr) bytes += sizeof(RareTable);
  if (probe_table_ != nullptr) bytes += sizeof(ProbeTable);
  if (recall_budget_ != nullptr) bytes += sizeof(TimeBudget);
  return bytes;
}

}  // namespace vitrine
