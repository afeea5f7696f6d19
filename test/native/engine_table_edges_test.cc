// Extreme numbers, sizes and options; failures that change nothing.

#include <gtest/gtest.h>

#include <cfloat>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/table.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_table_edges_test {
namespace {

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp};

TEST(TableEdges, AnEmptyTableFindsNothing) {
  const auto table = MakeTable({.dimension = 3});
  const float query[] = {1, 2, 3};
  const auto set = table->MakeIdSet({1, 2});
  ASSERT_TRUE(set.ok());
  for (const bool exact : {false, true}) {
    for (const IdSet* const filter : std::initializer_list<const IdSet*>{nullptr, set->get()}) {
      EXPECT_TRUE(SearchHits(*table, query, {.k = 10, .exact = exact, .filter = filter}).empty());
    }
  }
  EXPECT_EQ(table->Explain(query, {})->kind, PlanKind::kNothing);
  std::vector<Hit> hits(30);
  std::vector<uint32_t> counts(3, 9);
  ExpectOk(table->SearchBatch(std::vector<float>(9, 1.f), 3, {.k = 10}, hits, counts));
  EXPECT_EQ(counts, std::vector<uint32_t>(3, 0));
  EXPECT_EQ(*table->Remove(std::vector<PointId>{1, 2, 3}), 0u);
  EXPECT_TRUE(table->Ids().empty());
  ExpectOk(table->Add({}, {}));
  ExpectOk(table->Upsert({}, {}));
  ExpectOk(table->Sweep());
  ExpectOk(table->Get({}, {}));
  // A filter that was made before there was any row follows what comes.
  ExpectOk(table->Add(std::vector<PointId>{2, 3}, std::vector<float>(6, 1.f)));
  EXPECT_EQ(SearchHits(*table, query, {.k = 10, .filter = set->get()}).size(), 1u);
}

