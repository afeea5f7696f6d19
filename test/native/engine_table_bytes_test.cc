// Tables of floats that are whole bytes: they compare vectors as bytes, as long as all are.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "engine/table.h"
#include "engine/table_file.h"
#include "memory_files.h"
#include "random_data.h"
#include "stats/search_counters.h"
#include "table_model.h"
#include "typed_vectors.h"

namespace vitrine::engine_table_bytes_test {
namespace {

// Codes of so many components have their factors in their rows.
constexpr size_t kDimension = 570;
constexpr size_t kCount = 1100;
constexpr size_t kQueries = 20;
// Distances are what is looked at, and building the graph takes most of the time.
constexpr GraphOptions kSmallGraph{.m = 8, .ef_construction = 40};

// Clusters, rounded to whole numbers from 0 to 255.
std::vector<float> WholeVectors(size_t count, uint64_t seed) {
  std::vector<float> vectors = ClusteredVectors(count, kDimension, 20, seed);
  for (float& component : vectors) {
    component = std::clamp(std::round(128 + 40 * component), 0.f, 255.f);
  }
  return vectors;
}

class TableBytes : public testing::TestWithParam<Metric> {
 protected:
  std::unique_ptr<Table> Make(VectorType type = VectorType::kF32, size_t threads = 2) {
    return MakeTable({.dimension = kDimension,
                      .type = type,
                      .metric = GetParam(),
                      .graph = kSmallGraph,
                      .quantization = Quantization::kRq4,
                      .threads = threads},
                     &pool_);
  }
  const float* query(size_t i) const { return queries_.data() + i * kDimension; }
  // What the exact distances of a search were computed on.
  DistanceKernel ComparedOn(const Table& table, const float* query) {
    SearchCounters counters;
    std::vector<Hit> hits(10);
    EXPECT_TRUE(table.Search(query, {.k = 10}, hits, counters).ok());
    return counters.vector_kernel;
  }
  static size_t CodeBytes(const Table& table) { return table.memory().codes / kCount; }

  ThreadPool pool_{2};
  const std::vector<float> vectors_ = WholeVectors(kCount, 7);
  const std::vector<float> queries_ = WholeVectors(kQueries, 7);
};

// A table of bytes has distances that are exact but for one rounding.
TEST_P(TableBytes, GiveTheDistancesOfBytes) {
  // By one thread: two that hold each other up may leave a cluster that so small a graph does not
  // find.
  const auto table = Make(VectorType::kF32, 1);
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  const auto bytes = Make(VectorType::kU8);
  const std::vector<uint8_t> rounded(vectors_.begin(), vectors_.end());
  ExpectOk(bytes->Add(IdsFrom(0, kCount), rounded));
  double recall = 0;
  for (size_t i = 0; i < kQueries; ++i) {
    EXPECT_EQ(ComparedOn(*table, query(i)), DistanceKernel::kU8);
    const std::vector<uint8_t> rounded_query(query(i), query(i) + kDimension);
    const SearchParameters all{.k = kCount, .exact = true};
    const auto truth = SearchHits(*bytes, rounded_query.data(), all);
    EXPECT_EQ(SearchHits(*table, query(i), all), truth);
    const auto hits = SearchHits(*table, query(i), {.k = 10});
    for (const Hit& hit : hits) {
      EXPECT_NE(std::find(truth.begin(), truth.end(), hit), truth.end()) << "id " << hit.id;
    }
    recall += RecallOf(hits, truth, 10) / kQueries;
  }
  EXPECT_GE(recall, 0.98);
}

TEST_P(TableBytes, CompareOtherQueriesWithTheVectors) {
  const auto table = Make();
  TableModel model(kDimension, GetParam());
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  for (size_t i = 0; i < kCount; ++i) model.Put(i, vectors_.data() + i * kDimension);
  for (const float other : {0.5f, -1.f, 256.f}) {
    std::vector<float> between(query(0), query(1));
    between.back() = other;
    EXPECT_EQ(ComparedOn(*table, between.data()), DistanceKernel::kF32);
    EXPECT_EQ(SearchHits(*table, between.data(), {.k = kCount, .exact = true}),
              model.Search(between.data()));
  }
}

// Points that are replaced, removed and added while all are bytes.
TEST_P(TableBytes, FollowWhatIsWritten) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  const std::vector<float> others = WholeVectors(400, 9);
  ASSERT_EQ(*table->Remove(IdsFrom(0, 200)), 200u);
  ExpectOk(table->Sweep());
  ExpectOk(table->Upsert(IdsFrom(kCount - 100, 400), others));
  const auto bytes = Make(VectorType::kU8);
  const std::vector<uint8_t> kept(vectors_.begin() + 200 * kDimension,
                                  vectors_.begin() + (kCount - 100) * kDimension);
  ExpectOk(bytes->Add(IdsFrom(200, kCount - 300), kept));
  const std::vector<uint8_t> added(others.begin(), others.end());
  ExpectOk(bytes->Add(IdsFrom(kCount - 100, 400), added));
  for (size_t i = 0; i < kQueries; ++i) {
    EXPECT_EQ(ComparedOn(*table, query(i)), DistanceKernel::kU8);
    const std::vector<uint8_t> rounded(query(i), query(i) + kDimension);
    const SearchParameters all{.k = kCount + 100, .exact = true};
    EXPECT_EQ(SearchHits(*table, query(i), all), SearchHits(*bytes, rounded.data(), all));
  }
}

// One vector that is not bytes ends it, for those who see it; the memory is given back when nobody
// is left who does not.
TEST_P(TableBytes, EndWithAVectorThatIsNone) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  const size_t with_bytes = CodeBytes(*table);
  const SearchParameters parameters{.k = kCount + 600, .exact = true};
  const auto before = SearchHits(*table, query(0), parameters);

