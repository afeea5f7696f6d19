// Recall floors on real data, after everything that may happen to a table.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <tuple>

#include "engine/table.h"
#include "random_data.h"
#include "sample_vectors.h"
#include "table_model.h"

namespace vitrine::engine_table_recall_test {
namespace {

constexpr size_t kD = kSampleDimension;
constexpr size_t kQueries = Scaled(200, 50);
// Recall@10 at a beam of 64, and what it may lose; few queries tell it less exactly.
constexpr double kFloor = Scaled(990, 980) / 1000.0;
constexpr double kSlack = Scaled(5, 15) / 1000.0;

class Sample {
 public:
  Sample(Metric metric, size_t count, Quantization quantization = Quantization::kNone)
      : metric_(metric),
        quantization_(quantization),
        base_(SampleVectors("base", count)),
        queries_(SampleVectors("queries", kQueries)) {
    // As inner products pictures would have norms that differ ten times, and a few of them would be
    // the answer to everything: unit length makes it a search like others.
    if (metric != Metric::kIp) return;
    Normalise(base_);
    Normalise(queries_);
  }

  std::unique_ptr<Table> Make(ThreadPool* pool = nullptr) const {
    return MakeTable({.dimension = kD,
                      .metric = metric_,
                      .quantization = quantization_,
                      .threads = pool == nullptr ? 1 : pool->threads()},
                     pool);
  }
  size_t count() const { return base_.size() / kD; }
  std::span<const float> Rows(size_t from, size_t n) const {
    return std::span(base_).subspan(from * kD, n * kD);
  }
  const float* Query(size_t i) const { return queries_.data() + i * kD; }

  // Mean recall@10 at a beam width.
  double Recall(const Table& table, size_t ef) const {
    double sum = 0;
    for (size_t i = 0; i < kQueries; ++i) {
      const auto truth = SearchHits(table, Query(i), {.k = 10, .exact = true});
      sum += RecallOf(SearchHits(table, Query(i), {.k = 10, .ef = ef}), truth, 10);
    }
    return sum / kQueries;
  }
  // Mean distances computed by a search at a beam width.
  double Cost(const Table& table, size_t ef) const {
    SearchCounters counters;
    std::vector<Hit> hits(10);
    for (size_t i = 0; i < kQueries; ++i) {
      EXPECT_TRUE(table.Search(Query(i), {.k = 10, .ef = ef}, hits, counters).ok());
    }
    return static_cast<double>(counters.graph_evaluations + counters.entry_evaluations) / kQueries;
  }

 private:
  static void Normalise(std::vector<float>& vectors) {
    for (size_t i = 0; i < vectors.size(); i += kD) {
      float* const row = vectors.data() + i;
      const float norm = std::sqrt(std::inner_product(row, row + kD, row, 0.f));
      for (size_t j = 0; j < kD; ++j) row[j] /= norm;
    }
  }

  const Metric metric_;
  const Quantization quantization_;
  std::vector<float> base_;
  std::vector<float> queries_;
};

// Adds ids [from, from + n) with the vectors of the same numbers, wrapping at the sample's end.
void AddRows(Table& table, const Sample& sample, size_t from, size_t n) {
  for (size_t i = from; i < from + n;) {
    const size_t row = i % sample.count();
    const size_t step = std::min({size_t{500}, from + n - i, sample.count() - row});
    ExpectOk(table.Add(IdsFrom(i, step), sample.Rows(row, step)));
    i += step;
  }
}

struct Kind {
  Metric metric;
  Quantization quantization = Quantization::kNone;

