// Searches that are repeated exactly: what is counted is what a look at every point tells.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "engine/recall_prober.h"
#include "random_data.h"
#include "recall_probe_support.h"
#include "table_model.h"

namespace vitrine::engine_recall_prober_test {
namespace {

constexpr size_t kDimension = 24;
constexpr size_t kPoints = Scaled(3000, 600);
constexpr size_t kQueries = Scaled(40, 15);

// Points of which some are equal to one another, and some zero, in a graph of so few links that
// narrow walks miss much.
struct Points {
  explicit Points(Metric metric, Quantization quantization = Quantization::kNone,
                  ThreadPool* pool = nullptr)
      : vectors(NormalVectors(kPoints, kDimension, TestSeed())),
        model(kDimension, metric),
        table(MakeTable({.dimension = kDimension,
                         .metric = metric,
                         .graph = {.m = 4, .ef_construction = 12},
                         .quantization = quantization},
                        pool)) {
    for (size_t i = 0; i < kPoints; ++i) {
      float* const vector = vectors.data() + i * kDimension;
      if (i % 7 == 3) std::copy_n(vectors.data() + i / 2 * kDimension, kDimension, vector);
      if (i % 101 == 5) std::fill_n(vector, kDimension, 0.f);
      model.Put(i, vector);
    }
    ExpectOk(table->Add(IdsFrom(0, kPoints), vectors));
  }