  std::vector<float> more = WholeVectors(600, 11);
  more[0] += 0.5f;
  {
    const ReaderPool::Lease lease = table->Read();
    ExpectOk(table->Add(IdsFrom(kCount, 600), more));
    std::vector<Hit> hits(parameters.k);
    const Result<size_t> found = table->Search(lease, query(0), parameters, hits);
    ASSERT_TRUE(found.ok());
    hits.resize(*found);
    EXPECT_EQ(hits.size(), before.size());
  }
  EXPECT_EQ(ComparedOn(*table, query(0)), DistanceKernel::kF32);
  TableModel model(kDimension, GetParam());
  for (size_t i = 0; i < kCount; ++i) model.Put(i, vectors_.data() + i * kDimension);
  for (size_t i = 0; i < 600; ++i) model.Put(kCount + i, more.data() + i * kDimension);
  EXPECT_EQ(SearchHits(*table, query(0), parameters), model.Search(query(0)));

  ASSERT_EQ(*table->Remove(IdsFrom(0, 1)), 1u);
  const size_t rows = kCount + 600;
  EXPECT_LT(table->memory().codes / rows + kDimension / 2, with_bytes);
  // What is bytes again is not compared as such any more.
  ASSERT_EQ(*table->Remove(IdsFrom(kCount, 1)), 1u);
  EXPECT_EQ(ComparedOn(*table, query(0)), DistanceKernel::kF32);
}

TEST_P(TableBytes, AreNotMadeOfOtherVectors) {
  const auto table = Make();
  std::vector<float> vectors = vectors_;
  vectors.back() = 0.25f;
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors));
  ASSERT_EQ(table->quantization_used(), Quantization::kRq4);
  EXPECT_EQ(ComparedOn(*table, query(0)), DistanceKernel::kF32);
}

TEST_P(TableBytes, ComeBackFromAFile) {
  const auto table = Make();
  ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
  MemoryFiles files;
  ExpectOk(SaveTable(*table, "index", {.files = &files}));
  const auto loaded = LoadTable("index", BestKernels(), &pool_, {.threads = 2, .files = &files});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ((*loaded)->memory().codes, table->memory().codes);
  for (size_t i = 0; i < kQueries; ++i) {
    EXPECT_EQ(ComparedOn(**loaded, query(i)), DistanceKernel::kU8);
    EXPECT_EQ(SearchHits(**loaded, query(i), {.k = 10}), SearchHits(*table, query(i), {.k = 10}));
  }
}

// Searches of all kinds while the bytes end and rows without them come.
TEST_P(TableBytes, EndBesideSearches) {
  const std::vector<float> more = WholeVectors(kCount, 13);
  for (size_t round = 0; round < Scaled(3, 1); ++round) {
    const auto table = Make();
    ExpectOk(table->Add(IdsFrom(0, kCount), vectors_));
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < 2; ++thread) {
      threads.emplace_back([&, thread] {
        for (size_t i = thread; !done.load(); ++i) {
          const float* const searched = query(i % kQueries);
          const bool exact = i % 3 == 0;
          for (const Hit& hit : SearchHits(*table, searched, {.k = 5, .exact = exact})) {
            const float* const vector = hit.id < kCount
                                            ? vectors_.data() + hit.id * kDimension
                                            : more.data() + (hit.id - kCount) * kDimension;
            const float distance = TableModel(kDimension, GetParam()).Distance(searched, vector);
            // The first of them differs by a half in one component.
            const float slack = GetParam() == Metric::kCosine ? 1e-3f : 256;
            EXPECT_NEAR(hit.distance, distance, 1e-5f * std::abs(distance) + slack);
          }
        }
      });
    }
    std::vector<float> chunk(more.begin(), more.begin() + 500 * kDimension);
    chunk[0] += 0.5f;
    ExpectOk(table->Add(IdsFrom(kCount, 500), chunk));
    ExpectOk(table->Add(IdsFrom(kCount + 500, 500),
                        std::span(more).subspan(500 * kDimension, 500 * kDimension)));
    done.store(true);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ComparedOn(*table, query(0)), DistanceKernel::kF32);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TableBytes,
                         testing::Values(Metric::kL2, Metric::kCosine, Metric::kIp),
                         [](const auto& info) {
                           return std::string(kMetricNames[static_cast<size_t>(info.param)]);
                         });

// Halves hold all bytes exactly.
TEST(TableBytesOfHalves, AreMadeToo) {
  const auto table = MakeTable({.dimension = kDimension,
                                .type = VectorType::kF16,
                                .graph = kSmallGraph,
                                .quantization = Quantization::kRq4});
  const std::vector<float> vectors = WholeVectors(kCount, 7);
  ExpectOk(table->Add(IdsFrom(0, kCount), Encoded(VectorType::kF16, vectors)));
  SearchCounters counters;
  std::vector<Hit> hits(10);
  const std::vector<float> one(vectors.begin(), vectors.begin() + kDimension);
  ASSERT_TRUE(table->Search(Encoded(VectorType::kF16, one).data(), {.k = 10}, hits, counters).ok());
  EXPECT_EQ(counters.vector_kernel, DistanceKernel::kU8);
  EXPECT_EQ(hits[0].distance, 0);
}

}  // namespace
}  // namespace vitrine::engine_table_bytes_test