  // As part of a test's name.
  std::string Name() const {
    return std::string(kMetricNames[static_cast<size_t>(metric)]) + "_" +
           std::string(kQuantizationNames[static_cast<size_t>(quantization)]);
  }
};

class TableRecall : public testing::TestWithParam<Kind> {};

TEST_P(TableRecall, HoldsItsFloorAfterBuildInsertAndRemove) {
  const auto [metric, quantization] = GetParam();
  const bool on_codes = quantization != Quantization::kNone;
  const size_t count = Scaled(metric == Metric::kL2 && !on_codes ? 6000 : 4000, 1200);
  const Sample sample(metric, count, quantization);
  ThreadPool pool(2);
  const auto bulk = sample.Make(&pool);
  ExpectOk(bulk->Add(IdsFrom(0, count), sample.Rows(0, count)));
  EXPECT_EQ(bulk->quantization_used() != Quantization::kNone, on_codes);
  const double built = sample.Recall(*bulk, 64);
  EXPECT_GE(built, kFloor);
  EXPECT_GE(sample.Recall(*bulk, 20), 0.95);

  const auto table = sample.Make(&pool);
  AddRows(*table, sample, 0, count);
  const double inserted = sample.Recall(*table, 64);
  EXPECT_GE(inserted, built - kSlack);

  // A third goes, at random; then nearly all of the rest.
  std::vector<PointId> ids = IdsFrom(0, count);
  std::mt19937_64 random(TestSeed());
  std::shuffle(ids.begin(), ids.end(), random);
  ASSERT_EQ(*table->Remove(std::span(ids).first(count / 3)), count / 3);
  const double removed = sample.Recall(*table, 64);
  EXPECT_GE(removed, built - kSlack);
  ASSERT_TRUE(table->Remove(std::span(ids).subspan(count / 3, count / 3 * 2 - 20)).ok());
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->CountUnreachable(), 0u);
  EXPECT_EQ(sample.Recall(*table, 64), 1);
  std::printf("%zu rows: recall %.4f built, %.4f inserted, %.4f after removals\n", count, built,
              inserted, removed);
}

INSTANTIATE_TEST_SUITE_P(Sample, TableRecall,
                         testing::Values(Kind{Metric::kL2}, Kind{Metric::kCosine},
                                         Kind{Metric::kIp}, Kind{Metric::kL2, Quantization::kSq8},
                                         Kind{Metric::kL2, Quantization::kAuto},
                                         Kind{Metric::kCosine, Quantization::kRq4},
                                         Kind{Metric::kIp, Quantization::kRq4}),
                         [](const auto& info) { return info.param.Name(); });

class TableChurn : public testing::TestWithParam<std::tuple<Kind, bool>> {};

TEST_P(TableChurn, OfTenTimesTheSizeKeepsRecallAndCost) {
  VITRINE_TRACE_SEED();
  const auto [kind, clustered] = GetParam();
  const size_t live = Scaled(1200, 400);
  const Sample sample(kind.metric, 2 * live, kind.quantization);
  std::mt19937_64 random(TestSeed());
  ThreadPool pool(2);
  const auto table = sample.Make(&pool);
  AddRows(*table, sample, 0, live);
  size_t next = live;
  // An id is a row of the sample modulo its size. Each round a twentieth goes and as many come.
  const size_t step = live / 20;
  for (size_t replaced = 0; replaced < 10 * live; replaced += step) {
    std::vector<PointId> gone;
    if (clustered) {
      // A whole region: the points nearest to one of them.
      const std::vector<PointId> ids = table->Ids();
      std::vector<float> centre(kD);
      ExpectOk(table->Get(std::vector<PointId>{ids[random() % ids.size()]}, centre));
      for (const Hit& hit : SearchHits(*table, centre.data(), {.k = step, .exact = true})) {
        gone.push_back(hit.id);
      }
    } else {
      gone = table->Ids();
      std::shuffle(gone.begin(), gone.end(), random);
      gone.resize(step);
    }
    ASSERT_EQ(*table->Remove(gone), step);
    AddRows(*table, sample, next, step);
    next += step;
  }
  ASSERT_EQ(table->size(), live);
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->CountUnreachable(), 0u);

