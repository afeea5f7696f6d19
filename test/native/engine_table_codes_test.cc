// Tables that walk on codes: from when, with what answers, and what stays of them.

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/table.h"
#include "engine/table_file.h"
#include "memory_files.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_table_codes_test {
namespace {

constexpr size_t kDimension = 96;
constexpr size_t kCount = 1500;
constexpr size_t kQueries = 20;

TableOptions OptionsOf(Metric metric, Quantization quantization) {
  return {.dimension = kDimension, .metric = metric, .quantization = quantization, .threads = 2};
}

class TableCodes : public testing::TestWithParam<std::tuple<Metric, Quantization>> {
 protected:
  std::unique_ptr<Table> Make() {
    const auto [metric, quantization] = GetParam();
    return MakeTable(OptionsOf(metric, quantization), &pool_);
  }

  ThreadPool pool_{2};
  const std::vector<float> vectors_ = ClusteredVectors(kCount, kDimension, 20, 7);
  const std::vector<float> queries_ = ClusteredVectors(kQueries, kDimension, 20, 7);
};

TEST_P(TableCodes, AreMadeOfAThousandVectors) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, 999), std::span(vectors_).first(999 * kDimension)));
  EXPECT_EQ(table->quantization_used(), Quantization::kNone);
  EXPECT_EQ(table->memory().codes, 0u);
  ExpectOk(table->Add(IdsFrom(999, 1), std::span(vectors_).subspan(999 * kDimension, kDimension)));
  EXPECT_EQ(table->quantization_used(), std::get<1>(GetParam()));
  EXPECT_GE(table->memory().codes, 1000 * kDimension / 2);
  EXPECT_EQ(table->maintenance().of(Maintenance::kQuantize, RunOutcome::kOk), 1u);
  const auto plan = table->Explain(queries_.data(), {.k = 10, .ef = 10});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->quantization, std::get<1>(GetParam()));
  // Two more than asked for, which are reranked as well; a quarter more where nothing was.
  EXPECT_EQ(plan->ef, 12u);
  EXPECT_EQ(table->Explain(queries_.data(), {.k = 10, .ef = 13})->ef, 13u);
  EXPECT_EQ(table->Explain(queries_.data(), {.k = 200})->ef, 250u);
  const auto exact = table->Explain(queries_.data(), {.k = 10, .exact = true});
  EXPECT_EQ(exact->quantization, Quantization::kNone);
}

// Whichever way a search goes, the distances that it tells are those of the vectors.
TEST_P(TableCodes, TellExactDistances) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  std::vector<uint32_t> counts(kQueries);
  // Of a batch one after the other, and side by side.
  std::vector<Hit> wide(kQueries * 10);
  ExpectOk(table->SearchBatch(queries_, kQueries, {.k = 10}, wide, counts));
  std::vector<Hit> narrow(kQueries * 10);
  ExpectOk(table->SearchBatch(queries_, kQueries, {.k = 10, .ef = 20}, narrow, counts));
  const auto part = [](const std::vector<Hit>& batch, size_t i) {
    const auto first = batch.begin() + static_cast<ptrdiff_t>(10 * i);
    return std::vector(first, first + 10);
  };
  double recall = 0;
  for (size_t i = 0; i < kQueries; ++i) {
    const float* const query = queries_.data() + i * kDimension;
    const auto truth = SearchHits(*table, query, {.k = kCount, .exact = true});
    const auto hits = SearchHits(*table, query, {.k = 10});
    ASSERT_EQ(hits.size(), 10u);
    EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end()));
    for (const Hit& hit : hits) {
      EXPECT_NE(std::find(truth.begin(), truth.end(), hit), truth.end()) << "id " << hit.id;
    }
    recall += RecallOf(hits, truth, 10) / kQueries;
    ASSERT_EQ(counts[i], 10u);
    EXPECT_EQ(part(wide, i), hits);
    EXPECT_EQ(part(narrow, i), SearchHits(*table, query, {.k = 10, .ef = 20}));
  }
  EXPECT_GE(recall, 0.98);
}

