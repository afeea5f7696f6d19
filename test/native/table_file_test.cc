#include "engine/table_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "base/byte_order.h"
#include "container_surgery.h"
#include "engine/table_file_format.h"
#include "memory_files.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"

namespace vitrine {
namespace {

constexpr char kPath[] = "index.vitrine";

const KernelTable& Kernels() { return *SelectKernels(""); }

struct Shape {
  size_t dimension = 3;
  Metric metric = Metric::kL2;
  IdType id_type = IdType::kU32;
  size_t m = 4;
};

std::unique_ptr<Table> MakeTable(const Shape& shape, ThreadPool* pool = nullptr) {
  auto table = Table::Create({.dimension = shape.dimension,
                              .metric = shape.metric,
                              .id_type = shape.id_type,
                              .graph = {.m = shape.m, .ef_construction = 40, .seed = 7},
                              .threads = pool == nullptr ? 1 : pool->threads(),
                              .capacity = 10},
                             Kernels(), pool);
  EXPECT_TRUE(table.ok());
  return std::move(*table);
}

std::vector<float> RandomVectors(size_t count, size_t dimension, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * dimension);
  for (float& component : vectors) component = normal(random);
  return vectors;
}

std::vector<PointId> IdsFrom(PointId first, size_t count, PointId step = 1) {
  std::vector<PointId> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + i * step;
  return ids;
}

void ExpectOk(const Status& status) {
  EXPECT_TRUE(status.ok()) << ErrorCodeName(status.code()) << ": " << status.message();
}

Status Save(const Table& table, MemoryFiles& files, std::string creator = "a test") {
  return SaveTable(table, kPath, {.creator = std::move(creator), .files = &files});
}

Result<std::unique_ptr<Table>> Load(MemoryFiles& files, ThreadPool* pool = nullptr) {
  return LoadTable(kPath, Kernels(), pool,
                   {.threads = pool == nullptr ? 1 : pool->threads(), .files = &files});
}

Bytes SavedBytes(const Table& table) {
  MemoryFiles files;
  ExpectOk(Save(table, files));
  return files.Get(kPath);
}

Result<std::unique_ptr<Table>> LoadBytes(Bytes bytes) {
  MemoryFiles files;
  files.Put(kPath, std::move(bytes));
  return Load(files);
}

std::vector<Hit> SearchHits(const Table& table, const float* query,
                            const SearchParameters& parameters) {
  std::vector<Hit> hits(parameters.k);
  const Result<size_t> found = table.Search(query, parameters, hits);
  EXPECT_TRUE(found.ok());
  hits.resize(found.ok() ? *found : 0);
  return hits;
}

bool SameHits(const std::vector<Hit>& a, const std::vector<Hit>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Hit& x, const Hit& y) {
    return x.id == y.id && std::memcmp(&x.distance, &y.distance, sizeof(float)) == 0;
  });
}

// What a user could tell two tables apart by, but for the walk through the graph.
void ExpectSamePoints(const Table& loaded, const Table& saved) {
  EXPECT_EQ(loaded.size(), saved.size());
  EXPECT_EQ(loaded.dimension(), saved.dimension());
  EXPECT_EQ(loaded.metric(), saved.metric());
  EXPECT_EQ(loaded.id_type(), saved.id_type());
  EXPECT_EQ(loaded.options().graph.m, saved.options().graph.m);
  EXPECT_EQ(loaded.options().graph.ef_construction, saved.options().graph.ef_construction);
  EXPECT_EQ(loaded.options().graph.seed, saved.options().graph.seed);
  EXPECT_EQ(loaded.options().capacity, saved.options().capacity);
  const std::vector<PointId> ids = saved.Ids();
  ASSERT_EQ(loaded.Ids(), ids);
  std::vector<float> expected(ids.size() * saved.dimension());
  std::vector<float> actual(expected.size());
  ExpectOk(saved.Get(ids, expected));
  ExpectOk(loaded.Get(ids, actual));
  if (!ids.empty()) {
    EXPECT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0);
  }
  const std::vector<float> queries = RandomVectors(20, saved.dimension(), 99);
  const auto some = IdsFrom(0, 60, 3);
  const auto loaded_set = loaded.MakeIdSet(some);
  const auto saved_set = saved.MakeIdSet(some);
  for (size_t i = 0; i < 20; ++i) {
    const float* query = queries.data() + i * saved.dimension();
    EXPECT_TRUE(SameHits(SearchHits(loaded, query, {.k = 25, .exact = true}),
                         SearchHits(saved, query, {.k = 25, .exact = true})));
    EXPECT_TRUE(
        SameHits(SearchHits(loaded, query, {.k = 25, .exact = true, .filter = loaded_set->get()}),
                 SearchHits(saved, query, {.k = 25, .exact = true, .filter = saved_set->get()})));
  }
}