TEST(TableEdges, OnePointIsFoundByAnyQuery) {
  for (const Metric metric : kMetrics) {
    for (const size_t m : {2, 16, 128}) {
      const auto table = MakeTable({.dimension = 2, .metric = metric, .graph = {.m = m}});
      ExpectOk(table->Add(std::vector<PointId>{77}, std::vector<float>{3, 4}));
      const float query[] = {0, 0};
      for (const size_t k : {1, 2, 10'000}) {
        const auto hits = SearchHits(*table, query, {.k = k});
        ASSERT_EQ(hits.size(), 1u);
        EXPECT_EQ(hits[0].id, 77u);
        EXPECT_EQ(hits[0].distance, metric == Metric::kL2 ? 25 : metric == Metric::kIp ? 0 : 1);
      }
    }
  }
}

TEST(TableEdges, EqualVectorsShareARowAndComeByAscendingId) {
  for (const Metric metric : kMetrics) {
    const auto table = MakeTable({.dimension = 4, .metric = metric});
    const size_t count = Scaled(10'000, 2000);
    std::vector<float> vectors;
    for (size_t i = 0; i < count; ++i) vectors.insert(vectors.end(), {1, 2, 3, 4});
    std::vector<PointId> ids = IdsFrom(0, count);
    std::reverse(ids.begin(), ids.end());
    ExpectOk(table->Add(ids, vectors));
    const float query[] = {1, 0, 0, 1};
    EXPECT_EQ(table->Explain(query, {})->rows, 1u);
    for (const size_t k : {size_t{1}, size_t{10}, size_t{1000}, count}) {
      const auto hits = SearchHits(*table, query, {.k = k});
      ASSERT_EQ(hits.size(), k);
      for (size_t i = 0; i < k; ++i) ASSERT_EQ(hits[i].id, i);
      EXPECT_EQ(SearchHits(*table, query, {.k = k, .exact = true}), hits);
    }
    const auto some = table->MakeIdSet(IdsFrom(5, count / 10, 10));
    const auto hits = SearchHits(*table, query, {.k = 3, .filter = some->get()});
    ASSERT_EQ(hits.size(), 3u);
    EXPECT_EQ(hits[2].id, 25u);
    // The owner goes, guests stay; then all of them go.
    ASSERT_EQ(*table->Remove(std::vector<PointId>{count - 1, 0}), 2u);
    EXPECT_EQ(SearchHits(*table, query, {.k = 1})[0].id, 1u);
    EXPECT_EQ(*table->Remove(ids), count - 2);
    EXPECT_TRUE(SearchHits(*table, query, {.k = 1}).empty());
    ExpectOk(table->Add(std::vector<PointId>{9}, std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(SearchHits(*table, query, {.k = 5}).size(), 1u);
  }
}

// A guest of a row ends, and its owner after that: who began in between sees the owner.
TEST(TableEdges, ASharedRowStaysForReadersOfItsOwner) {
  const auto table = MakeTable({.dimension = 2});
  const std::vector<float> vector = {1, 2};
  const float query[] = {1, 2};
  ExpectOk(table->Add(std::vector<PointId>{1}, vector));
  ExpectOk(table->Add(std::vector<PointId>{2}, vector));
  const auto both = table->MakeIdSet({1, 2});
  auto oldest = std::make_unique<ReaderPool::Lease>(table->Read());
  ASSERT_EQ(*table->Remove(std::vector<PointId>{2}), 1u);
  const ReaderPool::Lease between = table->Read();
  ASSERT_EQ(*table->Remove(std::vector<PointId>{1}), 1u);
  oldest.reset();
  // What waited for the oldest reader is done now.
  ExpectOk(table->Add(std::vector<PointId>{3}, std::vector<float>{9, 9}));
  for (const PointFilter* const filter :
       {static_cast<const PointFilter*>(nullptr), static_cast<const PointFilter*>(both->get())}) {
    std::vector<Hit> hits(3);
    const auto found =
        table->Search(between, query, {.k = 3, .exact = true, .filter = filter}, hits);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(*found, 1u);
    EXPECT_EQ(hits[0].id, 1u);
  }
}

TEST(TableEdges, ZeroVectorsAreFoundUnderEveryMetric) {
  for (const Metric metric : kMetrics) {
    const auto table = MakeTable({.dimension = 3, .metric = metric});
    const size_t count = Scaled(3000, 500);
    ExpectOk(table->Add(IdsFrom(0, count), std::vector<float>(3 * count)));
    const float query[] = {1, 0, 0};
    const float zero[] = {0, 0, 0};
    for (const float* const from : {query, zero}) {
      const auto hits = SearchHits(*table, from, {.k = 100});
      ASSERT_EQ(hits.size(), 100u);
      for (size_t i = 0; i < 100; ++i) ASSERT_EQ(hits[i].id, i);
    }
    // Among others they stand where their distance puts them.
    ExpectOk(table->Add(std::vector<PointId>{90'000, 90'001},
                        std::vector<float>{2, 0.1f, 0, -2, 0.1f, 0}));
    const auto hits = SearchHits(*table, query, {.k = count + 2});
    ASSERT_EQ(hits.size(), count + 2);
    EXPECT_EQ(hits, SearchHits(*table, query, {.k = count + 2, .exact = true}));
    if (metric == Metric::kCosine) {
      EXPECT_EQ(hits.front().id, 90'000u);
      EXPECT_EQ(hits.back().id, 90'001u);
      EXPECT_EQ(hits[1].distance, 1);
    }
    EXPECT_EQ(*table->Remove(IdsFrom(0, count)), count);
    EXPECT_EQ(SearchHits(*table, query, {.k = 5}).size(), 2u);
  }
}

TEST(TableEdges, EveryDimensionAndDegreeWorks) {
  for (const auto& [dimension, m, count] : {std::tuple<size_t, size_t, size_t>{1, 16, 1500},
                                            {1, 2, 500},
                                            {2, 128, 800},
                                            {7, 2, 1500},
                                            {7, 3, 1500},
                                            {65'536, 16, 30}}) {
    for (const Metric metric : kMetrics) {
      SCOPED_TRACE(testing::Message() << "dimension " << dimension << ", m " << m << ", "
                                      << kMetricNames[static_cast<size_t>(metric)]);
      const size_t n = std::max<size_t>(20, count / Scaled(1, 5));
      const auto table = MakeTable({.dimension = dimension, .metric = metric, .graph = {.m = m}});
      const std::vector<float> vectors = NormalVectors(n, dimension, 5);
      ExpectOk(table->Add(IdsFrom(0, n), vectors));
      ExpectOk(table->Sweep());
      EXPECT_EQ(table->CountUnreachable(), 0u);
      double recall = 0;
      for (size_t i = 0; i < 20; ++i) {
        const float* const query = vectors.data() + i * dimension;
        const auto truth = SearchHits(*table, query, {.k = 10, .exact = true});
        recall += RecallOf(SearchHits(*table, query, {.k = 10, .ef = 200}), truth, 10) / 20;
      }
      EXPECT_GE(recall, m == 2 ? 0.9 : 0.97);
    }
  }
}

TEST(TableEdges, ExtremeComponentsGiveFiniteDistancesInATotalOrder) {
  const float extremes[] = {0.f,    -0.f,  FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MIN, 1.f,     -1.f,
                            1e-20f, 1e19f, -1e20f,       1e38f,         FLT_MAX, -FLT_MAX};
  std::vector<float> vectors;
  for (const float a : extremes) {
    for (const float b : extremes) vectors.insert(vectors.end(), {a, b});
  }
  const size_t count = vectors.size() / 2;
  for (const Metric metric : kMetrics) {
    const auto table = MakeTable({.dimension = 2, .metric = metric});
    ExpectOk(table->Add(IdsFrom(0, count), vectors));
    std::vector<float> back(vectors.size());
    ExpectOk(table->Get(IdsFrom(0, count), back));
    EXPECT_EQ(std::memcmp(back.data(), vectors.data(), back.size() * sizeof(float)), 0);
    for (size_t i = 0; i < count; ++i) {
      const float* const query = vectors.data() + 2 * i;
      const auto exact = SearchHits(*table, query, {.k = count, .exact = true});
      ASSERT_EQ(exact.size(), count);
      for (size_t j = 0; j < count; ++j) {
        ASSERT_TRUE(std::isfinite(exact[j].distance));
        ASSERT_TRUE(j == 0 || exact[j - 1] < exact[j]);
      }
      EXPECT_EQ(SearchHits(*table, query, {.k = count}), exact);
      const auto ten = SearchHits(*table, query, {.k = 10, .ef = 300});
      EXPECT_EQ(RecallOf(ten, exact, 10), 1);
    }
  }
}

TEST(TableEdges, FailuresNameTheirCodeAndChangeNothing) {
  const auto table = MakeTable({.dimension = 2});
  const std::vector<PointId> ids = {1, 2};
  ExpectOk(table->Add(ids, std::vector<float>{1, 2, 3, 4}));
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  const auto add = [&](std::vector<PointId> of, std::vector<float> vectors) {
    return table->Add(of, vectors);
  };
  ExpectFails(add({3, 2}, {0, 0, 0, 0}), ErrorCode::kExists);
  ExpectFails(add({3, 3}, {0, 0, 0, 0}), ErrorCode::kExists);
  ExpectFails(add({3, 4}, {0, 0, 0, kNan}), ErrorCode::kVector);
  ExpectFails(add({3, 4}, {kInfinite, 0, 0, 0}), ErrorCode::kVector);
  ExpectFails(add({uint64_t{1} << 32}, {0, 0}), ErrorCode::kId);
  ExpectFails(table->Upsert(std::vector<PointId>{1}, std::vector<float>{-kInfinite, 0}),
              ErrorCode::kVector);
  ExpectFails(table->Upsert(std::vector<PointId>{UINT64_MAX}, std::vector<float>{0, 0}),
              ErrorCode::kId);
  EXPECT_EQ(table->Remove(std::vector<PointId>{1, UINT64_MAX}).status().code(), ErrorCode::kId);
  EXPECT_EQ(table->MakeIdSet({UINT64_MAX}).status().code(), ErrorCode::kId);
  std::vector<PointId> numbered;
  ExpectFails(table->AddNumbered(1, std::vector<float>{kNan, 0}, numbered), ErrorCode::kVector);
  std::vector<float> vectors(4);
  ExpectFails(table->Get(std::vector<PointId>{1, 3}, vectors), ErrorCode::kNotFound);
  std::vector<Hit> hits(4);
  const float query[] = {0, 0};
  const float bad_query[] = {0, kNan};
  EXPECT_EQ(table->Search(query, {.k = 0}, hits).status().code(), ErrorCode::kOption);
  EXPECT_EQ(table->Search(query, {.k = kMaxK + 1}, hits).status().code(), ErrorCode::kOption);
  EXPECT_EQ(table->Search(query, {.k = 1, .ef = kMaxEf + 1}, hits).status().code(),
            ErrorCode::kOption);
  EXPECT_EQ(table->Search(bad_query, {.k = 1}, hits).status().code(), ErrorCode::kVector);
  std::vector<uint32_t> counts(2);
  ExpectFails(table->SearchBatch(std::vector<float>{0, 0, 0, kNan}, 2, {.k = 2}, hits, counts),
              ErrorCode::kVector);
  EXPECT_EQ(table->Ids(), ids);
  ExpectOk(table->Get(ids, vectors));
  EXPECT_EQ(vectors, (std::vector<float>{1, 2, 3, 4}));
  ExpectOk(table->AddNumbered(1, std::vector<float>{5, 6}, numbered));
  EXPECT_EQ(numbered, std::vector<PointId>{3});
}

TEST(TableEdges, OptionsOutOfRangeAreRefused) {
  const auto code = [](const TableOptions& options) {
    const auto table = Table::Create(options, BestKernels(), nullptr);
    return table.ok() ? std::string_view() : ErrorCodeName(table.status().code());
  };
  EXPECT_EQ(code({.dimension = 0}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = kMaxDimension + 1}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = 1, .graph = {.m = 1}}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = 1, .graph = {.m = 129}}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = 1, .graph = {.ef_construction = 0}}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = 1, .graph = {.ef_construction = kMaxEf + 1}}), "ERR_OPTION");
  EXPECT_EQ(code({.dimension = 1, .capacity = size_t{kMaxSlots} + 1}), "ERR_TOO_LARGE");
  EXPECT_EQ(code({.dimension = kMaxDimension, .capacity = kMaxSlots}), "ERR_OUT_OF_MEMORY");
  EXPECT_EQ(code({.dimension = 1, .graph = {.m = 2, .ef_construction = 1}}), "");
}

TEST(TableEdges, RoomThatIsRefusedLeavesTheTableUsable) {
  const auto table = MakeTable({.dimension = kMaxDimension});
  std::vector<float> vector(kMaxDimension, 0.5f);
  ExpectOk(table->Add(IdsFrom(0, 1), vector));
  ExpectFails(table->Reserve(kMaxSlots), ErrorCode::kOutOfMemory);
  ExpectFails(table->Reserve(size_t{kMaxSlots} + 1), ErrorCode::kTooLarge);
  vector[0] = 1;
  ExpectOk(table->Reserve(10));
  ExpectOk(table->Add(IdsFrom(1, 1), vector));
  EXPECT_EQ(SearchHits(*table, vector.data(), {.k = 5}).size(), 2u);
}

TEST(TableEdges, SearchesEndWhenCancelledOrLate) {
  const size_t count = Scaled(5000, 2500);
  const auto table = MakeTable({.dimension = 8});
  const std::vector<float> vectors = NormalVectors(count, 8, 1);
  ExpectOk(table->Add(IdsFrom(0, count), vectors));
  const std::atomic<bool> raised{true};
  const auto set = table->MakeIdSet(IdsFrom(0, count));
  ASSERT_TRUE(set.ok());
  std::vector<Hit> hits(40 * 10);
  std::vector<uint32_t> counts(40);
  for (const bool exact : {false, true}) {
    for (const IdSet* const filter : std::initializer_list<const IdSet*>{nullptr, set->get()}) {
      // Walks of a batch go side by side.
      SearchParameters parameters{.k = 10, .ef = 16, .exact = exact, .filter = filter};
      parameters.control.cancelled = &raised;
      EXPECT_EQ(table->Search(vectors.data(), parameters, hits).status().code(),
                ErrorCode::kCancelled);
      ExpectFails(
          table->SearchBatch(std::span(vectors).first(40 * 8), 40, parameters, hits, counts),
          ErrorCode::kCancelled);
      parameters.control = {.has_deadline = true, .deadline = std::chrono::steady_clock::now()};
      EXPECT_EQ(table->Search(vectors.data(), parameters, hits).status().code(),
                ErrorCode::kTimeout);
      ExpectFails(
          table->SearchBatch(std::span(vectors).first(40 * 8), 40, parameters, hits, counts),
          ErrorCode::kTimeout);
      // What was broken off leaves no marks behind.
      parameters.control = {};
      EXPECT_EQ(SearchHits(*table, vectors.data(), parameters)[0].id, 0u);
    }
  }
}

TEST(TableEdges, CancelledWritesKeepTheChunksThatWereFinished) {
  const auto table = MakeTable({.dimension = 2});
  std::atomic<bool> cancel{false};
  size_t last = 0;
  WriteControl control{.cancelled = &cancel, .on_progress = [&](size_t done, size_t total) {
                         EXPECT_EQ(total, 3000u);
                         EXPECT_GT(done, last);
                         last = done;
                         if (done >= 1000) cancel = true;
                       }};
  const std::vector<float> vectors = NormalVectors(3000, 2, 1);
  ExpectFails(table->Add(IdsFrom(0, 3000), vectors, control), ErrorCode::kCancelled);
  EXPECT_EQ(table->size(), last);
  EXPECT_EQ(table->Ids(), IdsFrom(0, last));
  EXPECT_EQ(SearchHits(*table, vectors.data(), {.k = 5, .exact = true})[0].id, 0u);
  // The write can be repeated as an upsert; a removal is cancelled alike.
  ExpectOk(table->Upsert(IdsFrom(0, 3000), vectors));
  EXPECT_EQ(table->size(), 3000u);
  cancel = false;
  last = 0;
  EXPECT_EQ(table->Remove(IdsFrom(0, 3000), control).status().code(), ErrorCode::kCancelled);
  EXPECT_EQ(table->size(), 3000 - last);
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->CountUnreachable(), 0u);
}

TEST(TableEdges, TheSameSeedOnOneThreadGivesTheSameTable) {
  const size_t count = Scaled(3000, 800);
  const std::vector<float> vectors = ClusteredVectors(count, 12, 20, 3);
  std::vector<std::vector<Hit>> results[2];
  TableMemory memory[2];
  for (const size_t run : {0, 1}) {
    const auto table = MakeTable({.dimension = 12, .graph = {.m = 6, .seed = 99}});
    ExpectOk(table->Add(IdsFrom(0, count), vectors));
    ASSERT_TRUE(table->Remove(IdsFrom(0, count / 3, 3)).ok());
    ExpectOk(table->Sweep());
    ExpectOk(table->Upsert(IdsFrom(0, count / 6, 3), std::span(vectors).first(count / 6 * 12)));
    for (size_t i = 0; i < 200; ++i) {
      results[run].push_back(SearchHits(*table, vectors.data() + i * 12, {.k = 5, .ef = 5}));
    }
    memory[run] = table->memory();
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(memory[0].total(), memory[1].total());
}

TEST(TableEdges, PointsCostLittleBesideVectorsAndLinks) {
  constexpr size_t kCount = 20'000;
  for (const IdType id_type : {IdType::kU32, IdType::kU64}) {
    const auto table =
        MakeTable({.dimension = 2, .metric = Metric::kL2, .id_type = id_type, .graph = {.m = 4}});
    for (size_t i = 0; i < kCount; i += 1000) {
      ExpectOk(table->Add(IdsFrom(i, 1000), NormalVectors(1000, 2, i)));
    }
    const float query[] = {0, 0};
    (void)SearchHits(*table, query, {.k = 10});
    const TableMemory memory = table->memory();
    EXPECT_EQ(memory.vectors, kCount * 8);
    const size_t links = kCount * 16 * sizeof(uint32_t);
    const size_t id_bytes = id_type == IdType::kU64 ? 8 : 4;
    EXPECT_LE(memory.total() - memory.vectors - links, (28 + id_bytes) * kCount);
    EXPECT_EQ(memory.total(),
              memory.vectors + memory.graph + memory.ids + memory.buffers + memory.other);
  }
}

}  // namespace
}  // namespace vitrine::engine_table_edges_test
