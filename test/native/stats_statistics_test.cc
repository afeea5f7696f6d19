#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "random_data.h"
#include "refused_allocations.h"
#include "stats/operation_span.h"
#include "stats/statistics.h"

namespace vitrine::stats_statistics_test {
namespace {

constexpr size_t kThreads = 8;

// The i-th operation of a thread: a search or a failed insert.
void CountOne(Statistics& statistics, size_t i) {
  if (i % 4 == 3) {
    statistics.Count({.operation = CountedOperation::kInsert,
                      .level = StatsLevel::kPhases,
                      .error = i % 8 == 7 ? ErrorCode::kExists : ErrorCode::kOverloaded,
                      .wait_ns = 1000});
    return;
  }
  const SearchCounters search{.hops = 3,
                              .entry_evaluations = 32,
                              .graph_evaluations = 10,
                              .returned = i % 4,
                              .strategy = SearchStrategy::kGraph};
  statistics.Count({.operation = CountedOperation::kSearch,
                    .level = StatsLevel::kPhases,
                    .duration_ns = i,
                    .search = &search});
}

uint64_t Operations(const StatsSnapshot& snapshot, CountedOperation operation, Outcome outcome) {
  return snapshot.value(Family::kOperations, SeriesOf(Family::kOperations, operation, outcome));
}
uint64_t Evaluations(const StatsSnapshot& snapshot, size_t kind, EvaluationPhase phase) {
  return snapshot.value(Family::kDistanceEvaluations,
                        SeriesOf(Family::kDistanceEvaluations, kind, phase));
}
uint64_t Errors(const StatsSnapshot& snapshot, CountedOperation operation, ErrorCode code) {
  return snapshot.value(Family::kErrors, SeriesOf(Family::kErrors, operation, code));
}

void ExpectNotLess(const StatsSnapshot& later, const StatsSnapshot& earlier) {
  for (size_t i = 0; i < later.counters.size(); ++i) {
    ASSERT_GE(later.counters[i], earlier.counters[i]);
  }
  for (size_t i = 0; i < earlier.rare.size(); ++i) ASSERT_GE(later.rare[i], earlier.rare[i]);
  for (size_t place = 0; place < kHistograms; ++place) {
    const HistogramTotals& before = earlier.HistogramAt(place);
    const HistogramTotals& after = later.HistogramAt(place);
    ASSERT_GE(after.sum, before.sum);
    for (size_t i = 0; i < before.cells.size(); ++i) {
      ASSERT_GE(after.cell(before.first + i), before.cells[i]);
    }
  }
}

TEST(Statistics, AreExactWhileThreadsCountAndEndAndOthersRead) {
  constexpr size_t kEach = Scaled(1'000'000, VITRINE_TSAN != 0 ? 400'000 : 50'000);
  constexpr size_t kLives = 4;  // threads that do the work of one, each after the other
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  StatsSnapshot baseline = statistics->Snapshot();
  std::atomic<size_t> running{kThreads};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (size_t life = 0; life < kLives; ++life) {
        std::thread([&, life] {
          for (size_t i = life; i < kEach; i += kLives) CountOne(*statistics, i);
        }).join();
      }
      --running;
    });
  }
  // One reader follows all counters, another one moves a baseline.
  std::thread follower([&] {
    StatsSnapshot last = statistics->Snapshot();
    while (running > 0) {
      StatsSnapshot next = statistics->Snapshot();
      ExpectNotLess(next, last);
      last = std::move(next);
    }
  });
  uint64_t seen = 0;
  while (running > 0) {
    const StatsSnapshot now = statistics->Snapshot();
    seen += now.Since(baseline).finished(CountedOperation::kSearch);
    baseline = now;
  }
  for (std::thread& thread : threads) thread.join();
  follower.join();

  const StatsSnapshot end = statistics->Snapshot();
  seen += end.Since(baseline).finished(CountedOperation::kSearch);
  constexpr uint64_t kSearches = kThreads * kEach * 3 / 4;
  EXPECT_EQ(seen, kSearches);
  EXPECT_EQ(Operations(end, CountedOperation::kSearch, Outcome::kOk), kSearches);
  EXPECT_EQ(Operations(end, CountedOperation::kInsert, Outcome::kError), kThreads * kEach / 8);
  EXPECT_EQ(Operations(end, CountedOperation::kInsert, Outcome::kRejected), kThreads * kEach / 8);
  EXPECT_EQ(Errors(end, CountedOperation::kInsert, ErrorCode::kExists), kThreads * kEach / 8);
  EXPECT_EQ(Errors(end, CountedOperation::kInsert, ErrorCode::kOverloaded), kThreads * kEach / 8);
  EXPECT_EQ(Evaluations(end, 0, EvaluationPhase::kRoute), 32 * kSearches);
  EXPECT_EQ(end.value(Family::kNodeVisits, 0), 3 * kSearches);
  EXPECT_EQ(end.value(Family::kPlans, SeriesOf(SearchStrategy::kGraph)), kSearches);

  const HistogramTotals& durations =
      end.histogram(Family::kOperationDuration, SeriesOf(CountedOperation::kSearch));
  EXPECT_EQ(durations.count(), kSearches);
  uint64_t sum = 0;
  for (size_t i = 0; i < kEach; ++i) sum += i % 4 == 3 ? 0 : i;
  EXPECT_EQ(durations.sum, kThreads * sum);
  EXPECT_EQ(durations.max, kEach - 2);
  EXPECT_EQ(end.histogram(Family::kReturnedVectors).sum, kSearches);  // 0, 1 and 2
  EXPECT_EQ(end.histogram(Family::kQueueWait).sum, 1000 * kThreads * kEach / 4);
}