// Points that are gone or were replaced, equal vectors and zeros.
TEST_P(TableCodes, FollowWhatIsWritten) {
  const auto table = Make();
  std::vector<float> vectors = vectors_;
  for (size_t i = 1; i < kCount; i += 9) {
    std::copy_n(vectors.begin(), kDimension,
                vectors.begin() + static_cast<ptrdiff_t>(i * kDimension));
  }
  std::fill_n(vectors.begin() + 5 * kDimension, kDimension, 0.f);
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors));
  ASSERT_EQ(*table->Remove(IdsFrom(100, 300)), 300u);
  // Reversed, so that ids have other vectors than before.
  std::vector<PointId> ids = IdsFrom(400, 200);
  std::reverse(ids.begin(), ids.end());
  ExpectOk(table->Upsert(ids, std::span(vectors).subspan(400 * kDimension, 200 * kDimension)));
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->CountUnreachable(), 0u);
  double recall = 0;
  for (size_t i = 0; i < kQueries; ++i) {
    const float* const query = queries_.data() + i * kDimension;
    const auto truth = SearchHits(*table, query, {.k = kCount, .exact = true});
    ASSERT_EQ(truth.size(), kCount - 300);
    const auto hits = SearchHits(*table, query, {.k = 10});
    for (const Hit& hit : hits) {
      EXPECT_NE(std::find(truth.begin(), truth.end(), hit), truth.end()) << "id " << hit.id;
    }
    recall += RecallOf(hits, truth, 10) / kQueries;
  }
  EXPECT_GE(recall, 0.98);
  // Each point of a shared row is found.
  const auto equal = SearchHits(*table, vectors.data(), {.k = 40});
  EXPECT_EQ(std::count_if(equal.begin(), equal.end(),
                          [&](const Hit& hit) { return hit.distance <= equal[0].distance; }),
            40);
}

// Groups that are so small that all members of one have nearly the same code: links inside a group
// are chosen by the vectors, and all of it is found.
TEST_P(TableCodes, LinkNearDuplicates) {
  constexpr size_t kGroup = 150;
  constexpr size_t kGroups = kCount / kGroup;
  const std::vector<float> centres = NormalVectors(kGroups, kDimension, 11);
  std::vector<float> vectors = NormalVectors(kCount, kDimension, 12);
  for (size_t i = 0; i < vectors.size(); ++i) {
    const size_t group = i / kDimension % kGroups;
    vectors[i] = centres[group * kDimension + i % kDimension] + 1e-3f * vectors[i];
  }
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors));
  ASSERT_NE(table->quantization_used(), Quantization::kNone);
  double recall = 0;
  for (size_t group = 0; group < kGroups; ++group) {
    const auto hits = SearchHits(*table, vectors.data() + group * kDimension, {.k = kGroup});
    const auto ours = [&](const Hit& hit) { return hit.id % kGroups == group; };
    recall += static_cast<double>(std::count_if(hits.begin(), hits.end(), ours)) / kCount;
  }
  EXPECT_GE(recall, 0.999);
}

TEST_P(TableCodes, ComeBackFromAFile) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  MemoryFiles files;
  ExpectOk(SaveTable(*table, "index", {.files = &files}));
  const auto loaded = LoadTable("index", BestKernels(), &pool_, {.threads = 2, .files = &files});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ((*loaded)->options().quantization, std::get<1>(GetParam()));
  EXPECT_EQ((*loaded)->quantization_used(), std::get<1>(GetParam()));
  for (size_t i = 0; i < kQueries; ++i) {
    const float* const query = queries_.data() + i * kDimension;
    EXPECT_EQ(SearchHits(**loaded, query, {.k = 10}), SearchHits(*table, query, {.k = 10}));
  }
}

// Also where fewer points are left than codes would be made of, and what was the centre is gone.
TEST_P(TableCodes, ComeBackAroundTheSameCentre) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  ASSERT_EQ(*table->Remove(IdsFrom(0, 1100)), 1100u);
  MemoryFiles files;
  ExpectOk(SaveTable(*table, "index", {.files = &files}));
  const auto loaded = LoadTable("index", BestKernels(), &pool_, {.threads = 2, .files = &files});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ((*loaded)->quantization_used(), std::get<1>(GetParam()));
  ExpectOk(SaveTable(**loaded, "again", {.files = &files}));
  const auto again = LoadTable("again", BestKernels(), &pool_, {.threads = 2, .files = &files});
  ASSERT_TRUE(again.ok()) << again.status().message();
  for (size_t i = 0; i < kQueries; ++i) {
    const float* const query = queries_.data() + i * kDimension;
    EXPECT_EQ(SearchHits(**again, query, {.k = 10}), SearchHits(**loaded, query, {.k = 10}));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TableCodes,
    testing::Combine(testing::Values(Metric::kL2, Metric::kCosine, Metric::kIp),
                     testing::Values(Quantization::kSq8, Quantization::kRq4)),
    [](const auto& info) {
      return std::string(kMetricNames[static_cast<size_t>(std::get<0>(info.param))]) + "_" +
             std::string(kQuantizationNames[static_cast<size_t>(std::get<1>(info.param))]);
    });

// What `auto` chooses, where the rule leaves no doubt.
TEST(TableCodesAuto, ChoosesByDimensionAndError) {
  const auto chosen = [](size_t dimension) {
    const auto table = MakeTable({.dimension = dimension, .quantization = Quantization::kAuto});
    ExpectOk(table->Add(IdsFrom(0, 1000), ClusteredVectors(1000, dimension, 10, 3)));
    return table->quantization_used();
  };
  EXPECT_EQ(chosen(32), Quantization::kNone);
  EXPECT_EQ(chosen(64), Quantization::kSq8);
  EXPECT_EQ(chosen(256), Quantization::kRq4);
}

}  // namespace
}  // namespace vitrine::engine_table_codes_test
