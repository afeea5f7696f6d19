// What a database promises on a disk that works.

#include "engine/database.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

float FirstComponent(const std::byte* vector) {
  float component;
  std::memcpy(&component, vector, sizeof(component));
  return component;
}

OwnKey Number(uint64_t number) { return {false, number, {}}; }
OwnKey Text(std::string text) { return {true, 0, std::move(text)}; }

void ExpectFails(const Status& status, ErrorCode code) {
  ASSERT_FALSE(status.ok()) << "instead of " << ErrorCodeName(code);
  EXPECT_EQ(ErrorCodeName(status.code()), ErrorCodeName(code)) << status.message();
}

class Databases : public testing::Test {
 protected:
  Databases() : files_(TestSeed()) {}

  // Opens it again, as after a restart of the process.
  void Open(DatabaseOptions options) {
    database_.reset();
    files_.Restart();
    auto opened = Database::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
  }
  void Open() { Open(SmallDatabase(files_)); }
  std::shared_ptr<Collection> Create(const std::string& name) {
    const auto collection = database_->CreateCollection(name, kConfig);
    EXPECT_TRUE(collection.ok()) << collection.status().message();
    return *collection;
  }
  std::shared_ptr<Collection> Find(const std::string& name) {
    const auto collection = database_->FindCollection(name);
    EXPECT_TRUE(collection.ok());
    return *collection;
  }
  Result<WriteResult> Put(const Collection& collection, const OwnKey& key, float x,
                          Condition condition = Condition::kNone,
                          const std::string& payload = "p") {
    Transaction transaction;
    AddPut(transaction, collection, key, {x, 0, 1}, payload, condition);
    return database_->Write(std::move(transaction));
  }
  static std::string PayloadOf(const Collection& collection, const OwnKey& key) {
    const PointKey view = key.view();
    const auto points = collection.GetMany({&view, 1}, {});
    EXPECT_TRUE(points.ok());
    if (!points.ok() || !points->front()) return "(none)";
    const PointRecord::Payload payload = points->front()->view().payload();
    if (!payload) return "(no payload)";
    return {reinterpret_cast<const char*>(payload->data()), payload->size()};
  }

  FaultFiles files_;
  std::unique_ptr<Database> database_;
};

TEST_F(Databases, KeepCollectionsByNameAndConfiguration) {
  Open();
  const auto notes = Create("notes");
  EXPECT_EQ(Create("notes"), notes) << "the same configuration is the same collection";
  CollectionConfig other = kConfig;
  other.dimension = 4;
  ExpectFails(database_->CreateCollection("notes", other).status(), ErrorCode::kExists);
  ExpectFails(database_->CreateCollection("../notes", kConfig).status(), ErrorCode::kOption);
  other.dimension = 0;
  ExpectFails(database_->CreateCollection("zero", other).status(), ErrorCode::kOption);
  ExpectFails(database_->FindCollection("nothing").status(), ErrorCode::kNotFound);
  ASSERT_TRUE(database_->SetAlias("current", "notes").ok());
  EXPECT_EQ(Find("current"), notes);
  ExpectFails(database_->CreateCollection("current", kConfig).status(), ErrorCode::kExists);
  ExpectFails(database_->SetAlias("notes", "notes"), ErrorCode::kExists);
  ExpectFails(database_->DropCollection("current"), ErrorCode::kNotFound);
  Open();
  EXPECT_EQ(Find("current")->name(), "notes");
  EXPECT_TRUE(Find("notes")->config() == kConfig);
  const uint32_t id = Find("notes")->id();
  ASSERT_TRUE(database_->DropCollection("notes").ok());
  ExpectFails(database_->FindCollection("current").status(), ErrorCode::kNotFound);
  Open();
  EXPECT_TRUE(database_->Collections().empty());
  EXPECT_GT(Create("notes")->id(), id) << "an id is never given again";
}

