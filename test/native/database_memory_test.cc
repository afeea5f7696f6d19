// Memory that runs out at every allocation of a write, a checkpoint or a recovery in turn.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <new>

#include "database_user.h"
#include "random_data.h"
#include "refused_allocations.h"

namespace vitrine::database_memory_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};
constexpr long kMostAllocations = 100'000;

// Runs `work` with room for `allocations` of them, and then for none or for all but one; whether it
// came to its end.
enum class Refuse : uint8_t { kAll, kOne };
bool Attempt(long allocations, Refuse refuse, const std::function<void()>& work) {
  refuse_once = refuse == Refuse::kOne;
  allocations_left = allocations;
  try {
    work();
    allocations_left = -1;
    return true;
  } catch (const std::bad_alloc&) {
    allocations_left = -1;
    return false;
  }
}

class DatabaseMemoryRunsOut : public testing::Test {
 protected:
  DatabaseMemoryRunsOut() : files_(TestSeed()) {}
  void SetUp() override { Start(); }

  void Start() {
    database_.reset();
    files_.Restart();
    Open();
    const auto created = database_->CreateCollection("c", kConfig);
    ASSERT_TRUE(created.ok());
    collection_ = *created;
    Transaction transaction;
    for (uint64_t i = 0; i < 20; ++i) {
      AddPut(transaction, *collection_, {false, i, {}}, {float(i % 5), 1, 2}, "before");
    }
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }
  void Open() {
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  Transaction Change(long round) {
    Transaction transaction;
    transaction.SetIdempotencyKey({std::byte(round % 256), std::byte(round / 256), std::byte{1}});
    for (uint64_t i = 0; i < 6; ++i) {
      AddPut(transaction, *collection_, {i % 2 == 0, i, std::to_string(round % 7)},
             {float(i), float(round % 3), 0}, "round " + std::to_string(round));
    }
    AddDelete(transaction, *collection_, {false, uint64_t(round % 20), {}});
    return transaction;
  }

  FaultFiles files_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(DatabaseMemoryRunsOut, InAWriteThatIsThenDoneOrNot) {
  long allocations = 0;
  size_t unknown = 0;
  for (bool ended = false; !ended; ++allocations) {
    ASSERT_LT(allocations, kMostAllocations);
    SCOPED_TRACE("allocations " + std::to_string(allocations));
    const DatabaseModel before = ContentsOf(*database_);
    const auto write = std::make_shared<QueuedWrite>(Change(allocations));
    bool queued = false;
    ended = Attempt(allocations, Refuse::kAll, [&] {
      const bool drain = database_->Enqueue(write);
      queued = true;
      if (drain) database_->Drain();
    });
    if (!queued) continue;
    ASSERT_EQ(write->finished, 1);
    const Result<WriteResult> outcome = write->TakeOutcome();
    const DatabaseModel after = ContentsOf(*database_);
    if (outcome.ok()) {
      EXPECT_FALSE(after == before);
    } else {
      EXPECT_EQ(outcome.status().code(), ErrorCode::kOutOfMemory) << outcome.status().message();
      EXPECT_TRUE(after == before) << "seen, but not acknowledged";
      unknown += WriteOutcomeOf(outcome.status()) == "unknown" ? 1 : 0;
    }
    const bool dead = !database_->WriteFailure().ok();
    ASSERT_TRUE(!dead || database_->Checkpoint().ok());
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(allocations, 30);
  EXPECT_GT(unknown, 0u);
  const DatabaseModel contents = ContentsOf(*database_);
  database_.reset();
  files_.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  Open();
  EXPECT_TRUE(ContentsOf(*database_) == contents);
}

TEST_F(DatabaseMemoryRunsOut, InACheckpointThatIsThenMadeOrNot) {
  const DatabaseModel contents = ContentsOf(*database_);
  long allocations = 0;
  for (bool ended = false; !ended; ++allocations) {
    ASSERT_LT(allocations, kMostAllocations);
    Status status;
    ended = Attempt(allocations, Refuse::kOne, [&] { status = database_->Checkpoint(); });
    ASSERT_TRUE(!ended || status.ok()) << status.message();
    ASSERT_TRUE(ContentsOf(*database_) == contents);
  }
  EXPECT_GT(allocations, 30);
  database_.reset();
  files_.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  Open();
  EXPECT_TRUE(ContentsOf(*database_) == contents);
  const auto damages = database_->Verify();
  ASSERT_TRUE(damages.ok());
  EXPECT_TRUE(damages->empty());
}

TEST_F(DatabaseMemoryRunsOut, InARecoveryThatIsThenTriedAgain) {
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(database_->Write(Change(1)).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  long allocations = 0;
  for (bool ended = false; !ended; ++allocations) {
    ASSERT_LT(allocations, kMostAllocations);
    database_.reset();
    files_.Restart();
    ended = Attempt(allocations, Refuse::kOne, [&] {
      auto opened = Database::Open(SmallDatabase(files_));
      allocations_left = -1;
      // Arrays of slots say it without an exception.
      if (!opened.ok() && opened.status().code() == ErrorCode::kOutOfMemory) {
        throw std::bad_alloc();
      }
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      database_ = std::move(*opened);
    });
    ASSERT_FALSE(HasFailure());
    EXPECT_TRUE(ended || files_.open_files() == 0);
  }
  EXPECT_GT(allocations, 30);
  EXPECT_TRUE(ContentsOf(*database_) == contents);
}

}  // namespace
}  // namespace vitrine::database_memory_test
