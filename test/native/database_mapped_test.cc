// Collections whose vectors stay in the files of their checkpoints: they are what others are, and
// memory has what was written since.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_mapped_test {
namespace {

constexpr size_t kDimension = 192;
constexpr size_t kPoints = 1100;
constexpr size_t kVectorBytes = kDimension * sizeof(float);
// Memory is had by so much at least.
constexpr size_t kGroupBytes = 8 * kVectorBytes;

using Answer = std::pair<uint64_t, float>;

class MappedCollection : public testing::TestWithParam<Metric> {
 protected:
  void SetUp() override {
    Open();
    for (const auto& [name, place] :
         {std::pair("mapped", VectorPlace::kMapped), {"twin", VectorPlace::kMemory}}) {
      const CollectionConfig config{.dimension = kDimension,
                                    .metric = GetParam(),
                                    .m = 8,
                                    .ef_construction = 40,
                                    .quantization = Quantization::kSq8,
                                    .vectors = place};
      ASSERT_TRUE(database_->CreateCollection(name, config).ok());
    }
    vectors_ = NormalVectors(kPoints, kDimension, TestSeed());
    // An equal vector, which shares a row, and one without a direction.
    std::copy_n(vectors_.begin() + 40 * kDimension, kDimension, vectors_.begin() + 70 * kDimension);
    std::fill_n(vectors_.begin() + 90 * kDimension, kDimension, 0.0f);
  }

  void Open() {
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  void Reopen() {
    if (database_ != nullptr) {
      ASSERT_TRUE(database_->Close().ok());
    }
    database_.reset();
    Open();
  }
  void MaintainAll() {
    while (database_->Maintain()) {
    }
  }
  void Checkpoint() {
    ASSERT_TRUE(database_->Checkpoint().ok());
    MaintainAll();
  }

  std::shared_ptr<Collection> Find(const char* name) const {
    return *database_->FindCollection(name);
  }
  std::vector<float> VectorOf(size_t i) const {
    const auto begin = vectors_.begin() + static_cast<ptrdiff_t>(i * kDimension);
    return {begin, begin + kDimension};
  }
  // Puts into each collection points [first, first + count) with the vectors from `from` on.
  Status Put(uint64_t first, size_t count, size_t from) {
    Transaction transaction;
    for (const char* name : {"mapped", "twin"}) {
      for (size_t i = 0; i < count; ++i) {
        AddPut(transaction, *Find(name), {false, first + i, {}}, VectorOf(from + i),
               std::to_string(from + i));
      }
    }
    const auto result = database_->Write(std::move(transaction));
    return result.ok() ? Status() : result.status();
  }
  Status Delete(uint64_t first, size_t count) {
    Transaction transaction;
    for (const char* name : {"mapped", "twin"}) {
      for (size_t i = 0; i < count; ++i) {
        AddDelete(transaction, *Find(name), {false, first + i, {}});
      }
    }
    const auto result = database_->Write(std::move(transaction));
    return result.ok() ? Status() : result.status();
  }

  // The keys and distances that some searches find, or why one failed.
  Result<std::vector<Answer>> Answers(const char* name, bool exact) const {
    const std::vector<float> queries = NormalVectors(12, kDimension, 99);
    std::vector<Answer> answers;
    for (size_t i = 0; i < 12; ++i) {
      CollectionQuery query;
      query.vector = queries.data() + i * kDimension;
      query.parameters = {.k = 10, .ef = exact ? 0u : 60u, .exact = exact};
      query.select.payload = false;
      const auto hits = Find(name)->Search(query);
      if (!hits.ok()) return hits.status();
      for (const CollectionHit& hit : *hits) {
        answers.emplace_back(hit.point.view().key().number, hit.distance);
      }
    }
    return answers;
  }
  // Both collections hold the same, and say so in every way.
  void ExpectTwins() const {
    const DatabaseModel contents = ContentsOf(*database_);
    EXPECT_TRUE(contents.collections.at("mapped").points == contents.collections.at("twin").points);
    EXPECT_EQ(DistancesOf(*Answers("mapped", true)), DistancesOf(*Answers("twin", true)));
  }
  // Which of points with equal vectors comes first is not the same in both.
  static std::vector<float> DistancesOf(const std::vector<Answer>& answers) {
    std::vector<float> distances;
    for (const auto& [key, distance] : answers) distances.push_back(distance);
    return distances;
  }
  size_t MemoryOf(const char* name) const { return Find(name)->table().memory().vectors; }
  // What goes with each row beside its vector: a factor, its place, a bit or two.
  static size_t BesideRows(size_t rows) { return rows * 9 + 2048; }

  std::string NewestPoints() const {
    const std::string one = CheckpointName(1, Find("mapped")->id(), PartFile::kPrimary);
    const std::string ending = one.substr(one.rfind('-'));
    std::string newest;
    for (const std::string& path : files_.names()) {
      if (path.ends_with(ending)) newest = std::max(newest, path);
    }
    return newest;
  }

  FaultFiles files_{TestSeed()};
  std::vector<float> vectors_;
  std::unique_ptr<Database> database_;
};

TEST_P(MappedCollection, LeavesItsVectorsInTheNewestCheckpoint) {
  ASSERT_TRUE(Put(0, kPoints, 0).ok());
  EXPECT_GE(MemoryOf("mapped"), (kPoints - 1) * kVectorBytes);
  const auto before = *Answers("mapped", false);
  Checkpoint();
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints) + 2 * kGroupBytes);
  // One row is shared.
  EXPECT_GE(MemoryOf("twin"), (kPoints - 1) * kVectorBytes);
  EXPECT_EQ(*Answers("mapped", false), before);
  ExpectTwins();
  Reopen();
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints));
  EXPECT_EQ(*Answers("mapped", false), before);
  MaintainAll();
  EXPECT_TRUE(Find("mapped")->table().settled());
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints));
  EXPECT_EQ(*Answers("mapped", false), before);
  ExpectTwins();
  EXPECT_TRUE(database_->Verify()->empty());
}

