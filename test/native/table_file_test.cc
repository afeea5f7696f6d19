#include "engine/table_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "table_file_support.h"

namespace vitrine::table_file_test {
namespace {

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
  auto table = MakeShaped(shape);
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
  const auto saved = MakeShaped(shape(5));
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

// Ids at the ends of their types, and what is given out after them.
TEST(TableFile, KeepsTheNextIdAndTheExtremes) {
  for (const IdType id_type : {IdType::kU32, IdType::kU64}) {
    const auto saved = MakeShaped({.dimension = 2, .id_type = id_type});
    const PointId last = id_type == IdType::kU32 ? UINT32_MAX : UINT64_MAX;
    ExpectOk(saved->Add(std::vector<PointId>{0, 41}, RandomVectors(2, 2, 1)));
    ASSERT_TRUE(saved->Remove(std::vector<PointId>{41}).ok());
    const auto loaded = LoadBytes(SavedBytes(*saved));
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    std::vector<PointId> ids;
    ExpectOk((*loaded)->AddNumbered(1, RandomVectors(1, 2, 2), ids));
    EXPECT_EQ(ids, std::vector<PointId>{42});

    ExpectOk(saved->Add(std::vector<PointId>{last}, RandomVectors(1, 2, 3)));
    const auto full = LoadBytes(SavedBytes(*saved));
    ASSERT_TRUE(full.ok()) << full.status().message();
    EXPECT_TRUE((*full)->Has(last));
    if (id_type == IdType::kU32) {
      EXPECT_EQ((*full)->AddNumbered(1, RandomVectors(1, 2, 2), ids).code(), ErrorCode::kId);
    }
  }
}

TEST(TableFile, GivesTheSameTableOnAnyNumberOfThreads) {
  const Shape shape{.dimension = 200, .metric = Metric::kCosine};
  const auto saved = MakeMixedTable(shape, 3000);
  ExpectOk(saved->Sweep());
  MemoryFiles files;
  ExpectOk(Save(*saved, files));
  ThreadPool pool(4);
  const auto loaded = Load(files, &pool);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *saved);
  EXPECT_EQ(SavedBytes(**loaded), files.Get(kPath));
}

class TableFileOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string PathOf(const std::string& name) const { return (folder_ / name).string(); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::filesystem::path folder_;
};

TEST_F(TableFileOnDisk, IsReplacedByTheNextSave) {
  const auto first = MakeMixedTable({.dimension = 5}, 100);
  const auto second = MakeMixedTable({.dimension = 6}, 200);
  const std::string path = PathOf("index");
  ExpectOk(SaveTable(*first, path));
  ExpectOk(SaveTable(*second, path));
  const auto loaded = LoadTable(path, BestKernels(), nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *second);
  EXPECT_EQ(Names(), std::vector<std::string>{"index"});
}

TEST_F(TableFileOnDisk, AvoidsNamesThatAreTaken) {
  const std::string path = PathOf("index");
  const std::string taken = path + ".tmp-" + std::to_string(getpid()) + "-0";
  { std::ofstream(taken) << "somebody else's"; }
  ExpectOk(SaveTable(*MakeMixedTable({.dimension = 5}, 100), path));
  EXPECT_EQ(std::filesystem::file_size(taken), 15u);
  EXPECT_EQ(Names().size(), 2u);
}

TEST_F(TableFileOnDisk, SaysWhichPathCannotBeUsed) {
  const auto table = MakeMixedTable({.dimension = 5}, 100);
  const auto expect_io = [](const Status& status, const std::string& path) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), ErrorCode::kIo) << status.message();
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  };
  expect_io(LoadTable(PathOf("missing"), BestKernels(), nullptr).status(), PathOf("missing"));
  expect_io(LoadTable(folder_.string(), BestKernels(), nullptr).status(), folder_.string());
  expect_io(LoadTable("/dev/zero", BestKernels(), nullptr).status(), "/dev/zero");
  ASSERT_EQ(mkfifo(PathOf("pipe").c_str(), 0600), 0);
  expect_io(LoadTable(PathOf("pipe"), BestKernels(), nullptr).status(), PathOf("pipe"));
  expect_io(SaveTable(*table, PathOf("missing/index")), PathOf("missing/index"));
  std::filesystem::create_directory(PathOf("folder"));
  expect_io(SaveTable(*table, PathOf("folder")), PathOf("folder"));
  EXPECT_EQ(Names().size(), 2u);  // pipe and folder

  for (const std::string& path : {std::string(), std::string("a\0b", 3)}) {
    EXPECT_EQ(SaveTable(*table, path).code(), ErrorCode::kArgument);
    EXPECT_EQ(LoadTable(path, BestKernels(), nullptr).status().code(), ErrorCode::kArgument);
  }
}