  std::vector<float> vectors;
  TableModel model;
  std::unique_ptr<Table> table;
};

// Of the `k` nearest in `truth`, how many are among `hits`, or as near as these.
uint64_t FoundOf(const std::vector<Hit>& hits, const std::vector<Hit>& truth, size_t k) {
  const float farthest = truth[std::min(k, truth.size()) - 1].distance;
  return static_cast<uint64_t>(std::count_if(
      hits.begin(), hits.end(), [&](const Hit& hit) { return hit.distance <= farthest; }));
}

std::vector<Hit> Probed(const Table& table, const void* query, const SearchParameters& parameters,
                        ProbedStatistics& statistics) {
  std::vector<Hit> hits(parameters.k);
  SearchCounters counters = statistics.NewCounters();
  const Result<size_t> found = table.Search(query, parameters, hits, counters);
  EXPECT_TRUE(found.ok());
  hits.resize(found.ok() ? *found : 0);
  return hits;
}

uint64_t Neighbors(const StatsSnapshot& snapshot, Family family, ProbedIndex index, size_t k) {
  return snapshot.value(family, SeriesOf(family, index, ProbedNeighbors(k)));
}

using Kind = std::tuple<Metric, Quantization>;
std::string NameOf(const Kind& kind) {
  const auto [metric, quantization] = kind;
  return std::string(kMetricNames[static_cast<size_t>(metric)]) + "_" +
         std::string(kQuantizationNames[static_cast<size_t>(quantization)]);
}
class EveryKind : public testing::TestWithParam<Kind> {};

TEST_P(EveryKind, CountsWhatALookAtEveryPointTells) {
  VITRINE_TRACE_SEED();
  ThreadPool pool(1);
  Points points(std::get<0>(GetParam()), std::get<1>(GetParam()), &pool);
  const std::vector<float> queries = NormalVectors(kQueries, kDimension, TestSeed() + 1);
  ProbedStatistics statistics;
  uint64_t expected[2] = {}, found[2] = {};
  for (size_t i = 0; i < kQueries; ++i) {
    const size_t k = i % 2 == 0 ? 10 : 7;
    const float* const query = queries.data() + i * kDimension;
    const auto hits = Probed(*points.table, query, {.k = k, .ef = k}, statistics);
    expected[i % 2] += k;
    found[i % 2] += FoundOf(hits, points.model.Search(query), k);
    const StatsSnapshot now = statistics.WaitFor(i + 1);
    ASSERT_EQ(now.found_neighbors(), found[0] + found[1]) << i;
  }
  EXPECT_EQ(statistics.Count(ProbeOutcome::kOk), kQueries);
  const StatsSnapshot end = statistics.WaitFor(kQueries);
  for (const size_t which : {0, 1}) {
    const size_t k = which == 0 ? 10 : 7;
    const ProbedIndex index = ProbedIndex::kGraph;
    EXPECT_EQ(Neighbors(end, Family::kRecallExpected, index, k), expected[which]);
    EXPECT_EQ(Neighbors(end, Family::kRecallFound, index, k), found[which]);
    const double ratio = static_cast<double>(found[which]) / static_cast<double>(expected[which]);
    const auto billionths =
        static_cast<double>(Neighbors(end, Family::kRecallRatio, index, k)) * 1e-9;
    EXPECT_NEAR(billionths, ratio, 1e-9);
  }
  // Otherwise this says little.
  EXPECT_LT(end.found_neighbors(), end.expected_neighbors());
  EXPECT_GT(end.found_neighbors(), end.expected_neighbors() / 10);
}

INSTANTIATE_TEST_SUITE_P(RecallProber, EveryKind,
                         testing::Values(Kind{Metric::kL2, Quantization::kNone},
                                         Kind{Metric::kCosine, Quantization::kNone},
                                         Kind{Metric::kL2, Quantization::kSq8}),
                         [](const auto& info) { return NameOf(info.param); });

TEST(RecallProber, CountsEverySearchOfABatch) {
  ThreadPool pool(2);
  const Points points(Metric::kL2, Quantization::kNone, &pool);
  const std::vector<float> queries = NormalVectors(200, kDimension, TestSeed() + 1);
  ProbedStatistics statistics;
  std::vector<Hit> hits(200 * 10);
  std::vector<uint32_t> counts(200);
  ExpectOk(points.table->SearchBatch(std::as_bytes(std::span(queries)), 200, {.k = 10, .ef = 10},
                                     hits, counts, statistics.Tally()));
  const StatsSnapshot end = statistics.WaitFor(200);
  // One at a time: others come meanwhile.
  const uint64_t done = statistics.Count(ProbeOutcome::kOk);
  EXPECT_GE(done, 1u);
  EXPECT_EQ(done + statistics.Count(ProbeOutcome::kSkipped), 200u);
  EXPECT_EQ(end.expected_neighbors(), 10 * done);
}

TEST(RecallProber, LooksAtWhatTheFilterAllows) {
  VITRINE_TRACE_SEED();
  // Fewer would be looked at one by one.
  constexpr size_t kFiltered = 6000, kWide = 128, kAllowedFrom = 1500;
  ThreadPool pool(1);
  const auto table =
      MakeTable({.dimension = kWide, .graph = {.m = 3, .ef_construction = 8}}, &pool);
  const std::vector<float> vectors = ClusteredVectors(kFiltered, kWide, 40, TestSeed());
  ExpectOk(table->Add(IdsFrom(0, kFiltered), vectors));
  const auto allowed = table->MakeIdSet(IdsFrom(kAllowedFrom, kFiltered - kAllowedFrom));
  ASSERT_TRUE(allowed.ok());
  const std::vector<float> queries = ClusteredVectors(kQueries, kWide, 40, TestSeed() + 9);
  ProbedStatistics statistics;
  // By where they looked: sketches are made meanwhile, and used from then on.
  uint64_t searches[2] = {}, found[2] = {};
  for (size_t i = 0; i < kQueries; ++i) {
    const float* const query = queries.data() + i * kWide;
    const SearchParameters parameters{.k = 10, .ef = 10, .filter = allowed->get()};
    SearchParameters exact = parameters;
    exact.exact = true;
    SearchPlan plan;
    std::vector<Hit> hits(10);
    SearchCounters counters = statistics.NewCounters();
    const Result<size_t> count = table->Search(query, parameters, hits, counters, &plan);
    ASSERT_TRUE(count.ok());
    if (!counters.stop || counters.stop == SearchStop::kLost ||
        counters.stop == SearchStop::kCoarse) {
      continue;
    }
    hits.resize(*count);
    const size_t index = plan.kind == PlanKind::kSketch ? 1 : 0;
    found[index] += FoundOf(hits, SearchHits(*table, query, exact), 10);
    ++searches[index];
    statistics.WaitFor(searches[0] + searches[1]);
  }
  EXPECT_GT(searches[0] + searches[1], kQueries / 2);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kOk), searches[0] + searches[1]);
  const StatsSnapshot end = statistics.WaitFor(0);
  for (const ProbedIndex index : {ProbedIndex::kGraph, ProbedIndex::kSketch}) {
    const size_t i = SeriesOf(index);
    EXPECT_EQ(Neighbors(end, Family::kRecallExpected, index, 10), 10 * searches[i]);
    EXPECT_EQ(Neighbors(end, Family::kRecallFound, index, 10), found[i]);
  }
}