TEST_P(MappedCollection, HasInMemoryWhatIsWrittenUntilTheNextCheckpoint) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  Reopen();
  // New points, new vectors for old ones, and what is gone.
  ASSERT_TRUE(Put(1000, 50, 1000).ok());
  ASSERT_TRUE(Put(200, 50, 1050).ok());
  ASSERT_TRUE(Delete(500, 50).ok());
  EXPECT_GE(MemoryOf("mapped"), 100 * kVectorBytes);
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints) + 110 * kVectorBytes);
  ExpectTwins();
  Checkpoint();
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints) + 4 * kGroupBytes);
  ExpectTwins();
  Reopen();
  ExpectTwins();
}

// Rows that are free again are written over, in memory, though they lie in the file.
TEST_P(MappedCollection, UsesRowsOfTheFileAgain) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  Reopen();
  const auto collection = Find("mapped");
  ASSERT_TRUE(Delete(0, 300).ok());
  ASSERT_TRUE(collection->table().Sweep().ok());
  ASSERT_TRUE(Find("twin")->table().Sweep().ok());
  const size_t before = MemoryOf("mapped");
  ASSERT_TRUE(Put(2000, 100, 1000).ok());
  EXPECT_GE(MemoryOf("mapped"), before + 100 * kVectorBytes);
  // No more rows than there were: some of the file's are in use again.
  EXPECT_LE(collection->table().memory().ids, Find("twin")->table().memory().ids);
  ExpectTwins();
  Checkpoint();
  ExpectTwins();
  Reopen();
  ExpectTwins();
}

TEST_P(MappedCollection, KeepsWhatAReaderHasInHand) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  {
    const auto collection = Find("mapped");
    Collection::Image first(*collection);
    const std::byte* const row = *first.Vector(7);
    const std::vector<std::byte> vector(row, row + kVectorBytes);
    ASSERT_TRUE(database_->Checkpoint().ok());
    // There is more to do, for who holds the image is not done.
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(database_->Maintain());
    EXPECT_GE(MemoryOf("mapped"), 1000 * kVectorBytes);
    EXPECT_TRUE(std::equal(vector.begin(), vector.end(), row));
    // And of files: one goes over into the next.
    ASSERT_TRUE(Delete(0, 10).ok());
    Collection::Image second(*collection);
    const std::byte* const mapped = *second.Vector(7);
    EXPECT_NE(mapped, row);
    const std::vector<std::byte> other(mapped, mapped + kVectorBytes);
    ASSERT_TRUE(database_->Checkpoint().ok());
    ASSERT_TRUE(database_->Checkpoint().ok());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(database_->Maintain());
    EXPECT_TRUE(std::equal(vector.begin(), vector.end(), row));
    EXPECT_TRUE(std::equal(other.begin(), other.end(), mapped));
  }
  MaintainAll();
  // Rows whose points are gone are in no file, and walks pass them until they are swept away.
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints) + 12 * kGroupBytes);
  ExpectTwins();
}

