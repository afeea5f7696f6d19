// What a database says of its storage, against what lies in its folder.

#include "engine/database_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "database_user.h"
#include "engine/table_state.h"
#include "kernels/code_kernels.h"
#include "memory_files.h"
#include "storage/log_format.h"
#include "storage/manifest.h"

namespace vitrine::database_state_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

// Of a record with a number for its key and ten bytes of payload: its head, and these.
constexpr uint64_t kRecordBytes = 16 + 8 + 10;

struct FilesOfAKind {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

class StorageState : public testing::Test {
 protected:
  void SetUp() override { Open(SmallDatabase(files_)); }

  void Open(DatabaseOptions options) {
    auto opened = Database::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
    database_->statistics().SetLevel(StatsLevel::kHistograms);
    collection_ = *database_->CreateCollection("c", kConfig);
  }

  Status Write(uint64_t key, size_t payload_bytes = 10) {
    Transaction transaction;
    AddPut(transaction, *collection_, {false, key, {}}, {float(key), 1, 2},
           std::string(payload_bytes, 'x'));
    written_bytes_ = FrameBytes(transaction.bytes().size());
    const auto result = database_->Write(std::move(transaction));
    return result.ok() ? Status() : result.status();
  }

  StatsSnapshot Snapshot() {
    StatsSnapshot snapshot = database_->statistics().Use()->Snapshot();
    AddStorageState(*database_, snapshot);
    return snapshot;
  }

  // Files in the folder whose name ends in one of `endings`.
  FilesOfAKind Files(std::initializer_list<std::string> endings) {
    FilesOfAKind found;
    for (const std::string& name : files_.Names()) {
      for (const std::string& ending : endings) {
        if (!name.starts_with("db/") || !name.ends_with(ending)) continue;
        ++found.count;
        found.bytes += files_.Get(name).size();
      }
    }
    return found;
  }
  uint64_t BytesOnDisk(DiskKind kind) {
    return Snapshot().value(Family::kDiskBytes, SeriesOf(kind));
  }

  // What the newest checkpoint consists of.
  struct Newest {
    uint64_t points;
    std::string primary;
    std::string graph;
  };
  void ExpectDisk(const Newest& newest) {
    const uint64_t records = newest.points * kRecordBytes;
    EXPECT_EQ(BytesOnDisk(DiskKind::kValueLog), records);
    EXPECT_EQ(BytesOnDisk(DiskKind::kSegment), Files({newest.primary}).bytes - records);
    EXPECT_EQ(BytesOnDisk(DiskKind::kIndex), Files({newest.graph}).bytes);
    EXPECT_EQ(Snapshot().value(Family::kIndexSize, SeriesOf(Tier::kDisk)),
              Files({newest.graph}).bytes);
    EXPECT_GT(BytesOnDisk(DiskKind::kIndex), 0u);
    uint64_t all = 0;
    for (size_t kind = 0; kind < std::size(kDiskKindNames); ++kind) {
      all += Snapshot().value(Family::kDiskBytes, kind);
    }
    uint64_t in_folder = 0;
    for (const std::string& name : files_.Names()) {
      if (!name.starts_with("db/manifest-")) in_folder += files_.Get(name).size();
    }
    EXPECT_EQ(all, in_folder);
  }
  FilesOfAKind Parts() { return Files({".prim", ".graph"}); }

