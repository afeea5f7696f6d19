// Calls to the disk fail, one after the other: every failure is reported as what it is, nothing is
// lost that was acknowledged, and reads go on.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_faults_test {
namespace {

using End = DatabaseUser::End;
using Gap = DatabaseUser::Gap;
using Lasting = FaultFiles::Lasting;
using Operation = FaultFiles::Operation;

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

void RunScript(DatabaseUser& user) {
  ASSERT_NO_FATAL_FAILURE(user.Live(15, End::kClose, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(15, End::kClose, Gap::kProcess));
}

TEST(DatabaseFaults, EveryCallMayFail) {
  VITRINE_TRACE_SEED();
  const uint64_t seed = TestSeed() + 7;
  FaultFiles whole(seed);
  DatabaseUser user(whole, seed);
  RunScript(user);
  for (uint64_t k = 0; k < whole.operations(); k += Rounds(1, 11)) {
    for (const int error : {EIO, ENOSPC}) {
      for (const Lasting lasting : {Lasting::kOnce, Lasting::kFromThenOn}) {
        SCOPED_TRACE("call " + std::to_string(k) + ", error " + std::to_string(error) +
                     (lasting == Lasting::kOnce ? ", once" : ", from then on"));
        FaultFiles files(seed);
        DatabaseUser failing(files, seed);
        files.FailAt(k, error, lasting);
        ASSERT_NO_FATAL_FAILURE(RunScript(failing));
        ASSERT_EQ(files.open_files(), 0u) << "a file was left open";
        files.PowerCut({FaultFiles::Keep::kSectors, FaultFiles::Names::kSome});
        ASSERT_NO_FATAL_FAILURE(failing.Check(Gap::kPower));
      }
    }
  }
}

class FailingDisk : public testing::Test {
 protected:
  FailingDisk() : files_(TestSeed()) {}
  void SetUp() override {
    Open();
    const auto created = database_->CreateCollection("c", kConfig);
    ASSERT_TRUE(created.ok());
    collection_ = *created;
  }
  void Open() {
    DatabaseOptions options = SmallDatabase(files_);
    options.segment_bytes = {16 * kPageBytes, 16 * kPageBytes};
    auto opened = Database::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  Result<WriteResult> Put(uint64_t key, size_t payload = 10) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, key, {}}, {float(key), 1, 2},
           std::string(payload, 'x'));
    return database_->Write(std::move(transaction));
  }
  bool Has(uint64_t key) { return collection_->Has(PointKey::Number(key)); }

  FaultFiles files_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

// What Linux does: the flush fails once, and the next one would succeed although pages are gone.
TEST_F(FailingDisk, AFlushThatFailedIsNeverTriedAgain) {
  ASSERT_TRUE(Put(1).ok());
  // A write, and then the flush.
  files_.FailAt(files_.operations() + 1, EIO);
  const auto unknown = Put(2);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(WriteOutcomeOf(unknown.status()), "unknown");
  const size_t calls = files_.trace().size();
  const auto refused = Put(3);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(WriteOutcomeOf(refused.status()), "not_applied");
  EXPECT_FALSE(database_->Flush().ok());
  EXPECT_EQ(files_.trace().size(), calls) << "something was tried after the failure";
  EXPECT_TRUE(Has(1));
  EXPECT_FALSE(Has(2)) << "nobody may see what is not durable";
  // A checkpoint to new files brings it back to life, without what was in flight.
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(Put(4).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  EXPECT_EQ(contents.collections.at("c").points.size(), 2u);
  database_.reset();
  files_.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  Open();
  EXPECT_TRUE(ContentsOf(*database_) == contents);
  const auto damages = database_->Verify();
  ASSERT_TRUE(damages.ok());
  EXPECT_TRUE(damages->empty());
}

TEST_F(FailingDisk, WhenFullKeepsRoomToDelete) {
  uint64_t used = 0;
  for (const std::string& name : files_.names()) used += files_.Get(name).size();
  files_.SetCapacity(used + 40 * kPageBytes);
  uint64_t last = 0;
  Status full;
  for (uint64_t i = 0; i < 200 && full.ok(); ++i) {
    const auto written = Put(i, 3000);
    if (written.ok()) {
      last = i;
    } else {
      full = written.status();
    }
    (void)database_->Maintain();
  }
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.code(), ErrorCode::kIo);
  EXPECT_EQ(WriteOutcomeOf(full), "not_applied");
  ASSERT_TRUE(database_->WriteFailure().ok()) << "a full disk is not the log's end";
  EXPECT_TRUE(Has(last));
  Transaction transaction;
  for (uint64_t i = 0; i < last; ++i) AddDelete(transaction, *collection_, {false, i, {}});
  const auto deleted = database_->Write(std::move(transaction));
  ASSERT_TRUE(deleted.ok()) << deleted.status().message();
  EXPECT_EQ(deleted->deleted, last);
  // Somebody makes room, and all goes on.
  files_.SetCapacity(UINT64_MAX);
  ASSERT_TRUE(Put(1000, 3000).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  database_.reset();
  files_.Restart();
  Open();
  EXPECT_TRUE(ContentsOf(*database_) == contents);
}

}  // namespace
}  // namespace vitrine::database_faults_test
