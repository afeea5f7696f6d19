// What opening leaves in files: searches and reads bring what they need, writes everything, and
// what cannot be brought any more is an error of who needs it.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_settle_test {
namespace {

constexpr size_t kDimension = 192;
constexpr size_t kPoints = 1000;

struct Setting {
  Metric metric;
  bool are_bytes;  // the components, whole numbers from 0 to 255, which are compared as such
};

class UnsettledDatabase : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok());
    const CollectionConfig config{.dimension = kDimension,
                                  .metric = GetParam().metric,
                                  .m = 16,
                                  .ef_construction = 60,
                                  .quantization = Quantization::kSq8};
    ASSERT_TRUE((*opened)->CreateCollection("c", config).ok());
    vectors_ = MakeVectors(kPoints, TestSeed());
    // An equal vector, which shares a row, and one without a direction.
    std::copy_n(vectors_.begin() + 40 * kDimension, kDimension, vectors_.begin() + 70 * kDimension);
    std::fill_n(vectors_.begin() + 90 * kDimension, kDimension, 0.0f);
    Transaction transaction;
    const auto collection = *(*opened)->FindCollection("c");
    for (uint64_t i = 0; i < kPoints; ++i) {
      AddPut(transaction, *collection, {false, i, {}}, VectorOf(i), "payload");
    }
    ASSERT_TRUE((*opened)->Write(std::move(transaction)).ok());
    ASSERT_TRUE((*opened)->Checkpoint().ok());
    ASSERT_TRUE((*opened)->Checkpoint().ok());
    contents_ = ContentsOf(**opened);
    ASSERT_TRUE((*opened)->Close().ok());
    Open();
    SettleAll();
    answers_ = Answers(*collection_);
    Shut();
  }

  void Open() {
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
    collection_ = *database_->FindCollection("c");
    ASSERT_FALSE(collection_->table().settled());
  }
  void Shut() {
    collection_.reset();
    ASSERT_TRUE(database_->Close().ok());
    database_.reset();
  }
  void SettleAll() {
    while (database_->Maintain()) {
    }
  }

  static std::vector<float> MakeVectors(size_t count, uint64_t seed) {
    std::vector<float> vectors = NormalVectors(count, kDimension, seed);
    if (!GetParam().are_bytes) return vectors;
    for (float& component : vectors) {
      component = std::clamp(std::round(128 + 40 * component), 0.0f, 255.0f);
    }
    return vectors;
  }
  std::vector<float> VectorOf(uint64_t i) const {
    const auto begin = vectors_.begin() + static_cast<ptrdiff_t>(i * kDimension);
    return {begin, begin + kDimension};
  }

  // The keys and distances that some searches find.
  std::vector<std::pair<uint64_t, float>> Answers(const Collection& collection) const {
    const std::vector<float> queries = MakeVectors(20, 99);
    std::vector<std::pair<uint64_t, float>> answers;
    for (size_t i = 0; i < 20; ++i) {
      CollectionQuery query;
      query.vector = queries.data() + i * kDimension;
      query.parameters = {.k = 10, .ef = 40};
      const auto hits = collection.Search(query);
      EXPECT_TRUE(hits.ok());
      if (!hits.ok()) continue;
      for (const CollectionHit& hit : *hits) {
        const uint64_t key = hit.point.view().key().number;
        answers.emplace_back(key, hit.distance);
        // Sums of squares of bytes are exact.
        if (GetParam().are_bytes) {
          EXPECT_EQ(hit.distance, SquaredDistance(query.vector, key));
        }
      }
    }
    return answers;
  }
  float SquaredDistance(const void* query, uint64_t key) const {
    const std::vector<float> vector = VectorOf(key);
    float sum = 0;
    for (size_t i = 0; i < kDimension; ++i) {
      const float difference = vector[i] - static_cast<const float*>(query)[i];
      sum += difference * difference;
    }
    return sum;
  }
  Status Write(uint64_t key) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, key, {}}, VectorOf(key), "new");
    const auto result = database_->Write(std::move(transaction));
    return result.ok() ? Status() : result.status();
  }

  // Damages the newest file whose name ends in `ending`, which the database has open, all over what
  // is brought later. Opening brings a group or two, to compare equal vectors.
  void Damage(const std::string& ending) {
    std::string newest;
    for (const std::string& path : files_.names()) {
      if (path.ends_with(ending)) newest = std::max(newest, path);
    }
    const size_t bytes = files_.Get(newest).size();
    for (size_t tenth = 3; tenth < 10; ++tenth) files_.Damage(newest, bytes * tenth / 10);
  }

  FaultFiles files_{TestSeed()};
  std::vector<float> vectors_;
  std::vector<std::pair<uint64_t, float>> answers_;
  DatabaseModel contents_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_P(UnsettledDatabase, AnswersAsItDidBefore) {
  Open();
  EXPECT_EQ(Answers(*collection_), answers_);
  EXPECT_FALSE(collection_->table().settled());
  EXPECT_TRUE(ContentsOf(*database_) == contents_);
  SettleAll();
  EXPECT_TRUE(collection_->table().settled());
  EXPECT_EQ(Answers(*collection_), answers_);
  EXPECT_TRUE(ContentsOf(*database_) == contents_);
  EXPECT_EQ(collection_->table().CountUnreachable(), 0u);
}