TEST_F(Databases, TellIntegersFromTexts) {
  Open();
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(5), 1, Condition::kNone, "number").ok());
  ASSERT_TRUE(Put(*collection, Text("5"), 2, Condition::kNone, "text").ok());
  ASSERT_TRUE(Put(*collection, Text(std::string(1024, 'k')), 3, Condition::kNone, "long").ok());
  ASSERT_TRUE(Put(*collection, Number(UINT64_MAX), 4, Condition::kNone, "largest").ok());
  for (int round = 0; round < 2; ++round) {
    const auto found = Find("c");
    EXPECT_EQ(found->size(), 4u);
    EXPECT_EQ(PayloadOf(*found, Number(5)), "number");
    EXPECT_EQ(PayloadOf(*found, Text("5")), "text");
    EXPECT_EQ(PayloadOf(*found, Text(std::string(1024, 'k'))), "long");
    EXPECT_EQ(PayloadOf(*found, Number(UINT64_MAX)), "largest");
    EXPECT_EQ(PayloadOf(*found, Number(6)), "(none)");
    Open();
  }
}

TEST_F(Databases, DoATransactionWholeOrNotAtAll) {
  Open();
  const auto a = Create("a");
  const auto b = Create("b");
  ASSERT_TRUE(Put(*b, Number(7), 1).ok());
  const DatabaseModel before = ContentsOf(*database_);
  Transaction transaction;
  AddPut(transaction, *a, Number(1), {1, 2, 3}, "x");
  AddDelete(transaction, *b, Number(7));
  AddPut(transaction, *b, Number(7), {1, 2, 3}, "again", Condition::kAbsent);
  AddPut(transaction, *b, Number(7), {1, 2, 3}, "twice", Condition::kAbsent);
  const auto failed = database_->Write(std::move(transaction));
  ExpectFails(failed.status(), ErrorCode::kExists);
  EXPECT_EQ(WriteOutcomeOf(failed.status()), "not_applied");
  EXPECT_NE(failed.status().message().find("point 7"), std::string::npos);
  EXPECT_TRUE(ContentsOf(*database_) == before);

  Transaction whole;
  AddPut(whole, *a, Number(1), {1, 2, 3}, "x");
  AddDelete(whole, *b, Number(7));
  AddDelete(whole, *b, Number(8));
  AddPut(whole, *a, Number(2), {1, 2, 3}, std::nullopt);
  AddSetPayload(whole, *a, Number(2), "set");
  const auto done = database_->Write(std::move(whole));
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->deleted, 1u);
  EXPECT_TRUE(done->durable);
  EXPECT_EQ(database_->last_lsn(), done->lsn);
  EXPECT_EQ(a->size(), 2u);
  EXPECT_EQ(b->size(), 0u);
  EXPECT_EQ(PayloadOf(*a, Number(2)), "set");
}

TEST_F(Databases, RefuseWritesThatDoNotFit) {
  Open();
  const auto collection = Create("c");
  ExpectFails(Put(*collection, Number(1), NAN).status(), ErrorCode::kVector);
  Transaction shorter;
  AddPut(shorter, *collection, Number(1), {1, 2}, "p");
  ExpectFails(database_->Write(std::move(shorter)).status(), ErrorCode::kDimension);
  Transaction missing;
  AddSetPayload(missing, *collection, Number(1), "p");
  ExpectFails(database_->Write(std::move(missing)).status(), ErrorCode::kNotFound);
  PointWrite large;
  large.key = PointKey::Number(1);
  const std::vector<std::byte> payload(kMaxPayloadOfPoint + 1);
  large.payload = payload;
  Transaction transaction;
  ExpectFails(transaction.Add(large), ErrorCode::kTooLarge);
  const std::string text(kMaxKeyBytes + 1, 'k');
  large.payload.reset();
  large.key = PointKey::Text(text);
  ExpectFails(transaction.Add(large), ErrorCode::kTooLarge);
  EXPECT_EQ(transaction.operations(), 0u);
  EXPECT_EQ(collection->size(), 0u);
}