TEST(Statistics, CountWhatTheLevelOfTheOperationSays) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  EXPECT_EQ(statistics->level(), StatsLevel::kOff);
  const SearchCounters search{.hops = 2, .strategy = SearchStrategy::kGraph};
  OperationRecord record{.operation = CountedOperation::kSearch,
                         .level = StatsLevel::kOff,
                         .error = ErrorCode::kIo,
                         .vectors = 7,
                         .wait_ns = 5,
                         .duration_ns = 9,
                         .cpu_ns = 3,
                         .search = &search};
  const auto count_at = [&](StatsLevel level) {
    record.level = level;
    const StatsSnapshot before = statistics->Snapshot();
    statistics->Count(record);
    return statistics->Snapshot().Since(before);
  };
  const size_t series = SeriesOf(CountedOperation::kSearch);

  const StatsSnapshot off = count_at(StatsLevel::kOff);
  EXPECT_EQ(off.finished(CountedOperation::kSearch), 0u);
  EXPECT_EQ(Errors(off, CountedOperation::kSearch, ErrorCode::kIo), 0u);

  const StatsSnapshot counters = count_at(StatsLevel::kCounters);
  EXPECT_EQ(Operations(counters, CountedOperation::kSearch, Outcome::kError), 1u);
  EXPECT_EQ(Errors(counters, CountedOperation::kSearch, ErrorCode::kIo), 1u);
  EXPECT_EQ(counters.value(Family::kNodeVisits, 0), 2u);
  for (const HistogramTotals& histogram : counters.histograms) EXPECT_EQ(histogram.count(), 0u);

  const StatsSnapshot histograms = count_at(StatsLevel::kHistograms);
  EXPECT_EQ(histograms.finished(CountedOperation::kSearch), 1u);
  EXPECT_EQ(histograms.histogram(Family::kOperationDuration, series).sum, 9u);
  EXPECT_EQ(histograms.histogram(Family::kBatchVectors, series).sum, 7u);
  EXPECT_EQ(histograms.histogram(Family::kHops, 0).sum, 2u);
  EXPECT_EQ(histograms.histogram(Family::kQueueWait).count(), 0u);

  const StatsSnapshot cpu = count_at(StatsLevel::kCpu);
  EXPECT_EQ(cpu.value(Family::kCpu, SeriesOf(CpuPool::kQuery)), 3u);
  const StatsSnapshot phases = count_at(StatsLevel::kPhases);
  EXPECT_EQ(phases.value(Family::kCpu, SeriesOf(CpuPool::kQuery)), 0u);
  EXPECT_EQ(phases.histogram(Family::kOperationDuration, series).sum, 9u);
  EXPECT_EQ(phases.histogram(Family::kQueueWait).sum, 5u);
}

