// What a search tells of its parts, and that one that nobody asks pays nothing for it.

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <type_traits>
#include <vector>

#include "engine/table.h"
#include "random_data.h"
#include "stats/search_phases.h"
#include "stats/search_tally.h"
#include "table_model.h"

namespace vitrine::engine_search_phases_test {
namespace {

using Phases = std::vector<SearchPhase>;
constexpr size_t kRows = 1'500;
constexpr size_t kD = 8;

struct Recorder final : PhaseListener {
  void Enter(SearchPhase phase) override { entered.push_back(phase); }
  Phases entered;
};

std::unique_ptr<Table> Filled(Quantization quantization) {
  auto table = MakeTable({.dimension = kD, .quantization = quantization});
  std::vector<PointId> ids(kRows);
  for (size_t i = 0; i < kRows; ++i) ids[i] = i;
  ExpectOk(table->Add(ids, NormalVectors(kRows, kD, 3)));
  return table;
}

struct Told {
  SearchCounters counters;
  SearchPlan plan;
  Phases phases;
  size_t count = 0;
};

Told Tell(const Table& table, const SearchParameters& parameters) {
  Told told;
  Recorder recorder;
  told.counters.phases = &recorder;
  std::vector<Hit> hits(parameters.k);
  const Result<size_t> found =
      table.Search(NormalVectors(1, kD, 4).data(), parameters, hits, told.counters, &told.plan);
  EXPECT_TRUE(found.ok());
  told.count = *found;
  told.phases = recorder.entered;
  return told;
}

TEST(SearchPhases, AreThoseOfThePlan) {
  using enum SearchPhase;
  const auto plain = Filled(Quantization::kNone);
  const Told walk = Tell(*plain, {.k = 10, .ef = 40});
  EXPECT_EQ(walk.phases, (Phases{kPlan, kEntries, kGraph, kMaterialize}));
  EXPECT_EQ(walk.counters.stop, SearchStop::kExhausted);
  EXPECT_EQ(walk.counters.candidates, 40u);
  EXPECT_EQ(walk.counters.reranked, 0u);
  EXPECT_EQ(walk.counters.probe_hops, 0u);

  const Told scan = Tell(*plain, {.k = 10, .exact = true});
  EXPECT_EQ(scan.phases, (Phases{kPlan, kScan, kMaterialize}));
  EXPECT_EQ(scan.counters.stop, std::nullopt);
  EXPECT_EQ(scan.counters.candidates, 0u);
  EXPECT_EQ(scan.counters.vector_kernel, DistanceKernel::kF32);
  EXPECT_EQ(scan.counters.kernel_calls, (decltype(scan.counters.kernel_calls){kRows / 4, 0, 0}));

  const auto coded = Filled(Quantization::kSq8);
  const Told reranked = Tell(*coded, {.k = 10, .ef = 40});
  EXPECT_EQ(reranked.phases, (Phases{kPlan, kEntries, kGraph, kRerank, kMaterialize}));
  EXPECT_EQ(reranked.counters.candidates, 40u);
  EXPECT_GE(reranked.counters.reranked, 10u);
  EXPECT_LE(reranked.counters.reranked, 40u);
  EXPECT_EQ(reranked.counters.reranked, reranked.counters.rerank_evaluations);
  EXPECT_EQ(reranked.counters.code_kernel, DistanceKernel::kSq8);
  const auto [vectors, codes, sketches] = reranked.counters.kernel_calls;
  // Groups of eight are two calls.
  EXPECT_GE(vectors, (reranked.counters.reranked + 3) / 4);
  EXPECT_LE(vectors, reranked.counters.reranked);
  EXPECT_GE(codes, (reranked.counters.graph_evaluations + 3) / 4);
  EXPECT_LT(codes, reranked.counters.graph_evaluations);
  EXPECT_EQ(sketches, 0u);
}

constexpr size_t kQueries = 6;

// Where the time of a batch goes that one thread makes, by how often each phase was entered.
std::array<uint64_t, kSearchPhases> BatchEntries(const Table& table,
                                                 const SearchParameters& parameters) {
  const std::vector<float> queries = NormalVectors(kQueries, kD, 5);
  std::vector<Hit> hits(kQueries * parameters.k);
  std::vector<uint32_t> counts(kQueries);
  BatchPhases phases;
  ExpectOk(table.SearchBatch(VectorView(queries.data(), queries.size()), kQueries, parameters, hits,
                             counts, SearchTally().Watched(phases)));
  EXPECT_EQ(counts, std::vector<uint32_t>(kQueries, static_cast<uint32_t>(parameters.k)));
  std::array<uint64_t, kSearchPhases> entries = {};
  PhaseStretch all;
  for (size_t i = 0; i < kSearchPhases; ++i) {
    entries[i] = phases.stretches()[i].times;
    all.Merge(phases.stretches()[i]);
  }
  // Each moment belongs to one phase.
  EXPECT_EQ(all.ticks, all.end - all.begin);
  return entries;
}

TEST(SearchPhases, OfABatchAreThoseOfItsSearches) {
  using Entries = std::array<uint64_t, kSearchPhases>;
  static_assert(kWalkLanes == 4);
  // prepare, filter, plan, entries, graph, scan, rerank, materialize. Four walks go on side by
  // side: after each query that begins, and where one of the last three but one ends, the others go
  // on.
  constexpr uint64_t kWalks = kQueries + kWalkLanes - 1;
  const auto plain = Filled(Quantization::kNone);
  EXPECT_EQ(BatchEntries(*plain, {.k = 10, .ef = 16}),
            (Entries{1, 0, kQueries, kQueries, kWalks, 0, 0, kQueries}));
  EXPECT_EQ(BatchEntries(*plain, {.k = 10, .exact = true}),
            (Entries{kQueries, 0, kQueries, 0, 0, kQueries, 0, kQueries}));
  EXPECT_EQ(BatchEntries(*Filled(Quantization::kSq8), {.k = 10, .ef = 16}),
            (Entries{1, 0, kQueries, kQueries, kWalks, 0, kQueries, kQueries}));
}

TEST(SearchPhases, OfABatchAddUpOverThreads) {
  BatchPhases phases;
  const SearchTally tally = SearchTally().Watched(phases);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      SearchTally::Stretch stretch(tally);
      SearchCounters counters = tally.NewCounters(stretch);
      SearchTally::Use(counters).Enter(SearchPhase::kScan);
      // Nobody counts.
      tally.Count(counters);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const SearchPhase phase : {SearchPhase::kPrepare, SearchPhase::kScan}) {
    EXPECT_EQ(phases.stretches()[static_cast<size_t>(phase)].times, 3u);
  }
  SearchTally::Stretch unwatched{SearchTally()};
  EXPECT_EQ(SearchTally().NewCounters(unwatched).phases, nullptr);
}

TEST(SearchStop, SaysWhyAnotherPartTookOver) {
  const auto last = [](std::initializer_list<SearchStop> stops) {
    SearchCounters counters;
    for (const SearchStop stop : stops) SearchCounting(counters).Stopped(stop);
    return counters.stop;
  };
  using enum SearchStop;
  EXPECT_EQ(last({kExhausted, kLost}), kLost);
  EXPECT_EQ(last({kEnough, kLost}), kLost);
  EXPECT_EQ(last({kBounded, kEnough}), kBounded);
  EXPECT_EQ(last({kBounded, kCoarse, kLost}), kBounded);
  EXPECT_EQ(last({kCoarse, kLost}), kCoarse);
}

// What counts nothing is nothing, and nothing that a compiler can run reads a clock. That the
// search itself does not, besides its deadline, is for test/layering.test.ts to see.
static_assert(std::is_empty_v<NoCounting>);
static_assert([] {
  NoCounting{}.Enter(SearchPhase::kGraph);
  NoCounting{}.Stopped(SearchStop::kExhausted);
  return true;
}());

TEST(SearchPhases, AreToldToNobodyUnlessSomebodyListens) {
  const auto table = Filled(Quantization::kSq8);
  Recorder recorder;
  SearchCounters counters;
  counters.phases = &recorder;
  std::vector<Hit> hits(10);
  const std::vector<float> query = NormalVectors(1, kD, 4);
  ASSERT_TRUE(table->Search(query.data(), {}, hits, counters).ok());
  const size_t told = recorder.entered.size();
  EXPECT_EQ(told, 5u);
  counters.phases = nullptr;
  ASSERT_TRUE(table->Search(query.data(), {}, hits, counters).ok());
  ASSERT_TRUE(table->Search(query.data(), {}, hits).ok());
  EXPECT_EQ(recorder.entered.size(), told);
}

}  // namespace
}  // namespace vitrine::engine_search_phases_test