TEST_F(Databases, NoticeWhatWasWrittenMeanwhile) {
  Open();
  const auto collection = Create("c");
  const auto first = Put(*collection, Number(1), 1);
  ASSERT_TRUE(first.ok());
  const auto set = [&](uint64_t expected) {
    Transaction transaction;
    PointWrite operation;
    operation.collection = collection->id();
    operation.type = OperationType::kSetPayload;
    operation.condition = Condition::kUnchanged;
    operation.expected_lsn = expected;
    operation.key = PointKey::Number(1);
    EXPECT_TRUE(transaction.Add(operation).ok());
    return database_->Write(std::move(transaction));
  };
  const auto second = set(first->lsn);
  ASSERT_TRUE(second.ok()) << second.status().message();
  ExpectFails(set(first->lsn).status(), ErrorCode::kConflict);
  EXPECT_TRUE(set(second->lsn).ok());
}

TEST_F(Databases, DoATransactionWithAKeyOnce) {
  uint64_t now = 1'000'000'000;
  DatabaseOptions options = SmallDatabase(files_);
  options.clock_ms = [&] { return now; };
  Open(options);
  auto collection = Create("c");
  const auto write = [&](uint8_t key, float x) {
    Transaction transaction;
    transaction.SetIdempotencyKey({std::byte{key}});
    AddPut(transaction, *collection, Number(key), {x, 0, 0}, std::to_string(x));
    return database_->Write(std::move(transaction));
  };
  const auto first = write(1, 1);
  ASSERT_TRUE(first.ok());
  for (int round = 0; round < 4; ++round) {
    const auto again = write(1, 2);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->lsn, first->lsn);
    EXPECT_EQ(PayloadOf(*collection, Number(1)), std::to_string(1.f));
    // From the log, then from a checkpoint, then from the one before.
    if (round > 0) {
      ASSERT_TRUE(database_->Checkpoint().ok());
    }
    Open(options);
    collection = Find("c");
  }
  now += IdempotencyWindow::kKeepMs + 1;
  ASSERT_TRUE(write(2, 5).ok());
  const auto later = write(1, 3);
  ASSERT_TRUE(later.ok());
  EXPECT_GT(later->lsn, first->lsn) << "it was forgotten after ten minutes";
}

TEST_F(Databases, InMemoryNeedNoFiles) {
  DatabaseOptions options = SmallDatabase(files_);
  options.folder.clear();
  Open(options);
  const auto collection = Create("c");
  const auto written = Put(*collection, Text("x"), 1);
  ASSERT_TRUE(written.ok());
  EXPECT_FALSE(written->durable);
  EXPECT_EQ(collection->size(), 1u);
  EXPECT_TRUE(database_->Flush().ok());
  EXPECT_TRUE(database_->Checkpoint().ok());
  EXPECT_TRUE(database_->Close().ok());
  EXPECT_EQ(files_.operations(), 0u);
}

TEST_F(Databases, WithoutALogKeepWhatCheckpointsHave) {
  DatabaseOptions options = SmallDatabase(files_);
  options.durability = Durability::kNone;
  Open(options);
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(1), 1).ok());
  ASSERT_TRUE(database_->Flush().ok());
  ASSERT_TRUE(Put(*collection, Number(2), 1).ok());
  Open(options);
  EXPECT_EQ(Find("c")->size(), 1u);
  ASSERT_TRUE(Put(*Find("c"), Number(3), 1).ok());
  ASSERT_TRUE(database_->Close().ok());
  // And with a log from then on.
  Open();
  EXPECT_EQ(Find("c")->size(), 2u);
  ASSERT_TRUE(Put(*Find("c"), Number(4), 1).ok());
  Open();
  EXPECT_EQ(Find("c")->size(), 3u);
}