  // The same points in a new table.
  const auto fresh = sample.Make(&pool);
  const std::vector<PointId> ids = table->Ids();
  std::vector<float> vectors(ids.size() * kD);
  ExpectOk(table->Get(ids, vectors));
  ExpectOk(fresh->Add(ids, vectors));
  const double churned_recall = sample.Recall(*table, 32);
  const double fresh_recall = sample.Recall(*fresh, 32);
  const double churned_cost = sample.Cost(*table, 32);
  const double fresh_cost = sample.Cost(*fresh, 32);
  EXPECT_GE(churned_recall, fresh_recall - kSlack);
  EXPECT_LE(churned_cost, fresh_cost * 1.25);
  // Every point finds itself. An outlier that is missed counts once for each of its copies.
  size_t found = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto hits = SearchHits(*table, vectors.data() + i * kD, {.k = 1, .ef = 64});
    const auto truth = SearchHits(*table, vectors.data() + i * kD, {.k = 1, .exact = true});
    found += hits.at(0).distance <= truth.at(0).distance ? 1 : 0;
  }
  EXPECT_GE(found, ids.size() - ids.size() / 100);
  std::printf("recall %.4f (fresh %.4f), distances %.0f (fresh %.0f), %zu of %zu found\n",
              churned_recall, fresh_recall, churned_cost, fresh_cost, found, ids.size());
}

INSTANTIATE_TEST_SUITE_P(
    Sample, TableChurn,
    testing::Values(std::tuple{Kind{Metric::kL2}, false}, std::tuple{Kind{Metric::kL2}, true},
                    std::tuple{Kind{Metric::kCosine}, true}, std::tuple{Kind{Metric::kIp}, true},
                    std::tuple{Kind{Metric::kL2, Quantization::kRq4}, true}),
    [](const auto& info) {
      return std::get<0>(info.param).Name() + (std::get<1>(info.param) ? "_clustered" : "_random");
    });

// Filters of every size, at random, near the query and far from it.
constexpr size_t kWalkedRows = 4'900;
constexpr size_t kSketchedRows = 10'000;

// Tables of fewer rows have no sketches, and walk where those of more look at sketches.
class TableFilters : public testing::TestWithParam<std::tuple<Quantization, size_t>> {};

// What a filtered search tells of itself goes with its plan.
void ExpectToldOf(const SearchPlan& plan, const SearchCounters& counters, size_t found) {
  const bool scans = plan.kind == PlanKind::kScan || plan.kind == PlanKind::kFilterScan ||
                     plan.kind == PlanKind::kNothing;
  EXPECT_EQ(counters.stop.has_value(), !scans);
  EXPECT_EQ(counters.probe_hops > 0, plan.local_share >= 0);
  EXPECT_LE(counters.probe_hops, counters.hops);
  EXPECT_LE(counters.reranked, counters.candidates);
  if (plan.kind != PlanKind::kFilterWalk) {
    EXPECT_EQ(counters.second_hops, 0u);
  }
  if (counters.stop == SearchStop::kExhausted || counters.stop == SearchStop::kEnough) {
    EXPECT_GE(counters.candidates, found);
    EXPECT_EQ(counters.scan_evaluations, 0u);
  }
  if (counters.stop == SearchStop::kBounded) {
    EXPECT_GT(counters.sketch_evaluations, 0u);
  }
  if (counters.stop == SearchStop::kEnough) {
    EXPECT_EQ(plan.kind, PlanKind::kSketch);
    EXPECT_GE(counters.reranked, found);
  }
}