TEST(Statistics, TellPhasesApartByWhatWasCompared) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  SearchCounters search{.hops = 4,
                        .entry_evaluations = 1,
                        .graph_evaluations = 10,
                        .scan_evaluations = 100,
                        .sketch_evaluations = 1000,
                        .rerank_evaluations = 10'000,
                        .on_codes = true,
                        .code_kernel = DistanceKernel::kRq4,
                        .kernel_calls = {7, 8, 9},
                        .strategy = SearchStrategy::kGraphFiltered};
  statistics->CountSearch(StatsLevel::kHistograms, search);
  StatsSnapshot snapshot = statistics->Snapshot();
  EXPECT_EQ(Evaluations(snapshot, 0, EvaluationPhase::kRoute), 1u);
  EXPECT_EQ(Evaluations(snapshot, 0, EvaluationPhase::kApprox), 1010u);
  EXPECT_EQ(Evaluations(snapshot, 0, EvaluationPhase::kRerank), 10'000u);
  EXPECT_EQ(Evaluations(snapshot, 0, EvaluationPhase::kExact), 100u);
  EXPECT_EQ(snapshot.histogram(Family::kScannedVectors, 0).sum, 11'111u);
  snapshot.kernels = {.floats = 3, .integers = 5};
  const auto calls = [&](size_t table, DistanceKernel kernel) {
    return snapshot.value(Family::kKernelCalls, SeriesOf(Family::kKernelCalls, table, kernel));
  };
  EXPECT_EQ(calls(3, DistanceKernel::kF32), 7u);
  EXPECT_EQ(calls(5, DistanceKernel::kRq4), 8u);
  EXPECT_EQ(calls(5, DistanceKernel::kSketch), 9u);
  uint64_t all = 0;
  for (size_t i = 0; i < RowOf(Family::kKernelCalls).series(); ++i) {
    all += snapshot.value(Family::kKernelCalls, i);
  }
  EXPECT_EQ(all, 7u + 8 + 9);

  search.on_codes = false;
  search.strategy = SearchStrategy::kPrefilter;
  statistics->CountSearch(StatsLevel::kCounters, search);
  snapshot = statistics->Snapshot();
  EXPECT_EQ(Evaluations(snapshot, 1, EvaluationPhase::kApprox), 1000u);
  EXPECT_EQ(Evaluations(snapshot, 1, EvaluationPhase::kExact), 110u);
  EXPECT_EQ(snapshot.histogram(Family::kScannedVectors, 1).count(), 0u);

  // One that failed before it was planned did nothing.
  search.strategy.reset();
  statistics->CountSearch(StatsLevel::kHistograms, search);
  EXPECT_EQ(Evaluations(statistics->Snapshot(), 1, EvaluationPhase::kExact), 110u);
}

TEST(Statistics, TakeMemoryOnlyForWhatIsUsed) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  const size_t unused = statistics->memory_bytes();
  EXPECT_LE(unused, 1024u);
  statistics->Count({.operation = CountedOperation::kGet, .level = StatsLevel::kCounters});
  const size_t counters = statistics->memory_bytes();
  EXPECT_LE(counters - unused, 1024u);
  for (int i = 0; i < 1000; ++i) {
    statistics->Count({.operation = CountedOperation::kGet, .level = StatsLevel::kCounters});
  }
  EXPECT_EQ(statistics->memory_bytes(), counters);
  statistics->Count(
      {.operation = CountedOperation::kGet, .level = StatsLevel::kHistograms, .duration_ns = 1});
  EXPECT_GT(statistics->memory_bytes(), counters);
  EXPECT_LE(statistics->memory_bytes() - counters, 2300u);
}

TEST(Statistics, KeepWhatThreadsLeaveInOneShard) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  const auto run = [&] {
    std::thread([&] {
      for (size_t i = 0; i < 4; ++i) CountOne(*statistics, i);
    }).join();
    return statistics->memory_bytes();
  };
  const size_t once = run();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run(), once);
  EXPECT_EQ(statistics->Snapshot().finished(CountedOperation::kSearch), 63u);
}