TEST_F(Databases, OpenedForReadingChangeNothing) {
  Open();
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(1), 1).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(Put(*collection, Number(2), 1).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  DatabaseOptions options = SmallDatabase(files_);
  options.read_only = true;
  Open(options);
  EXPECT_TRUE(ContentsOf(*database_) == contents);
  ExpectFails(Put(*Find("c"), Number(3), 1).status(), ErrorCode::kReadOnly);
  ExpectFails(database_->Checkpoint(), ErrorCode::kReadOnly);
  (void)database_->Maintain();
  EXPECT_TRUE(database_->Close().ok());
  for (const FaultFiles::Call& call : files_.trace()) {
    using Operation = FaultFiles::Operation;
    EXPECT_TRUE(call.operation == Operation::kOpen || call.operation == Operation::kList ||
                call.operation == Operation::kRead || call.operation == Operation::kSize ||
                call.operation == Operation::kClose)
        << call.path;
  }
}

TEST_F(Databases, AreWhereTheyAreSaidToBe) {
  DatabaseOptions options = SmallDatabase(files_);
  options.create = false;
  ExpectFails(Database::Open(options).status(), ErrorCode::kNotFound);
  options.create = true;
  options.error_if_exists = true;
  Open(options);
  ExpectFails(Database::Open(options).status(), ErrorCode::kExists);
}

TEST_F(Databases, RefuseWhatIsBeyondALimit) {
  DatabaseOptions options = SmallDatabase(files_);
  Open(options);
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(1), 1).ok());
  options.max_memory_bytes = database_->memory().total() + 100;
  Open(options);
  const auto refused = Put(*Find("c"), Number(2), 1, Condition::kNone, std::string(4000, 'x'));
  ExpectFails(refused.status(), ErrorCode::kOutOfMemory);
  EXPECT_EQ(WriteOutcomeOf(refused.status()), "not_applied");
  options.max_memory_bytes = UINT64_MAX;
  options.max_disk_bytes = database_->disk().total() + 100;
  Open(options);
  ExpectFails(Put(*Find("c"), Number(2), 1, Condition::kNone, std::string(40'000, 'x')).status(),
              ErrorCode::kTooLarge);
  EXPECT_EQ(Find("c")->size(), 1u);
}

TEST_F(Databases, AttestTheLastGroupWhenNothingIsWrittenAnyMore) {
  Open();
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(1), 1).ok());
  EXPECT_TRUE(database_->Maintain()) << "somebody wrote just now";
  EXPECT_FALSE(database_->Maintain());
  // Sealed: damage to the last group is seen, and is no end.
  database_.reset();
  size_t damaged = 0;
  for (const std::string& path : files_.names()) {
    if (!SegmentNumber(path.substr(path.rfind('/') + 1))) continue;
    FaultFiles::Bytes bytes = files_.Get(path);
    constexpr size_t kFrame = kPageBytes * 2;
    constexpr size_t kPayload = kFrame + FrameHeader::kBytes;
    if (bytes.size() <= kPayload + 3) continue;
    // A prepared segment has zeros there; of a mark, which is random, one byte may be zero as well.
    const auto header = std::span(bytes).subspan(kFrame, FrameHeader::kBytes);
    if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{}; })) {
      continue;
    }
    bytes[kPayload + 3] ^= std::byte{1};
    files_.Put(path, bytes);
    ++damaged;
  }
  EXPECT_EQ(damaged, 1u);
  files_.Restart();
  ExpectFails(Database::Open(SmallDatabase(files_)).status(), ErrorCode::kCorrupt);
}

TEST_F(Databases, ForgetTheLogThatCheckpointsCover) {
  DatabaseOptions options = SmallDatabase(files_);
  options.checkpoint_bytes = 20 * kPageBytes;
  Open(options);
  const auto collection = Create("c");
  uint64_t most = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    ASSERT_TRUE(Put(*collection, Number(i % 10), 1, Condition::kNone, std::string(2000, 'x')).ok());
    (void)database_->Maintain();
    most = std::max(most, database_->disk().total());
  }
  EXPECT_LT(most, 120 * kPageBytes) << "the log grows without end";
  // Two manifests, two generations, the log behind them and nothing else.
  EXPECT_LT(files_.names().size(), 30u);
  const DatabaseModel contents = ContentsOf(*database_);
  Open(options);
  EXPECT_TRUE(ContentsOf(*database_) == contents);
}