TEST_P(TableFilters, AreExactEnoughAndNeverLeftWhereverTheyLie) {
  VITRINE_TRACE_SEED();
  const auto [quantization, rows] = GetParam();
  const size_t count = Scaled(rows, 2000);
  const Sample sample(Metric::kL2, count, quantization);
  ThreadPool pool(2);
  const auto table = sample.Make(&pool);
  ExpectOk(table->Add(IdsFrom(0, count), sample.Rows(0, count)));
  std::mt19937_64 random(TestSeed());
  std::map<PlanKind, size_t> plans;
  std::map<SearchStop, size_t> stops;
  constexpr size_t kPivots = Scaled(4, 2);
  constexpr size_t kQueriesEach = Scaled(8, 3);
  for (const double share : {0.0, 0.0001, 0.001, 0.01, 0.1, 0.2, 0.3, 0.5, 0.9}) {
    const size_t allowed = static_cast<size_t>(share * static_cast<double>(count));
    for (const std::string where : {"random", "near", "far"}) {
      double recall = 0;
      for (size_t pivot = 0; pivot < kPivots; ++pivot) {
        std::vector<PointId> ids(count);
        std::iota(ids.begin(), ids.end(), 0);
        if (where == "random") {
          std::shuffle(ids.begin(), ids.end(), random);
        } else {
          const auto order = SearchHits(*table, sample.Query(pivot), {.k = kMaxK, .exact = true});
          for (size_t i = 0; i < order.size(); ++i) ids[i] = order[i].id;
          if (where == "far") std::reverse(ids.begin(), ids.end());
        }
        ids.resize(allowed);
        const auto set = table->MakeIdSet(ids);
        ASSERT_TRUE(set.ok());
        for (size_t i = 0; i < kQueriesEach; ++i) {
          // Near and far are meant of the pivot's own surroundings.
          std::vector<float> query(sample.Query(pivot), sample.Query(pivot) + kD);
          const float* const other = sample.Query(kPivots + i);
          for (size_t j = 0; j < kD; ++j) query[j] += 0.2f * (other[j] - query[j]);
          SearchPlan plan;
          SearchCounters counters;
          std::vector<Hit> hits(10);
          const auto found = table->Search(where == "random" ? other : query.data(),
                                           {.k = 10, .filter = set->get()}, hits, counters, &plan);
          ASSERT_TRUE(found.ok());
          hits.resize(*found);
          ExpectToldOf(plan, counters, *found);
          if (counters.stop) ++stops[*counters.stop];
          ++plans[plan.kind];
          for (const Hit& hit : hits) ASSERT_TRUE((*set)->Contains(hit.id));
          const auto truth = SearchHits(*table, where == "random" ? other : query.data(),
                                        {.k = 10, .exact = true, .filter = set->get()});
          ASSERT_EQ(hits.size(), truth.size());
          recall += RecallOf(hits, truth, 10);
          EXPECT_EQ(plan.kind == PlanKind::kNothing, allowed == 0);
          if (allowed > 0 && allowed <= 800) {
            EXPECT_EQ(plan.kind, PlanKind::kFilterScan);
          }
          EXPECT_EQ(plan.allowed_rows, allowed);
        }
      }
      recall /= kPivots * kQueriesEach;
      // One query of six that lost its way takes a sixth.
      EXPECT_GE(recall, Scaled(99, 75) / 100.0) << where << " filter of " << allowed << " rows";
    }
  }
  std::vector<PlanKind> expected = {PlanKind::kNothing, PlanKind::kFilterScan};
  if (count == kSketchedRows) {
    expected.push_back(PlanKind::kSketch);
  } else {
    expected.push_back(PlanKind::kFilterPass);
    if (count == kWalkedRows) expected.push_back(PlanKind::kFilterWalk);
  }
  EXPECT_GT(stops[count == kSketchedRows ? SearchStop::kEnough : SearchStop::kExhausted], 0u);
  for (const PlanKind kind : expected) {
    EXPECT_GT(plans[kind], 0u) << kPlanKindNames[static_cast<size_t>(kind)];
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sample, TableFilters,
    testing::Combine(testing::Values(Quantization::kNone, Quantization::kRq4),
                     testing::Values(kWalkedRows, kSketchedRows)),
    [](const auto& info) {
      return std::string(kQuantizationNames[static_cast<size_t>(std::get<0>(info.param))]) + "_" +
             std::to_string(std::get<1>(info.param));
    });

}  // namespace
}  // namespace vitrine::engine_table_recall_test