TEST(Statistics, MayEndBeforeTheThreadsThatCountedInThem) {
  std::thread([] {
    for (int i = 0; i < 100; ++i) {
      const std::shared_ptr<Statistics> first = Statistics::Create();
      const std::shared_ptr<Statistics> second = Statistics::Create();
      for (size_t j = 0; j < 4; ++j) {
        CountOne(*first, j);
        CountOne(*second, j);
      }
      ASSERT_EQ(first->Snapshot().finished(CountedOperation::kSearch), 3u);
      ASSERT_EQ(second->Snapshot().finished(CountedOperation::kInsert), 1u);
    }
  }).join();
}

TEST(Statistics, CountWithoutMemoryToo) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  std::thread([&] {
    static_cast<void>(std::make_shared<int>());  // whatever a thread allocates at first
    for (long allowed = 0; allowed < 4; ++allowed) {
      allocations_left = allowed;
      for (size_t i = 0; i < 8; ++i) CountOne(*statistics, i);
      allocations_left = -1;
    }
  }).join();
  const StatsSnapshot snapshot = statistics->Snapshot();
  EXPECT_EQ(snapshot.finished(CountedOperation::kSearch), 24u);
  EXPECT_EQ(snapshot.finished(CountedOperation::kInsert), 8u);
}

TEST(OperationSpan, KeepsTimesWhereTheLevelAsksForThem) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  const size_t series = SeriesOf(CountedOperation::kUpsert);
  for (const StatsLevel level :
       {StatsLevel::kOff, StatsLevel::kCounters, StatsLevel::kHistograms, StatsLevel::kPhases}) {
    statistics->SetLevel(level);
    const StatsSnapshot before = statistics->Snapshot();
    OperationSpan span(statistics.get(), CountedOperation::kUpsert);
    EXPECT_EQ(span.counts(), level != StatsLevel::kOff);
    // It goes by the level that it found.
    statistics->SetLevel(StatsLevel::kOff);
    span.Submit();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    span.Start();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    span.Stop();
    span.End({}, {.vectors = 3});
    span.End({});  // has ended: nothing more is counted
    const StatsSnapshot counted = statistics->Snapshot().Since(before);
    EXPECT_EQ(counted.finished(CountedOperation::kUpsert), level == StatsLevel::kOff ? 0u : 1u);
    EXPECT_EQ(counted.failed(), 0u);
    const HistogramTotals& durations = counted.histogram(Family::kOperationDuration, series);
    const HistogramTotals& waits = counted.histogram(Family::kQueueWait);
    EXPECT_EQ(durations.count(), level >= StatsLevel::kHistograms ? 1u : 0u);
    EXPECT_EQ(waits.count(), level >= StatsLevel::kPhases ? 1u : 0u);
    EXPECT_GE(durations.sum, durations.count() * 999'000);
    EXPECT_GE(waits.sum, waits.count() * 1'998'000);
  }
}

uint64_t InFlight(const Statistics& statistics, CountedOperation operation) {
  return statistics.Snapshot().value(Family::kOperationsInFlight, SeriesOf(operation));
}

TEST(OperationsInFlight, AreThoseThatHaveBegunAndNotEnded) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  const auto begin = [&](CountedOperation operation) {
    return OperationSpan(statistics.get(), operation);
  };
  OperationSpan before = begin(CountedOperation::kSearch);
  statistics->SetLevel(StatsLevel::kCounters);
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
  OperationSpan first = begin(CountedOperation::kSearch);
  OperationSpan second = begin(CountedOperation::kSearch);
  OperationSpan insert = begin(CountedOperation::kInsert);
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 2u);
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kInsert), 1u);
  // Who goes on with it ends it.
  OperationSpan next = second.HandOver();
  second = {};
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 2u);
  // One that began when nothing was counted was never in flight.
  before.End({});
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 2u);
  // And one that began when something was is until it ends.
  statistics->SetLevel(StatsLevel::kOff);
  next.End({ErrorCode::kTimeout, {}});
  next.End({});
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 1u);
  first.End({});
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
  // A part of another operation is not counted by itself.
  insert.GiveUp();
  insert.End({});
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kInsert), 0u);
  const StatsSnapshot snapshot = statistics->Snapshot();
  EXPECT_EQ(snapshot.finished(CountedOperation::kSearch), 2u);
  EXPECT_EQ(snapshot.finished(CountedOperation::kInsert), 0u);
  // Since whenever somebody counts, it is what is in flight now.
  statistics->SetLevel(StatsLevel::kCounters);
  OperationSpan last = begin(CountedOperation::kGet);
  const StatsSnapshot now = statistics->Snapshot();
  const size_t series = SeriesOf(CountedOperation::kGet);
  EXPECT_EQ(now.Since(now).value(Family::kOperationsInFlight, series), 1u);
  last.End({});
}