TEST_F(TableFileOnDisk, SavesToOnePathFromManyThreads) {
  const std::string path = PathOf("index");
  std::vector<std::unique_ptr<Table>> tables;
  for (size_t i = 0; i < 4; ++i) tables.push_back(MakeMixedTable({.dimension = i + 1}, 100));
  std::vector<std::thread> threads;
  for (const auto& table : tables) {
    threads.emplace_back([&path, &table] {
      for (int i = 0; i < 5; ++i) ExpectOk(SaveTable(*table, path));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto loaded = LoadTable(path, BestKernels(), nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *tables[(*loaded)->dimension() - 1]);
  EXPECT_EQ(Names(), std::vector<std::string>{"index"});
}

TEST(TableFile, StopsWhenCancelled) {
  const auto table = MakeMixedTable({.dimension = 100}, 2000);
  MemoryFiles files;
  ExpectOk(Save(*table, files));
  const Bytes before = files.Get(kPath);
  // Raised from the start, and in the middle of the writing and of the reading back.
  for (const char* operation : {"create", "sync", "read"}) {
    std::atomic<bool> cancelled{false};
    files.before = [&](const std::string& now) {
      if (now == operation) cancelled = true;
      return Status();
    };
    const Status status = SaveTable(*table, kPath, {.cancelled = &cancelled, .files = &files});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), ErrorCode::kCancelled);
    EXPECT_EQ(files.Get(kPath), before);
    EXPECT_EQ(files.Names().size(), 1u);
  }
  std::atomic<bool> cancelled{false};
  files.before = [&](const std::string& now) {
    if (now == "read") cancelled = true;
    return Status();
  };
  const auto loaded =
      LoadTable(kPath, BestKernels(), nullptr, {.cancelled = &cancelled, .files = &files});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), ErrorCode::kCancelled);
}

// One writer adds batches, another replaces, removes and brings back its own; each batch is a chunk
// of the table, so an image has all of it or nothing.
TEST(TableFile, IsWholeWhileWritersRun) {
  constexpr size_t kBatch = 64;
  constexpr size_t kDimension = 6;
  constexpr size_t kRounds = Scaled(20, 5);
  constexpr size_t kBatches = 10 * kRounds;
  constexpr size_t kReplaced = 4;
  constexpr PointId kSecond = 1'000'000;
  // Every vector tells its point and its generation.
  const auto vectors_of = [](const std::vector<PointId>& ids, uint32_t generation) {
    std::vector<float> vectors;
    for (const PointId id : ids) {
      vectors.push_back(static_cast<float>(id % 1000) / 1000);
      vectors.push_back(static_cast<float>(generation) / 65536);  // exact
      uint64_t noise = id * 1000 + generation;
      while (vectors.size() % kDimension != 0) {
        noise = noise * 6364136223846793005u + 1442695040888963407u;  // Knuth's generator
        vectors.push_back(static_cast<float>(noise >> 40) / static_cast<float>(1 << 24));
      }
    }
    return vectors;
  };
  ThreadPool pool(2);
  const auto table = MakeShaped({.dimension = kDimension, .id_type = IdType::kU64, .m = 16}, &pool);
  std::atomic<bool> stop{false};
  std::atomic<size_t> writes{0};
  std::thread adder([&] {
    for (PointId batch = 0; !stop && batch < kBatches; ++batch) {
      const auto ids = IdsFrom(batch * kBatch, kBatch);
      ExpectOk(table->Add(ids, vectors_of(ids, 0)));
      ++writes;
    }
  });
  std::thread replacer([&] {
    for (uint32_t generation = 0; !stop; ++generation) {
      const auto ids = IdsFrom(kSecond + generation % kReplaced * kBatch, kBatch);
      if (generation % 3 == 2) {
        ASSERT_TRUE(table->Remove(ids).ok());
      } else {
        ExpectOk(table->Upsert(ids, vectors_of(ids, generation)));
      }
      ++writes;
    }
  });

  size_t batches_before = 0;
  size_t writes_during_saves = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    while (table->size() < round * kBatches / kRounds * kBatch) std::this_thread::yield();
    MemoryFiles files;
    const size_t size_before = table->size();
    const size_t writes_before = writes;
    ExpectOk(Save(*table, files));
    writes_during_saves += writes - writes_before;
    const auto loaded = Load(files);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    const std::vector<PointId> ids = (*loaded)->Ids();
    ASSERT_EQ(ids.size() % kBatch, 0u);
    std::vector<float> vectors(ids.size() * kDimension);
    ExpectOk((*loaded)->Get(ids, vectors));
    size_t added = 0;
    for (size_t i = 0; i < ids.size(); i += kBatch) {
      // Whole, and of one generation, bit for bit.
      const auto batch = IdsFrom(ids[i], kBatch);
      ASSERT_TRUE(std::equal(batch.begin(), batch.end(), ids.begin() + static_cast<ptrdiff_t>(i)));
      const auto generation = static_cast<uint32_t>(vectors[i * kDimension + 1] * 65536);
      const std::vector<float> expected = vectors_of(batch, generation);
      ASSERT_EQ(std::memcmp(expected.data(), vectors.data() + i * kDimension,
                            expected.size() * sizeof(float)),
                0);
      if (ids[i] < kSecond) {
        ASSERT_EQ(ids[i], added * kBatch);  // a prefix of what was added
        ++added;
      }
    }
    EXPECT_GE(added, batches_before);
    EXPECT_GE(added * kBatch + kReplaced * kBatch, size_before);
    batches_before = added;
    EXPECT_EQ((*loaded)->CountUnreachable(), 0u);
    // Nearly each finds itself: how nearly is up to the graph, which churns meanwhile.
    size_t found = 0;
    for (size_t i = 0; i < ids.size(); i += 7) {
      const auto hits = SearchHits(**loaded, vectors.data() + i * kDimension, {.k = 1});
      found += hits.size() == 1 && hits[0].id == ids[i];
    }
    EXPECT_GE(found * 100, ids.size() / 7 * 85);
  }
  stop = true;
  adder.join();
  replacer.join();
  EXPECT_GT(writes_during_saves, 0u);

  ExpectOk(table->Sweep());
  const auto loaded = LoadBytes(SavedBytes(*table));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ExpectSamePoints(**loaded, *table);
  ExpectSameWalks(**loaded, *table);
}

}  // namespace
}  // namespace vitrine::table_file_test
