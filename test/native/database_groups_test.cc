// Writes that wait together are logged and shown together, and each of them is its own all the
// same.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "database_user.h"
#include "kernels/kernels.h"
#include "random_data.h"

namespace vitrine::database_groups_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

class DatabaseGroups : public testing::Test {
 protected:
  DatabaseGroups() : files_(TestSeed()) {}
  void SetUp() override {
    Open();
    collection_ = *database_->CreateCollection("c", kConfig);
    Transaction transaction;
    Put(transaction, 0, "there");
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }
  void Open() {
    DatabaseOptions options = SmallDatabase(files_);
    options.segment_bytes = {32 * kPageBytes, 32 * kPageBytes};
    auto opened = Database::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  void Put(Transaction& transaction, uint64_t key, const std::string& payload,
           Condition condition = Condition::kNone) {
    AddPut(transaction, *collection_, {false, key, {}}, {float(key), 1, 2}, payload, condition);
  }
  // Queues all of them, and then writes what is queued.
  std::vector<Result<WriteResult>> WriteTogether(std::vector<Transaction> transactions) {
    std::vector<std::shared_ptr<QueuedWrite>> writes;
    bool drain = false;
    for (Transaction& transaction : transactions) {
      writes.push_back(std::make_shared<QueuedWrite>(std::move(transaction)));
      drain = database_->Enqueue(writes.back()) || drain;
    }
    EXPECT_TRUE(drain);
    database_->Drain();
    std::vector<Result<WriteResult>> outcomes;
    for (const auto& write : writes) {
      EXPECT_EQ(write->finished, 1);
      outcomes.push_back(write->TakeOutcome());
    }
    return outcomes;
  }

  FaultFiles files_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(DatabaseGroups, AWriteThatFailsLeavesTheOthersAlone) {
  std::vector<Transaction> transactions(3);
  Put(transactions[0], 1, "first");
  Put(transactions[1], 2, "never");
  Put(transactions[1], 1, "never");
  Put(transactions[1], 0, "never", Condition::kAbsent);
  Put(transactions[2], 3, "last");
  AddSetPayload(transactions[2], *collection_, {false, 1, {}}, "changed");
  const auto outcomes = WriteTogether(std::move(transactions));
  EXPECT_TRUE(outcomes[0].ok());
  ASSERT_FALSE(outcomes[1].ok());
  EXPECT_EQ(outcomes[1].status().code(), ErrorCode::kExists);
  EXPECT_EQ(WriteOutcomeOf(outcomes[1].status()), "not_applied");
  EXPECT_TRUE(outcomes[2].ok());
  const DatabaseModel contents = ContentsOf(*database_);
  const auto& points = contents.collections.at("c").points;
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points.at({false, 0, {}}).payload, "there");
  EXPECT_EQ(points.at({false, 1, {}}).payload, "changed");
  EXPECT_EQ(points.at({false, 3, {}}).payload, "last");
  database_.reset();
  files_.Restart();
  Open();
  EXPECT_TRUE(ContentsOf(*database_) == contents);
}

TEST_F(DatabaseGroups, ShareOneFlushAndHaveNumbersInARow) {
  std::vector<Transaction> transactions(8);
  for (uint64_t i = 0; i < transactions.size(); ++i) Put(transactions[i], i, "p");
  const uint64_t before = database_->last_lsn();
  const size_t calls = files_.trace().size();
  const auto outcomes = WriteTogether(std::move(transactions));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_TRUE(outcomes[i].ok());
    EXPECT_EQ(outcomes[i]->lsn, before + 1 + i);
    EXPECT_TRUE(outcomes[i]->durable);
  }
  // The frames, and the flush.
  EXPECT_EQ(files_.trace().size() - calls, 2u);
}

// An event loop: what has finished is looked at one by one.
class EventLoop {
 public:
  class Write final : public PendingWrite {
   public:
    Write(Transaction transaction, EventLoop& loop)
        : PendingWrite(std::move(transaction)), loop_(loop) {}
    void Finished() override {
      const std::lock_guard lock(loop_.mutex_);
      loop_.finished_.push_back(this);
      loop_.changed_.notify_one();
    }

   private:
    EventLoop& loop_;
  };

  Write& WaitForNext() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !finished_.empty(); });
    Write* const next = finished_.front();
    finished_.pop_front();
    return *next;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Write*> finished_;
};

class DrainTask final : public Task {
 public:
  explicit DrainTask(Database& database) : database_(database) {}
  void Run() override { database_.Drain(); }

 private:
  Database& database_;
};

// They come back one by one: the first of them does not go to the device alone.
TEST(DatabaseQueue, HasThoseWhoWriteOneAfterTheOtherShareFlushes) {
  constexpr size_t kWriters = 4, kWrites = 80, kMostRounds = 100;
  FaultFiles files(TestSeed());
  DatabaseOptions options = SmallDatabase(files);
  options.segment_bytes = {256 * kPageBytes, 256 * kPageBytes};
  auto opened = Database::Open(std::move(options));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Database& database = **opened;
  ThreadPool pool(1);
  const auto collection = *database.CreateCollection("c", kConfig);
  files.SetFlushTime(std::chrono::milliseconds(4));

  // A thread that gets no processor for a while is late: some round goes undisturbed.
  double together = 0;
  for (size_t round = 0; round < kMostRounds && together < 3; ++round) {
    const uint64_t groups = database.counts().groups;
    EventLoop loop;
    std::vector<std::shared_ptr<EventLoop::Write>> writes;
    const auto write_next = [&] {
      Transaction transaction;
      AddPut(transaction, *collection, {false, writes.size(), {}}, {1, 2, 3}, "p");
      writes.push_back(std::make_shared<EventLoop::Write>(std::move(transaction), loop));
      if (!database.Enqueue(writes.back())) return;
      ASSERT_TRUE(pool.Submit(std::make_unique<DrainTask>(database), ThreadPool::Priority::kBulk));
    };
    for (size_t writer = 0; writer < kWriters; ++writer) write_next();
    for (size_t done = 0; done < kWrites; ++done) {
      EXPECT_TRUE(loop.WaitForNext().TakeOutcome().ok());
      if (writes.size() < kWrites) write_next();
      std::this_thread::sleep_for(std::chrono::microseconds(10));  // whoever wrote goes on
    }
    together = double(kWrites) / double(database.counts().groups - groups);
  }
  // Without waiting for the others one goes alone and the rest with the next: two at a time.
  EXPECT_GE(together, 3);
  EXPECT_EQ(collection->table().size(), kWrites);
}

TEST(DatabaseQueue, IsWrittenByTheDatabasesOwnThreadWhereNobodyElseMay) {
  DatabaseOptions options;
  options.kernels = SelectKernels("");
  auto opened = Database::Open(std::move(options));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Database& database = **opened;
  const auto collection = *database.CreateCollection("c", kConfig);
  Transaction transaction;
  AddPut(transaction, *collection, {false, 1, {}}, {1, 2, 3}, "payload");
  const auto write = std::make_shared<QueuedWrite>(std::move(transaction));
  ASSERT_TRUE(database.Enqueue(write));
  database.DrainInBackground();
  while (write->finished == 0) std::this_thread::yield();
  EXPECT_TRUE(write->TakeOutcome().ok());
  EXPECT_TRUE(collection->Has(PointKey::Number(1)));
  EXPECT_TRUE(database.Close().ok());
}

}  // namespace
}  // namespace vitrine::database_groups_test