TEST(OperationsInFlight, OfThreadsAddUpAndAreNeverLessThanNone) {
  constexpr size_t kEach = Scaled(200'000, 20'000);
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kCounters);
  std::atomic<size_t> running{kThreads};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < kEach; ++i) {
        OperationSpan(statistics.get(), CountedOperation::kSearch).End({});
      }
      --running;
    });
  }
  while (running > 0) EXPECT_LE(InFlight(*statistics, CountedOperation::kSearch), kThreads);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
  EXPECT_EQ(statistics->Snapshot().finished(CountedOperation::kSearch), kThreads * kEach);
}

TEST(OperationsInFlight, EndWithTheirThread) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kCounters);
  std::thread([&] {
    OperationSpan(statistics.get(), CountedOperation::kSearch).End({});
    const OperationSpan forgotten(statistics.get(), CountedOperation::kSearch);
    EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 1u);
  }).join();
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
  EXPECT_EQ(statistics->Snapshot().finished(CountedOperation::kSearch), 1u);
}

TEST(OperationsInFlight, WithoutMemoryAreNotSeenButCounted) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kCounters);
  std::thread([&] {
    allocations_left = 0;
    OperationSpan span(statistics.get(), CountedOperation::kSearch);
    allocations_left = -1;
    EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
    span.End({});
  }).join();
  EXPECT_EQ(InFlight(*statistics, CountedOperation::kSearch), 0u);
  EXPECT_EQ(statistics->Snapshot().finished(CountedOperation::kSearch), 1u);
}

TEST(Statistics, CountWhatIsFoundSlow) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  statistics->CountSlow(CountedOperation::kSearch);
  statistics->SetLevel(StatsLevel::kCounters);
  for (int i = 0; i < 3; ++i) statistics->CountSlow(CountedOperation::kSearch);
  statistics->CountSlow(CountedOperation::kBatch);
  const StatsSnapshot snapshot = statistics->Snapshot();
  EXPECT_EQ(snapshot.value(Family::kSlowOperations, SeriesOf(CountedOperation::kSearch)), 3u);
  EXPECT_EQ(snapshot.value(Family::kSlowOperations, SeriesOf(CountedOperation::kBatch)), 1u);
  for (size_t i = 0; i < RowOf(Family::kErrors).series(); ++i) {
    EXPECT_EQ(snapshot.value(Family::kErrors, i), 0u);
  }
}

TEST(StatsSnapshot, HasTheShareOfBlocksThatIsFree) {
  StatsSnapshot snapshot;
  EXPECT_EQ(snapshot.value(Family::kFragmentation), 0u);
  snapshot.AddBlocks(0, 0);
  EXPECT_EQ(snapshot.value(Family::kFragmentation), 0u);
  snapshot.AddBlocks(1000, 1000);
  EXPECT_EQ(snapshot.value(Family::kFragmentation), 0u);
  // Of several it is the share of all their bytes.
  snapshot.AddBlocks(3000, 1000);
  EXPECT_EQ(snapshot.value(Family::kFragmentation), 500'000'000u);
}

TEST(OperationSpan, OfWhatNeverRanHasNoDuration) {
  const std::shared_ptr<Statistics> statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kPhases);
  OperationSpan span(statistics.get(), CountedOperation::kSearch);
  span.Submit();
  span.End({ErrorCode::kCancelled, "the search was cancelled"});
  const StatsSnapshot snapshot = statistics->Snapshot();
  EXPECT_EQ(Operations(snapshot, CountedOperation::kSearch, Outcome::kCancelled), 1u);
  EXPECT_EQ(snapshot.failed(), 1u);
  for (const HistogramTotals& histogram : snapshot.histograms) EXPECT_EQ(histogram.count(), 0u);
}

}  // namespace
}  // namespace vitrine::stats_statistics_test