TEST_P(MappedCollection, GivesBackTheMemoryOfFreeRows) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  ASSERT_TRUE(Delete(0, 700).ok());
  for (const char* name : {"mapped", "twin"}) ASSERT_TRUE(Find(name)->table().Sweep().ok());
  Checkpoint();
  EXPECT_LT(MemoryOf("mapped"), BesideRows(kPoints) + 2 * kGroupBytes);
  ASSERT_TRUE(Put(0, 700, 300).ok());
  EXPECT_GE(MemoryOf("mapped"), 600 * kVectorBytes);
  ExpectTwins();
}

// What was damaged since it was mapped is not copied into the next checkpoint with a checksum that
// holds; and the one before has it all.
TEST_P(MappedCollection, CopiesNoDamage) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  Checkpoint();
  ASSERT_TRUE(Put(1000, 10, 1000).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  // A bit of a component's fraction, which nothing else would notice.
  files_.Damage(NewestPoints(), files_.Get(NewestPoints()).size() / 2);
  const Status refused = database_->Checkpoint();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), ErrorCode::kCorrupt) << refused.message();
  ASSERT_TRUE(Put(1010, 10, 1010).ok());
  Reopen();
  EXPECT_TRUE(database_->degraded());
  EXPECT_EQ(Find("mapped")->size(), 1020u);
  ExpectTwins();
  ASSERT_TRUE(Delete(1010, 10).ok());
  EXPECT_TRUE(ContentsOf(*database_).collections.at("mapped").points ==
              contents.collections.at("mapped").points);
  Checkpoint();
  Checkpoint();
  EXPECT_FALSE(database_->degraded());
  EXPECT_TRUE(database_->Verify()->empty());
}

// Once damage is known, whoever meets it is told; and nothing is lost.
TEST_P(MappedCollection, SaysWhatIsDamagedOnceThatIsFound) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  Checkpoint();
  const std::string path = NewestPoints();
  const size_t bytes = files_.Get(path).size();
  for (size_t tenth = 3; tenth < 10; ++tenth) files_.Damage(path, bytes * tenth / 10);
  EXPECT_TRUE(Answers("mapped", true).ok()) << "nobody has looked";
  const auto scrubbed = database_->Scrub();
  ASSERT_FALSE(scrubbed.ok());
  EXPECT_EQ(scrubbed.status().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(database_->degraded());
  const auto answers = Answers("mapped", true);
  ASSERT_FALSE(answers.ok());
  EXPECT_EQ(answers.status().code(), ErrorCode::kCorrupt);
  const Status written = Put(3, 1, 3);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.code(), ErrorCode::kCorrupt);
  EXPECT_EQ(WriteOutcomeOf(written), "not_applied");
  EXPECT_TRUE(Answers("twin", true).ok());
  ASSERT_TRUE(database_->Close().ok());
  database_.reset();
  Reopen();
  ExpectTwins();
  EXPECT_TRUE(Put(3, 1, 3).ok());
  Checkpoint();
  EXPECT_FALSE(database_->degraded());
  EXPECT_TRUE(database_->Verify()->empty());
}

TEST_P(MappedCollection, VerifiesWhatIsNotTrusted) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  ASSERT_TRUE(Put(0, 20, 1000).ok());
  TableRemap(Find("mapped")->table()).Distrust();
  ExpectTwins();
  TableRemap(Find("mapped")->table()).Distrust();
  ASSERT_TRUE(Put(20, 20, 1020).ok());
  ExpectTwins();
  Checkpoint();
  ExpectTwins();
}

// The newest file does not have them, and nobody else either.
TEST_P(MappedCollection, KeepsWhatWasTakenAwayForOlderReaders) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  auto image = std::make_unique<Collection::Image>(*Find("mapped"));
  ASSERT_EQ(image->size(), 1000u);
  const auto vectors_now = [&] {
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < image->size(); ++i) {
      const std::byte* const row = *image->Vector(i);
      bytes.insert(bytes.end(), row, row + kVectorBytes);
    }
    return bytes;
  };
  const std::vector<std::byte> vectors = vectors_now();
  ASSERT_TRUE(Delete(100, 300).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  EXPECT_TRUE(vectors_now() == vectors);
  image.reset();
  MaintainAll();
  ExpectTwins();
}