TEST_F(Databases, AreCopiedWhileTheyAreWritten) {
  Open();
  const auto collection = Create("c");
  ASSERT_TRUE(database_->SetAlias("alias", "c").ok());
  for (uint64_t i = 0; i < 30; ++i) ASSERT_TRUE(Put(*collection, Number(i), float(i)).ok());
  const DatabaseModel contents = ContentsOf(*database_);
  ASSERT_TRUE(database_->Backup("copy").ok());
  ExpectFails(database_->Backup("copy"), ErrorCode::kExists);
  ASSERT_TRUE(Put(*collection, Number(100), 1).ok());
  DatabaseOptions from = SmallDatabase(files_);
  from.folder = "copy";
  ASSERT_TRUE(RestoreDatabase(from, "restored").ok());
  for (const char* folder : {"copy", "restored"}) {
    DatabaseOptions options = SmallDatabase(files_);
    options.folder = folder;
    Open(options);
    EXPECT_TRUE(ContentsOf(*database_) == contents) << folder;
    ASSERT_TRUE(Put(*Find("c"), Number(200), 1).ok());
    ASSERT_TRUE(database_->Checkpoint().ok());
    const auto damages = database_->Verify();
    ASSERT_TRUE(damages.ok());
    EXPECT_TRUE(damages->empty());
    ASSERT_TRUE(database_->Close().ok());
  }
}

TEST_F(Databases, LeaveAReaderItsMoment) {
  Open();
  const auto collection = Create("c");
  for (uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(Put(*collection, Number(i), float(i)).ok());
  const Collection::Image image(*collection);
  for (uint64_t round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 50; ++i) {
      ASSERT_TRUE(Put(*collection, Number(i), -1, Condition::kNone, "new").ok());
    }
    Transaction transaction;
    for (uint64_t i = 0; i < 50; i += 2) AddDelete(transaction, *collection, Number(i));
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }
  ASSERT_EQ(image.size(), 50u);
  for (size_t i = 0; i < image.size(); ++i) {
    const PointRecord record = image.Record(i);
    EXPECT_EQ(FirstComponent(*image.Vector(i)), static_cast<float>(record.key().number));
    EXPECT_EQ(record.payload()->size(), 1u);
  }
  EXPECT_EQ(collection->size(), 25u);
}

TEST_F(Databases, CloseOnceAndThenRefuse) {
  Open();
  const auto collection = Create("c");
  ASSERT_TRUE(Put(*collection, Number(1), 1).ok());
  EXPECT_TRUE(database_->Close().ok());
  EXPECT_TRUE(database_->Close().ok());
  ExpectFails(Put(*collection, Number(2), 1).status(), ErrorCode::kClosed);
  ExpectFails(database_->Checkpoint(), ErrorCode::kClosed);
  EXPECT_EQ(files_.open_files(), 0u);
}

// Real files: the lock, the folder, and the database's own thread.
TEST(DatabaseFolders, AreLockedAndKeepWhatWasWritten) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("vitrine-db-" + std::to_string(ProcessId()));
  std::filesystem::remove_all(folder);
  DatabaseOptions options;
  options.folder = folder.string();
  options.kernels = SelectKernels("");
  {
    const auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status().message();
    ExpectFails(Database::Open(options).status(), ErrorCode::kLocked);
    const auto collection = (*database)->CreateCollection("c", kConfig);
    ASSERT_TRUE(collection.ok());
    Transaction transaction;
    AddPut(transaction, **collection, Text("x"), {1, 2, 3}, "payload");
    ASSERT_TRUE((*database)->Write(std::move(transaction)).ok());
    ASSERT_TRUE((*database)->Checkpoint().ok());
    ASSERT_TRUE((*database)->Close().ok());
  }
  {
    const auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status().message();
    EXPECT_EQ(ContentsOf(**database).collections.at("c").points.size(), 1u);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace vitrine::database_test
