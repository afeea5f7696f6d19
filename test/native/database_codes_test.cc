// Collections whose searches walk on codes, before and after a checkpoint, and what writes count.

#include <gtest/gtest.h>

#include <string>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_codes_test {
namespace {

constexpr size_t kDimension = 48;

std::vector<float> RandomVector(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDimension);
  for (float& x : vector) x = normal(random);
  return vector;
}

CollectionConfig Config(Quantization quantization) {
  return {.dimension = kDimension, .m = 4, .ef_construction = 20, .quantization = quantization};
}

class CodedCollections : public testing::Test {
 protected:
  CodedCollections() : files_(TestSeed()), random_(TestSeed()) {}

  void Open() {
    database_.reset();
    DatabaseOptions options = SmallDatabase(files_);
    options.segment_bytes = {uint64_t{1} << 20, uint64_t{1} << 20};
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  void Fill(const std::string& name, Quantization quantization, uint64_t count) {
    const auto created = database_->CreateCollection(name, Config(quantization));
    ASSERT_TRUE(created.ok()) << created.status().message();
    for (uint64_t first = 0; first < count; first += 100) {
      Transaction transaction;
      for (uint64_t i = first; i < first + 100; ++i) {
        AddPut(transaction, **created, {false, i, {}}, RandomVector(random_), {});
      }
      ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
    }
  }
  Quantization UsedBy(const std::string& name) {
    return (*database_->FindCollection(name))->table().quantization_used();
  }
  std::vector<float> Distances(const std::string& name, const std::vector<float>& vector) {
    CollectionQuery query;
    query.vector = vector.data();
    query.parameters.k = 10;
    const auto hits = (*database_->FindCollection(name))->Search(query);
    std::vector<float> distances;
    if (!hits.ok()) ADD_FAILURE() << hits.status().message();
    for (const CollectionHit& hit : *hits) distances.push_back(hit.distance);
    return distances;
  }

  FaultFiles files_;
  std::mt19937_64 random_;
  std::unique_ptr<Database> database_;
};

TEST_F(CodedCollections, KeepTheirCodesAndWhatTheyFind) {
  VITRINE_TRACE_SEED();
  Open();
  Fill("sq8", Quantization::kSq8, 1200);
  Fill("rq4", Quantization::kRq4, 1200);
  Fill("auto", Quantization::kAuto, 1200);
  Fill("none", Quantization::kNone, 1200);
  Fill("few", Quantization::kSq8, 100);
  const auto expect_codes = [&] {
    EXPECT_EQ(UsedBy("sq8"), Quantization::kSq8);
    EXPECT_EQ(UsedBy("rq4"), Quantization::kRq4);
    EXPECT_EQ(UsedBy("auto"), Quantization::kSq8) << "of so few dimensions";
    EXPECT_EQ(UsedBy("none"), Quantization::kNone);
    EXPECT_EQ(UsedBy("few"), Quantization::kNone) << "too few to know a centre";
    EXPECT_GT((*database_->FindCollection("sq8"))->memory().table.codes, 1200 * kDimension);
    EXPECT_EQ((*database_->FindCollection("none"))->memory().table.codes, 0u);
  };
  expect_codes();
  ASSERT_TRUE(database_->Checkpoint().ok());
  Open();
  expect_codes();
  const std::vector<float> query = RandomVector(random_);
  const std::vector<float> sq8 = Distances("sq8", query);
  // Loaded twice from the same file: the same centre, the same bits, the same walk.
  ASSERT_TRUE(database_->Checkpoint().ok());
  Open();
  EXPECT_EQ(Distances("sq8", query), sq8);
  const auto damages = database_->Verify();
  ASSERT_TRUE(damages.ok());
  EXPECT_TRUE(damages->empty());
  // Other codes than there are: a contradiction.
  EXPECT_TRUE(database_->CreateCollection("sq8", Config(Quantization::kSq8)).ok());
  EXPECT_EQ(database_->CreateCollection("sq8", Config(Quantization::kRq4)).status().code(),
            ErrorCode::kExists);
  EXPECT_EQ((*database_->FindCollection("rq4"))->config().quantization, Quantization::kRq4);
}

TEST_F(CodedCollections, ComeBackFromTheLogAloneToo) {
  Open();
  Fill("c", Quantization::kSq8, 1100);
  Open();
  EXPECT_EQ(UsedBy("c"), Quantization::kSq8);
  EXPECT_GT(database_->counts().replayed_records, 10u);
}

// A write that gives up, or waits for its turn too long.
class ImpatientWrite final : public PendingWrite {
 public:
  using PendingWrite::PendingWrite;
  void Finished() override { ++finished; }
  Status TakeTurn() override {
    ++turns;
    return patient ? Status() : Status(ErrorCode::kTimeout, "too late");
  }
  bool patient = false;
  int turns = 0;
  int finished = 0;
};

TEST_F(CodedCollections, CountWhatBecomesOfWrites) {
  Open();
  const auto collection = *database_->CreateCollection("c", Config(Quantization::kNone));
  const auto put = [&](uint64_t id, Condition condition) {
    Transaction transaction;
    AddPut(transaction, *collection, {false, id, {}}, RandomVector(random_), {}, condition);
    return transaction;
  };
  std::vector<std::shared_ptr<ImpatientWrite>> writes;
  for (uint64_t i = 0; i < 4; ++i) {
    writes.push_back(std::make_shared<ImpatientWrite>(put(i, Condition::kAbsent)));
    writes.back()->patient = i != 2;
    (void)database_->Enqueue(writes.back());
  }
  const auto change =
      std::make_shared<ImpatientWrite>(Database::CreateChange("d", Config(Quantization::kNone)));
  (void)database_->Enqueue(change);
  EXPECT_EQ(database_->counts().queued_writes, 5u);
  database_->Drain();
  EXPECT_EQ(database_->counts().queued_writes, 0u);
  for (const auto& write : writes) {
    EXPECT_EQ(write->finished, 1);
    EXPECT_EQ(write->turns, 1);
    const auto outcome = write->TakeOutcome();
    EXPECT_EQ(outcome.ok(), write->patient);
    if (write->patient) continue;
    EXPECT_EQ(outcome.status().code(), ErrorCode::kTimeout);
    EXPECT_EQ(WriteOutcomeOf(outcome.status()), "not_applied");
  }
  EXPECT_EQ(change->TakeOutcome().status().code(), ErrorCode::kTimeout);
  EXPECT_FALSE(database_->FindCollection("d").ok());
  EXPECT_EQ(collection->size(), 3u);
  EXPECT_FALSE(database_->Write(put(0, Condition::kAbsent)).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  const DatabaseCounts counts = database_->counts();
  EXPECT_EQ(counts.groups, 1u);
  EXPECT_EQ(counts.transactions, 3u);
  EXPECT_EQ(counts.operations, 3u);
  EXPECT_EQ(counts.changes, 1u);
  EXPECT_EQ(counts.refused, 2u);
  EXPECT_EQ(counts.refused_for_deadline, 2u);
  EXPECT_EQ(counts.refused_for_concurrency, 0u);
  EXPECT_EQ(counts.unknown, 0u);
  EXPECT_EQ(counts.checkpoints, 1u);
  EXPECT_EQ(counts.written_parts, 1u);
  EXPECT_GT(counts.checkpoint_written_bytes, 3 * kDimension * sizeof(float));
  EXPECT_EQ(counts.pending_bytes, 0u);
  EXPECT_GE(counts.log.flushes, 2u);
}

}  // namespace
}  // namespace vitrine::database_codes_test