// Damage of the generation before is healed from the newest, as ever.
TEST_P(MappedCollection, HealsTheGenerationBefore) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  Checkpoint();
  const std::string before = NewestPoints();
  ASSERT_TRUE(Put(3, 1, 4).ok());
  Checkpoint();
  ASSERT_NE(NewestPoints(), before);
  files_.Damage(before, files_.Get(before).size() / 2);
  const auto damages = database_->Scrub();
  ASSERT_TRUE(damages.ok()) << damages.status().message();
  EXPECT_EQ(damages->size(), 1u);
  MaintainAll();
  EXPECT_FALSE(database_->degraded());
  ExpectTwins();
  EXPECT_TRUE(Put(4, 1, 5).ok());
  EXPECT_TRUE(database_->Verify()->empty());
}

TEST_P(MappedCollection, StaysWhereItIsWhenTheFileCannotBeMapped) {
  ASSERT_TRUE(Put(0, 1000, 0).ok());
  // The call that maps is the last but a few of a checkpoint: whichever fails, all is well.
  const uint64_t begin = files_.operations();
  Checkpoint();
  const uint64_t calls = files_.operations() - begin;
  ASSERT_TRUE(Put(1000, 5, 1000).ok());
  for (uint64_t back = 1; back < std::min<uint64_t>(calls, 25); back += 3) {
    ASSERT_TRUE(Put(1000, 5, 1000 + back).ok());
    files_.FailAt(files_.operations() + calls - back, EIO);
    (void)database_->Checkpoint();
    files_.FailAt(UINT64_MAX, 0);
    MaintainAll();
    ASSERT_NO_FATAL_FAILURE(ExpectTwins());
  }
}

// A model of it, whatever is done to it.
TEST_P(MappedCollection, IsItsTwinWhateverHappens) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  std::vector<std::pair<std::unique_ptr<Collection::Image>, std::vector<std::byte>>> readers;
  ASSERT_TRUE(Put(0, 400, 0).ok());
  for (size_t round = 0; round < Rounds(400, 60); ++round) {
    const uint64_t dice = random() % 12;
    const size_t count = 1 + random() % 30;
    const uint64_t first = random() % 450;
    if (dice < 5) {
      ASSERT_TRUE(Put(first, count, random() % (kPoints - 30)).ok());
    } else if (dice < 7) {
      ASSERT_TRUE(Delete(first, count).ok());
    } else if (dice < 8) {
      ASSERT_TRUE(database_->Checkpoint().ok());
    } else if (dice < 9) {
      for (const char* name : {"mapped", "twin"}) ASSERT_TRUE(Find(name)->table().Sweep().ok());
    } else if (dice < 10) {
      (void)database_->Maintain();
    } else if (dice < 11 && readers.size() < 3) {
      auto image = std::make_unique<Collection::Image>(*Find("mapped"));
      if (image->size() == 0) continue;
      const std::byte* const row = *image->Vector(image->size() / 2);
      std::vector<std::byte> vector(row, row + kVectorBytes);
      readers.emplace_back(std::move(image), std::move(vector));
    } else {
      for (const auto& [image, vector] : readers) {
        EXPECT_TRUE(std::equal(vector.begin(), vector.end(), *image->Vector(image->size() / 2)));
      }
      readers.clear();
      if (random() % 2 == 0) Reopen();
    }
    if (round % 8 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectTwins());
    }
  }
  readers.clear();
  ExpectTwins();
  EXPECT_EQ(Find("mapped")->table().CountUnreachable(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Metrics, MappedCollection, testing::Values(Metric::kL2, Metric::kCosine),
                         [](const auto& info) {
                           return std::string(kMetricNames[static_cast<size_t>(info.param)]);
                         });

TEST(MappedConfig, IsStoredAndCompared) {
  FaultFiles files(TestSeed());
  const CollectionConfig config{
      .dimension = 3, .m = 4, .ef_construction = 20, .vectors = VectorPlace::kMapped};
  for (int i = 0; i < 2; ++i) {
    auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE((*opened)->CreateCollection("c", config).ok());
    EXPECT_EQ((*(*opened)->FindCollection("c"))->config().vectors, VectorPlace::kMapped);
    CollectionConfig other = config;
    other.vectors = VectorPlace::kMemory;
    EXPECT_EQ((*opened)->CreateCollection("c", other).status().code(), ErrorCode::kExists);
    if (i == 0) {
      ASSERT_TRUE((*opened)->Checkpoint().ok());
    }
    ASSERT_TRUE((*opened)->Close().ok());
  }
  std::vector<std::byte> bytes = EncodeCollectionConfig(config);
  EXPECT_TRUE(*DecodeCollectionConfig(bytes, "c") == config);
  bytes[28] = std::byte{2};
  EXPECT_EQ(DecodeCollectionConfig(bytes, "c").status().code(), ErrorCode::kFormat);
}

}  // namespace
}  // namespace vitrine::database_mapped_test