void ExpectSameWalks(const Table& loaded, const Table& saved) {
  const std::vector<float> queries = RandomVectors(50, saved.dimension(), 98);
  for (size_t i = 0; i < 50; ++i) {
    const float* query = queries.data() + i * saved.dimension();
    for (const size_t ef : {1, 10, 64}) {
      EXPECT_TRUE(SameHits(SearchHits(loaded, query, {.k = 10, .ef = ef}),
                           SearchHits(saved, query, {.k = 10, .ef = ef})))
          << "query " << i << " ef " << ef;
    }
  }
}

// Points, some of which are equal, and under every metric a zero vector or two.
std::unique_ptr<Table> MakeMixedTable(const Shape& shape, size_t count) {
  auto table = MakeTable(shape);
  std::vector<float> vectors = RandomVectors(count, shape.dimension, 1);
  for (size_t i = 5; i < count; i += 7) {
    std::copy_n(vectors.begin() + static_cast<ptrdiff_t>((i / 2) * shape.dimension),
                shape.dimension, vectors.begin() + static_cast<ptrdiff_t>(i * shape.dimension));
  }
  for (size_t i = 3; i < count; i += count / 2) {
    std::fill_n(vectors.begin() + static_cast<ptrdiff_t>(i * shape.dimension), shape.dimension,
                0.f);
  }
  ExpectOk(table->Add(IdsFrom(0, count, 2), vectors));
  return table;
}

class TableFileShapes : public testing::TestWithParam<std::tuple<Metric, IdType>> {
 protected:
  Shape shape(size_t dimension) const {
    const auto [metric, id_type] = GetParam();
    return {.dimension = dimension, .metric = metric, .id_type = id_type};
  }
};

TEST_P(TableFileShapes, ComeBackWithTheSameAnswers) {
  for (const size_t dimension : {2, 7, 16, 65}) {
    const auto saved = MakeMixedTable(shape(dimension), 600);
    ExpectOk(saved->Sweep());  // loading links what no walk reaches: here there is nothing to link
    ASSERT_EQ(saved->CountUnreachable(), 0u);
    MemoryFiles files;
    ExpectOk(Save(*saved, files));
    const auto loaded = Load(files);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    ExpectSamePoints(**loaded, *saved);
    ExpectSameWalks(**loaded, *saved);
    EXPECT_EQ((*loaded)->CountUnreachable(), 0u);
    // The file has one encoding: what was loaded is saved as the same bytes.
    EXPECT_EQ(SavedBytes(**loaded), files.Get(kPath));
  }
}

TEST_P(TableFileShapes, ComeBackWithOneDimension) {
  const auto saved = MakeMixedTable(shape(1), 600);
  const auto loaded = LoadBytes(SavedBytes(*saved));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *saved);
}

TEST_P(TableFileShapes, ComeBackAfterRemovalsAndReplacements) {
  const auto saved = MakeMixedTable(shape(8), 600);
  // Owners whose guests stay, guests whose owner stays, whole rows; then new vectors for some.
  std::vector<PointId> removed;
  for (PointId id = 0; id < 1200; id += 6) removed.push_back(id);
  ASSERT_TRUE(saved->Remove(removed).ok());
  ExpectOk(saved->Upsert(IdsFrom(2, 50, 12), RandomVectors(50, 8, 5)));
  const auto loaded = LoadBytes(SavedBytes(*saved));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *saved);
  EXPECT_EQ((*loaded)->CountUnreachable(), 0u);

  // A loaded table is written to like any other.
  Table& table = **loaded;
  const std::vector<PointId> rest = table.Ids();
  const auto half = std::span(rest).first(rest.size() / 2);
  const auto gone = table.Remove(half);
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(*gone, half.size());
  ExpectOk(table.Sweep());
  ExpectOk(table.Add(IdsFrom(5000, 300), RandomVectors(300, 8, 6)));
  EXPECT_EQ(table.size(), rest.size() - half.size() + 300);
  EXPECT_EQ(table.CountUnreachable(), 0u);
  std::vector<PointId> expected(rest.begin() + static_cast<ptrdiff_t>(half.size()), rest.end());
  for (PointId id = 5000; id < 5300; ++id) expected.push_back(id);
  EXPECT_EQ(table.Ids(), expected);
  ASSERT_TRUE(table.Remove(expected).ok());
  EXPECT_EQ(table.size(), 0u);
}

TEST_P(TableFileShapes, AreWhollyReachableWhenEmpty) {
  const auto saved = MakeTable(shape(5));
  const auto loaded = LoadBytes(SavedBytes(*saved));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *saved);
  ExpectOk((*loaded)->Add(IdsFrom(0, 50), RandomVectors(50, 5, 1)));
  EXPECT_EQ(SearchHits(**loaded, RandomVectors(1, 5, 2).data(), {.k = 50}).size(), 50u);
}

INSTANTIATE_TEST_SUITE_P(
    All, TableFileShapes,
    testing::Combine(testing::Values(Metric::kL2, Metric::kCosine, Metric::kIp),
                     testing::Values(IdType::kU32, IdType::kU64)),
    [](const auto& info) {
      return std::string(kMetricNames[static_cast<size_t>(std::get<0>(info.param))]) +
             (std::get<1>(info.param) == IdType::kU32 ? "U32" : "U64");
    });

}  // namespace
}  // namespace vitrine