TEST_P(UnsettledDatabase, BringsAndCopiesSomeRowsAtATime) {
  Open();
  size_t steps = 0;
  for (;; ++steps) {
    const Result<bool> more = collection_->table().SettleSome(kPoints / 2);
    ASSERT_TRUE(more.ok());
    EXPECT_EQ(collection_->table().settled(), !*more);
    EXPECT_EQ(Answers(*collection_), answers_);
    if (!*more) break;
  }
  // Half the links and codes, half the vectors, and half of their copies, if they are bytes; the
  // last step of all is not counted.
  EXPECT_EQ(steps, GetParam().are_bytes ? 5u : 4u);
}

TEST_P(UnsettledDatabase, TakesWritesAtOnce) {
  Open();
  ASSERT_TRUE(Write(200).ok());
  EXPECT_TRUE(collection_->table().settled());
  EXPECT_EQ(collection_->table().CountUnreachable(), 0u);
  EXPECT_EQ(collection_->size(), kPoints);
}

TEST_P(UnsettledDatabase, SearchesWhileEverythingIsBrought) {
  Open();
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed) || rounds.load(std::memory_order_relaxed) < 3) {
        EXPECT_EQ(Answers(*collection_).size(), answers_.size());
        rounds.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(collection_->table().SettleSome(500).ok());
  for (uint64_t key = 0; key < 200; ++key) ASSERT_TRUE(Write(key).ok());
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(collection_->table().settled());
  EXPECT_EQ(collection_->table().CountUnreachable(), 0u);
}

// It was whole when the database was opened, and is not any more.
TEST_P(UnsettledDatabase, SaysWhatItCannotBringAndLosesNothing) {
  for (const char* ending : {".prim", ".graph"}) {
    SCOPED_TRACE(ending);
    Open();
    Damage(ending);
    // Whatever gives a vector gives the one that was written, or says why not.
    size_t unread = 0;
    for (uint64_t key = 0; key < kPoints; ++key) {
      const PointKey view = PointKey::Number(key);
      const auto point = collection_->GetMany({&view, 1}, {.payload = false, .vector = true});
      if (point.ok()) {
        ASSERT_EQ(std::memcmp(point->front()->vector.data(), VectorOf(key).data(),
                              kDimension * sizeof(float)),
                  0);
      } else {
        ASSERT_EQ(point.status().code(), ErrorCode::kCorrupt);
        ++unread;
      }
    }
    EXPECT_EQ(unread > 0, std::string(ending) == ".prim");
    const Status written = Write(3);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(WriteOutcomeOf(written), "not_applied");
    EXPECT_FALSE(collection_->table().settled());
    Shut();
    // The generation before has it all.
    auto again = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_TRUE(ContentsOf(**again) == contents_);
    while ((*again)->Maintain()) {
    }
    EXPECT_TRUE((*again)->Checkpoint().ok());
    EXPECT_TRUE((*again)->Checkpoint().ok());
    ASSERT_TRUE((*again)->Close().ok());
  }
}

// Nothing is read from it any more, so that it can go.
TEST_P(UnsettledDatabase, ReadsNoFileOnceItIsSettled) {
  Open();
  SettleAll();
  Damage(".prim");
  Damage(".graph");
  EXPECT_EQ(Answers(*collection_), answers_);
  EXPECT_TRUE(Write(3).ok());
}

INSTANTIATE_TEST_SUITE_P(Settings, UnsettledDatabase,
                         testing::Values(Setting{Metric::kL2, false},
                                         Setting{Metric::kCosine, false},
                                         Setting{Metric::kL2, true}),
                         [](const auto& info) {
                           const auto metric = static_cast<size_t>(info.param.metric);
                           return std::string(kMetricNames[metric]) +
                                  (info.param.are_bytes ? "_bytes" : "");
                         });

}  // namespace
}  // namespace vitrine::database_settle_test