  MemoryFiles files_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  uint64_t written_bytes_ = 0;  // of the newest write, in the log
};

TEST_F(StorageState, IsWhatLiesInTheFolder) {
  for (uint64_t key = 0; key < 3; ++key) ASSERT_TRUE(Write(key).ok());
  for (const uint64_t checkpoints : {1, 2, 3}) {
    SCOPED_TRACE(checkpoints);
    ASSERT_TRUE(Write(10 + checkpoints).ok());
    ASSERT_TRUE(database_->Checkpoint().ok());
    const StatsSnapshot snapshot = Snapshot();
    const auto level = [&](Family family, size_t at) { return snapshot.value(family, at); };
    EXPECT_EQ(level(Family::kLevelFiles, 1) + level(Family::kLevelFiles, 2), Parts().count);
    EXPECT_EQ(level(Family::kLevelBytes, 1) + level(Family::kLevelBytes, 2), Parts().bytes);
    EXPECT_GT(level(Family::kLevelFiles, 1), 0u);
    EXPECT_GT(snapshot.value(Family::kOpenDuration), 0u);
    EXPECT_EQ(level(Family::kLevelFiles, 0), database_->counts().log.segments);
    EXPECT_GE(BytesOnDisk(DiskKind::kWal), level(Family::kLevelBytes, 0));
  }
}

TEST_F(StorageState, HasEachByteOfTheFolderInOneKind) {
  const auto of = [](const std::string& generation, std::string_view kind) {
    return "ckpt-" + generation + "-0000000001." + std::string(kind);
  };
  // The first two generations are those of a database without collections.
  const std::string first = "00000000000000000003";
  const std::string second = "00000000000000000004";
  for (uint64_t key = 0; key < 3; ++key) ASSERT_TRUE(Write(key).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  ExpectDisk({.points = 3, .primary = of(first, "prim"), .graph = of(first, "graph")});
  EXPECT_EQ(BytesOnDisk(DiskKind::kSnapshot), 0u);

  ASSERT_TRUE(Write(3).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  ExpectDisk({.points = 4, .primary = of(second, "prim"), .graph = of(second, "graph")});
  EXPECT_EQ(BytesOnDisk(DiskKind::kSnapshot), Files({of(first, "prim"), of(first, "graph")}).bytes);
}

TEST_F(StorageState, KnowsWhatRecordsTakeInFilesThatItDidNotWrite) {
  for (uint64_t key = 0; key < 3; ++key) ASSERT_TRUE(Write(key).ok());
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    ASSERT_TRUE(database_->Checkpoint().ok());
    if (reopened) {
      ASSERT_TRUE(database_->Close().ok());
      DatabaseOptions options = SmallDatabase(files_);
      auto opened = Database::Open(std::move(options));
      ASSERT_TRUE(opened.ok());
      database_ = std::move(*opened);
    }
    EXPECT_EQ(BytesOnDisk(DiskKind::kValueLog), 3 * kRecordBytes);
  }
  // Nothing has changed since the checkpoint before the newest: its part is named again, unread by
  // who opened the database.
  const uint64_t kept = database_->counts().kept_parts;
  ASSERT_TRUE(database_->Checkpoint().ok());
  EXPECT_GT(database_->counts().kept_parts, kept);
  EXPECT_EQ(BytesOnDisk(DiskKind::kValueLog), 3 * kRecordBytes);
}

TEST_F(StorageState, CountsWhatACheckpointTakesAndMakes) {
  ASSERT_TRUE(Write(1).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  const StatsSnapshot before = Snapshot();
  EXPECT_EQ(before.value(Family::kCompactionPendingBytes), 0u);
  ASSERT_TRUE(Write(2).ok());
  const uint64_t pending = Snapshot().value(Family::kCompactionPendingBytes);
  // The log is written by whole pages.
  EXPECT_EQ(pending, (written_bytes_ + kPageBytes - 1) / kPageBytes * kPageBytes);

  std::set<std::string> old;
  for (const std::string& name : files_.Names()) old.insert(name);
  ASSERT_TRUE(database_->Checkpoint().ok());
  FilesOfAKind made;
  for (const std::string& name : files_.Names()) {
    const bool is_part = name.ends_with(".prim") || name.ends_with(".graph");
    if (!is_part || old.contains(name)) continue;
    ++made.count;
    made.bytes += files_.Get(name).size();
  }
  const StatsSnapshot after = Snapshot().Since(before);
  EXPECT_EQ(after.value(Family::kCompactions, 0), 1u);
  EXPECT_EQ(after.value(Family::kCompactions, 1), 0u);
  EXPECT_EQ(after.value(Family::kCompactionInputBytes), pending);
  EXPECT_EQ(after.value(Family::kCompactionOutputFiles), made.count);
  EXPECT_EQ(after.value(Family::kCompactionOutputBytes), made.bytes);
  EXPECT_EQ(after.value(Family::kCompactionPendingBytes), 0u);
  EXPECT_EQ(after.histogram(Family::kCompactionDuration).count(), 1u);
  const HistogramTotals& amplification = after.histogram(Family::kWriteAmplification);
  ASSERT_EQ(amplification.count(), 1u);
  EXPECT_NEAR(amplification.layout->InUnits(amplification.sum),
              static_cast<double>(made.bytes) / static_cast<double>(pending), 1e-6);
}

TEST_F(StorageState, CountsWhatIsRemoved) {
  for (const uint64_t key : {1, 2}) {
    ASSERT_TRUE(Write(key).ok());
    ASSERT_TRUE(database_->Checkpoint().ok());
  }
  const StatsSnapshot before = Snapshot();
  const DatabaseCounts counted = database_->counts();
  ASSERT_TRUE(Write(3).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  const StatsSnapshot after = Snapshot().Since(before);
  const DatabaseCounts now = database_->counts();
  EXPECT_EQ(after.value(Family::kReclaims), 1u);
  EXPECT_EQ(after.histogram(Family::kReclaimDuration).count(), 1u);
  EXPECT_GT(after.value(Family::kReclaimedBytes), 0u);
  EXPECT_EQ(after.value(Family::kReclaimedBytes), now.removed_bytes - counted.removed_bytes +
                                                      now.log.removed_bytes -
                                                      counted.log.removed_bytes);
}

TEST_F(StorageState, CountsAFailedCheckpointAsOne) {
  ASSERT_TRUE(Write(1).ok());
  const StatsSnapshot before = Snapshot();
  files_.before = [](const std::string& operation) {
    return operation == "create" ? MemoryFiles::Refused(operation) : Status();
  };
  EXPECT_FALSE(database_->Checkpoint().ok());
  const StatsSnapshot after = Snapshot().Since(before);
  EXPECT_EQ(after.value(Family::kCompactions, 0), 0u);
  EXPECT_EQ(after.value(Family::kCompactions, 1), 1u);
  EXPECT_EQ(after.value(Family::kCompactionOutputFiles), 0u);
}

TEST_F(StorageState, ObservesEveryFlushOfTheLog) {
  const StatsSnapshot before = Snapshot();
  const uint64_t flushes = database_->counts().log.flushes;
  for (uint64_t key = 0; key < 20; ++key) ASSERT_TRUE(Write(key).ok());
  // Each write has one, and each segment that is begun meanwhile.
  const uint64_t observed = database_->counts().log.flushes - flushes;
  EXPECT_GT(observed, 20u);
  EXPECT_EQ(Snapshot().Since(before).histogram(Family::kFsyncDuration).count(), observed);
}

TEST_F(StorageState, KeepsItsTotalsWhenTheLogIsRevived) {
  for (uint64_t key = 0; key < 3; ++key) ASSERT_TRUE(Write(key).ok());
  files_.before = [](const std::string& operation) {
    return operation == "sync" ? MemoryFiles::Refused(operation) : Status();
  };
  EXPECT_FALSE(Write(3).ok());
  files_.before = [](const auto&) { return Status(); };
  const LogCounts dead = database_->counts().log;
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(database_->WriteFailure().ok());
  const LogCounts alive = database_->counts().log;
  EXPECT_GE(alive.frames, dead.frames);
  EXPECT_GE(alive.flushes, dead.flushes);
  EXPECT_GE(alive.written_bytes, dead.written_bytes);
}

TEST_F(StorageState, KnowsTheLastBackup) {
  database_.reset();
  FaultFiles folders(1);  // these have several
  Open(SmallDatabase(folders));
  EXPECT_EQ(Snapshot().value(Family::kLastSnapshot), 0u);
  const Status backed_up = database_->Backup("backup");
  ASSERT_TRUE(backed_up.ok()) << backed_up.message();
  ASSERT_TRUE(database_->Verify().ok());
  const StatsSnapshot snapshot = Snapshot();
  EXPECT_EQ(snapshot.value(Family::kLastSnapshot), 1'800'000'000'000'000'000u);
  for (const SnapshotPhase phase : {SnapshotPhase::kCreate, SnapshotPhase::kVerify}) {
    EXPECT_EQ(snapshot.histogram(Family::kSnapshotDuration, SeriesOf(phase)).count(), 1u);
  }
  collection_.reset();
  database_.reset();
}

TEST_F(StorageState, CountsWhatALimitRefuses) {
  ASSERT_TRUE(Write(1).ok());
  const uint64_t limit = database_->memory().total() + 100;
  ASSERT_TRUE(database_->Close().ok());
  DatabaseOptions options = SmallDatabase(files_);
  options.max_memory_bytes = limit;
  Open(std::move(options));
  EXPECT_EQ(Write(2, 4000).code(), ErrorCode::kOutOfMemory);
  const StatsSnapshot snapshot = Snapshot();
  const auto of = [&](Family family, LimitedResource resource) {
    return snapshot.value(family, SeriesOf(resource));
  };
  EXPECT_EQ(of(Family::kResourceRejections, LimitedResource::kMemory), 1u);
  EXPECT_EQ(of(Family::kResourceRejections, LimitedResource::kDisk), 0u);
  EXPECT_EQ(of(Family::kResourceLimit, LimitedResource::kMemory), limit);
  EXPECT_EQ(of(Family::kResourceLimit, LimitedResource::kDisk), 0u);
}

TEST_F(StorageState, CountsTheProcessorTimeOfTheBackgroundWhereThatIsAskedFor) {
  const auto spent = [&](CpuPool pool) { return Snapshot().value(Family::kCpu, SeriesOf(pool)); };
  ASSERT_TRUE(Write(1).ok());
  (void)database_->Maintain();
  EXPECT_EQ(spent(CpuPool::kBackground), 0u);
  database_->statistics().SetLevel(StatsLevel::kCpu);
  (void)database_->Maintain();
  EXPECT_GT(spent(CpuPool::kBackground), 0u);
  EXPECT_EQ(spent(CpuPool::kCompaction), 0u);
  ASSERT_TRUE(database_->Checkpoint().ok());
  EXPECT_GT(spent(CpuPool::kCompaction), 0u);
}

TEST(KernelsInForce, AreAmongThoseThatStatisticsKnow) {
  const auto known = [](std::string_view name) {
    return std::find(std::begin(kKernelTableNames), std::end(kKernelTableNames), name) !=
           std::end(kKernelTableNames);
  };
  for (const KernelTable* table : KernelTables()) {
    EXPECT_TRUE(known(table->name)) << table->name;
    if (!table->supported()) continue;
    StatsSnapshot snapshot;
    AddKernels(*table, snapshot);
    EXPECT_EQ(kKernelTableNames[snapshot.kernels.floats], table->name);
    EXPECT_EQ(kKernelTableNames[snapshot.kernels.integers], SelectCodeKernels(table->set).name);
  }
  for (const CodeKernelTable* table : CodeKernelTables()) {
    EXPECT_TRUE(known(table->name)) << table->name;
  }
}

// A change that nobody waits for any more when its turn comes.
class LateChange final : public PendingWrite {
 public:
  LateChange() : PendingWrite(Database::CreateChange("late", kConfig)) {}
  void Finished() override {}
  Status TakeTurn() override { return {ErrorCode::kTimeout, "too late"}; }
};

TEST_F(StorageState, CountsWhatDoesNotFindRoomAndWhatWaitsTooLong) {
  const auto refused = [&](LimitedResource resource) {
    return Snapshot().value(Family::kResourceRejections, SeriesOf(resource));
  };
  (void)database_->Enqueue(std::make_shared<LateChange>());
  uint64_t queued = 1;
  for (; refused(LimitedResource::kConcurrency) == 0; queued = database_->counts().queued_writes) {
    ASSERT_LT(queued, 100'000u);
    for (size_t i = 0; i < 8192; ++i) (void)database_->Enqueue(std::make_shared<LateChange>());
  }
  // The queue is as long as eight times these, and the first was there before.
  EXPECT_EQ(refused(LimitedResource::kConcurrency), 1u);
  EXPECT_EQ(refused(LimitedResource::kDeadline), 0u);
  database_->Drain();
  EXPECT_EQ(refused(LimitedResource::kConcurrency), 1u);
  EXPECT_EQ(refused(LimitedResource::kDeadline), queued);
}

// All that a device is asked to read and to write, and nothing else.
TEST_F(StorageState, CountsEveryReadAndWriteOfFiles) {
  database_.reset();
  FaultFiles device(1);
  Open(SmallDatabase(device));
  ASSERT_TRUE(Write(1).ok());
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(database_->Backup("backup").ok());
  ASSERT_TRUE(database_->Verify().ok());
  ASSERT_TRUE(database_->Scrub().ok());
  IoCounts asked;
  for (const FaultFiles::Call& call : device.trace()) {
    const bool reads = call.operation == FaultFiles::Operation::kRead;
    if (!reads && call.operation != FaultFiles::Operation::kWrite) continue;
    ++(reads ? asked.reads : asked.writes);
    (reads ? asked.read_bytes : asked.written_bytes) += call.size;
  }
  EXPECT_GT(asked.reads, 0u);
  EXPECT_GT(asked.written_bytes, 0u);
  const StatsSnapshot snapshot = Snapshot();
  const auto of = [&](Family family, IoDirection direction) {
    return snapshot.value(family, SeriesOf(direction));
  };
  EXPECT_EQ(of(Family::kIoOperations, IoDirection::kRead), asked.reads);
  EXPECT_EQ(of(Family::kIoBytes, IoDirection::kRead), asked.read_bytes);
  EXPECT_EQ(of(Family::kIoOperations, IoDirection::kWrite), asked.writes);
  EXPECT_EQ(of(Family::kIoBytes, IoDirection::kWrite), asked.written_bytes);
  collection_.reset();
  database_.reset();
}

TEST_F(StorageState, KnowsWhatIsFreeUnlessTheDeviceDoesNotSay) {
  ASSERT_TRUE(Write(1).ok());
  uint64_t used = 0;
  for (const std::string& name : files_.Names()) used += files_.Get(name).size();
  files_.capacity = used + 1000;
  EXPECT_EQ(Snapshot().value(Family::kFreeBytes), 1000u);
  // None is a figure as well.
  files_.capacity = used;
  EXPECT_TRUE(Snapshot().has(Family::kFreeBytes));
  EXPECT_EQ(Snapshot().value(Family::kFreeBytes), 0u);
  files_.before = [](const std::string& operation) {
    return operation == "free bytes" ? MemoryFiles::Refused(operation) : Status();
  };
  EXPECT_FALSE(Snapshot().has(Family::kFreeBytes));
  EXPECT_TRUE(Snapshot().has(Family::kDiskBytes));
}

TEST_F(StorageState, ObservesTheTimeToLinkOfEachGroupThatHasVectors) {
  const auto builds = [&] {
    return Snapshot().histogram(Family::kIndexBuildDuration, SeriesOf(BuildCause::kWrite)).count();
  };
  EXPECT_EQ(builds(), 0u);
  for (uint64_t key = 0; key < 3; ++key) ASSERT_TRUE(Write(key).ok());
  EXPECT_EQ(builds(), 3u);
  Transaction transaction;
  ASSERT_TRUE(transaction
                  .Add({.collection = collection_->id(),
                        .type = OperationType::kDelete,
                        .key = PointKey::Number(1)})
                  .ok());
  ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  EXPECT_EQ(builds(), 3u);
}

TEST_F(StorageState, KeepsTheMaintenanceOfCollectionsThatAreDropped) {
  for (uint64_t key = 0; key < 4; ++key) ASSERT_TRUE(Write(key).ok());
  const auto relinked = [&] {
    return Snapshot().value(Family::kMaintenance,
                            SeriesOf(Family::kMaintenance, Maintenance::kRelink, RunOutcome::kOk));
  };
  EXPECT_EQ(relinked(), 2u);  // one for two rows
  ASSERT_TRUE(database_->DropCollection("c").ok());
  EXPECT_EQ(relinked(), 2u);
}

TEST_F(StorageState, IsNotOfADatabaseInMemory) {
  EXPECT_TRUE(Snapshot().has(Family::kCompactions));
  DatabaseOptions options = SmallDatabase(files_);
  options.folder.clear();
  Open(std::move(options));
  const StatsSnapshot snapshot = Snapshot();
  EXPECT_FALSE(snapshot.has(Family::kCompactions));
  EXPECT_TRUE(snapshot.has(Family::kQueueDepth));
  EXPECT_FALSE(StatsSnapshot().has(Family::kQueueDepth));
  EXPECT_TRUE(StatsSnapshot().has(Family::kOperations));
}

}  // namespace
}  // namespace vitrine::database_state_test