TEST(RecallProber, SkipsAFilterThatBelongsToNobody) {
  ThreadPool pool(1);
  const Points points(Metric::kL2, Quantization::kNone, &pool);
  const IdSet lent({1, 2, 3});
  ProbedStatistics statistics;
  RecallProber prober(*points.table, &pool);
  const std::vector<Hit> hits{{.distance = 0, .id = 1}};
  prober.Probe({.query = points.vectors.data(), .k = 1, .hits = hits, .filter = &lent},
               RecallSampler(statistics.statistics()));
  EXPECT_EQ(statistics.Count(ProbeOutcome::kSkipped), 1u);
}

TEST(RecallProber, LeavesSearchesAloneThatComputeEveryDistance) {
  ThreadPool pool(1);
  const Points points(Metric::kCosine, Quantization::kNone, &pool);
  ProbedStatistics statistics;
  const std::vector<float> zero(kDimension);
  const auto few = points.table->MakeIdSet(IdsFrom(0, 20));
  ASSERT_TRUE(few.ok());
  const float* const query = points.vectors.data();
  Probed(*points.table, query, {.k = 3, .exact = true}, statistics);
  Probed(*points.table, query, {.k = 3, .filter = few->get()}, statistics);
  Probed(*points.table, zero.data(), {.k = 3}, statistics);
  Probed(*points.table, query, {.k = 3}, statistics);
  statistics.WaitFor(1);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kOk), 1u);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kSkipped), 0u);
}

TEST(RecallProber, SkipsASearchWhoseTableHasChanged) {
  ThreadPool pool(1);
  const Points points(Metric::kL2, Quantization::kNone, &pool);
  ProbedStatistics statistics;
  std::vector<Hit> hits(3);
  {
    const ReaderPool::Lease lease = points.table->Read();
    ASSERT_TRUE(points.table->Remove(std::vector<PointId>{1}).ok());
    SearchCounters counters = statistics.NewCounters();
    ASSERT_TRUE(points.table->Search(lease, points.vectors.data(), {.k = 3}, hits, counters).ok());
  }
  EXPECT_EQ(statistics.Count(ProbeOutcome::kSkipped), 1u);
  Probed(*points.table, points.vectors.data(), {.k = 3}, statistics);
  EXPECT_EQ(statistics.WaitFor(2).value(Family::kRecallProbes, SeriesOf(ProbeOutcome::kOk)), 1u);
}

TEST(RecallProber, SkipsWhatTheBudgetHasNoTimeFor) {
  ThreadPool pool(1);
  const Points points(Metric::kL2, Quantization::kNone, &pool);
  const auto probe = [&](ProbedStatistics& statistics, uint64_t probes) {
    Probed(*points.table, points.vectors.data(), {.k = 3}, statistics);
    statistics.WaitFor(probes);
  };
  ProbedStatistics nothing({.share = 0, .most = {}});
  probe(nothing, 1);
  EXPECT_EQ(nothing.Count(ProbeOutcome::kSkipped), 1u);
  // What has begun may take more.
  ProbedStatistics little({.share = 0, .most = std::chrono::nanoseconds(1)});
  probe(little, 1);
  probe(little, 2);
  EXPECT_EQ(little.Count(ProbeOutcome::kOk), 1u);
  EXPECT_EQ(little.Count(ProbeOutcome::kSkipped), 1u);
}

TEST(RecallProber, SkipsEverythingWithoutThreads) {
  const Points points(Metric::kL2);
  ProbedStatistics statistics;
  Probed(*points.table, points.vectors.data(), {.k = 3}, statistics);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kSkipped), 1u);
}

// Each counts what all find, and each goes when it pleases.
TEST(RecallProber, CountsWhileOthersSearchWriteAndClose) {
  ThreadPool pool(2);
  ProbedStatistics statistics;
  std::atomic<uint64_t> searches{0};
  for (size_t life = 0; life < 3; ++life) {
    const Points points(Metric::kL2, Quantization::kNone, &pool);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        const std::vector<float> queries = NormalVectors(20, kDimension, t);
        for (size_t i = 0; i < 20; ++i) {
          Probed(*points.table, queries.data() + i * kDimension, {.k = 5}, statistics);
          ++searches;
        }
      });
    }
    for (PointId id = 0; id < 20; ++id) {
      EXPECT_TRUE(points.table->Remove(std::vector<PointId>{id}).ok());
    }
    for (std::thread& thread : threads) thread.join();
  }
  const StatsSnapshot end = statistics.WaitFor(searches);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kError), 0u);
  EXPECT_EQ(end.expected_neighbors(), 5 * statistics.Count(ProbeOutcome::kOk));
  EXPECT_EQ(statistics.Count(ProbeOutcome::kOk) + statistics.Count(ProbeOutcome::kSkipped),
            searches);
}

}  // namespace
}  // namespace vitrine::engine_recall_prober_test
