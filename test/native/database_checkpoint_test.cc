// Files of checkpoints that are whole, and yet not the right ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "database_user.h"
#include "engine/collection_checkpoint.h"
#include "engine/write_group.h"
#include "kernels/kernels.h"
#include "memory_files.h"
#include "random_data.h"

namespace vitrine::database_checkpoint_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

// A database in memory files that damage what is read back while it is written.
class CheckpointOnABadDevice : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::Open(SmallDatabase(files_));
    ASSERT_TRUE(opened.ok());
    database_ = std::move(*opened);
    const auto collection = *database_->CreateCollection("c", kConfig);
    Transaction transaction;
    for (uint64_t i = 0; i < 30; ++i) {
      AddPut(transaction, *collection, {false, i, {}}, {float(i), 1, 2}, "payload");
    }
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }

  // Lets a byte of every unfinished file that ends in `ending` change on its way to the device.
  void DamageWhatIsWritten(const std::string& ending, uint64_t place) {
    files_.before = [this, ending, place](const std::string& operation) {
      if (operation != "open") return Status();
      for (const std::string& name : files_.Names()) {
        if (name.find(ending + ".tmp-") == std::string::npos) continue;
        Bytes& bytes = files_.Edit(name);
        if (place < bytes.size()) bytes[place] ^= std::byte{1};
      }
      return Status();
    };
  }

  MemoryFiles files_;
  std::unique_ptr<Database> database_;
};

TEST_F(CheckpointOnABadDevice, DoesNotCountUntilItWasReadBack) {
  const DatabaseModel contents = ContentsOf(*database_);
  for (const char* const ending : {".prim", ".graph"}) {
    for (const uint64_t page : {0, 1, 2, 3, 4}) {
      SCOPED_TRACE(std::string(ending) + ", page " + std::to_string(page));
      DamageWhatIsWritten(ending, page * kPageBytes + 8);
      const Status status = database_->Checkpoint();
      EXPECT_EQ(status.code(), ErrorCode::kCorrupt) << status.message();
      files_.before = [](const auto&) { return Status(); };
      const auto damages = database_->Verify();
      ASSERT_TRUE(damages.ok());
      EXPECT_TRUE(damages->empty()) << "a checkpoint that failed left something behind";
    }
  }
  ASSERT_TRUE(database_->Checkpoint().ok());
  ASSERT_TRUE(database_->Close().ok());
  const auto again = Database::Open(SmallDatabase(files_));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(ContentsOf(**again) == contents);
}

// Writes a collection of four points at `x`, with its graph, as epoch 1.
Manifest::Part WritePoints(const CheckpointPlace& place, float x) {
  const auto collection = *Collection::Create(1, "c", kConfig, *SelectKernels(""), nullptr, 1);
  Transaction transaction;
  for (uint64_t i = 0; i < 4; ++i) {
    AddPut(transaction, *collection, {false, i, {}}, {x, float(i), 1}, "payload");
  }
  WriteGroup group([&](uint32_t, uint64_t) { return collection; },
                   CollectionWrite::Conditions::kCheck);
  EXPECT_TRUE(group.Add(transaction.bytes(), 0).ok());
  EXPECT_TRUE(group.Prepare().ok());
  const uint64_t lsn = 1;
  group.Publish({&lsn, 1});
  Collection::Image image(*collection);
  const auto part = WriteCollection(place, 1, *collection, image);
  EXPECT_TRUE(part.ok());
  return *part;
}

TEST(CheckpointParts, AGraphBelongsToItsOwnPoints) {
  MemoryFiles files;
  MemoryFiles others;
  const CheckpointPlace place{&files, kDatabaseFolder, {std::byte{1}}, "a test"};
  const CheckpointPlace elsewhere{&others, kDatabaseFolder, {std::byte{1}}, "a test"};
  Manifest::Part part = WritePoints(place, 1);
  const Manifest::Part other = WritePoints(elsewhere, 2);
  CollectionSource source;
  source.id = 1;
  source.name = "c";
  source.config = kConfig;
  source.kernels = SelectKernels("");
  const auto whole = ReadCollection(place, part, source);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_TRUE(whole->graph.ok()) << whole->graph.message();

  // The graph of as many other points takes the place of theirs, and the manifest knows no better.
  const std::string graph = PathOf(place, {.epoch = 1, .collection = 1, .file = PartFile::kGraph});
  files.Put(graph, others.Get(graph));
  part.graph_bytes = other.graph_bytes;
  part.graph_root = other.graph_root;
  const auto mixed = ReadCollection(place, part, source);
  ASSERT_TRUE(mixed.ok()) << mixed.status().message();
  EXPECT_EQ(mixed->graph.code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(mixed->collection->linked());
}

// The files of another file system; tells which ones are opened to be read.
class WatchedFiles final : public FileSystem {
 public:
  explicit WatchedFiles(FileSystem& files) : files_(files) {}

  std::function<void(const std::string&)> before_reading;

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override {
    if (before_reading) before_reading(path);
    return files_.OpenForReading(path, cache);
  }
  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    return files_.Create(path);
  }
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    return files_.OpenForWriting(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return files_.Remove(path); }
  Status SyncFolderOf(const std::string& path) override { return files_.SyncFolderOf(path); }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return files_.List(folder);
  }
  Result<uint64_t> FreeBytes(const std::string& folder) override {
    return files_.FreeBytes(folder);
  }

 private:
  FileSystem& files_;
};

// A log whose last writes were not flushed, a power cut, and then a damaged file of the newest
// checkpoint: the one before and the log must do.
class DamageAfterAPowerCut : public testing::Test {
 protected:
  static DatabaseOptions Options(FileSystem& files) {
    DatabaseOptions options = SmallDatabase(files);
    options.durability = Durability::kInterval;
    return options;
  }

  // Writes a point to collection "busy".
  void Put(Database& database, uint64_t number) {
    Transaction transaction;
    AddPut(transaction, **database.FindCollection("busy"), {false, number, {}},
           {float(number), 1, 2}, "payload");
    ASSERT_TRUE(database.Write(std::move(transaction)).ok());
  }

  // Two collections, "still" without changes, in two checkpoints.
  void Begin(Database& database) {
    for (const char* const name : {"still", "busy"}) {
      ASSERT_TRUE(database.CreateCollection(name, kConfig).ok());
    }
    Transaction transaction;
    AddPut(transaction, **database.FindCollection("still"), {false, 1, {}}, {1, 2, 3}, "payload");
    ASSERT_TRUE(database.Write(std::move(transaction)).ok());
    for (uint64_t number = 1; number <= 2; ++number) {
      Put(database, number);
      ASSERT_TRUE(database.Checkpoint().ok());
    }
  }

  // The part of "busy" in the newest checkpoint.
  std::string NewestPart() const {
    std::string newest;
    for (const std::string& path : files_.names()) {
      if (path.ends_with("2.prim") && path > newest) newest = path;
    }
    return newest;
  }
  std::string NewestSegment() const {
    std::string newest;
    for (const std::string& path : files_.names()) {
      const std::string name = path.substr(path.rfind('/') + 1);
      if (SegmentNumber(name) && !ReadsAsZeros(path) && path > newest) newest = path;
    }
    return newest;
  }
  bool ReadsAsZeros(const std::string& path) const {
    const FaultFiles::Bytes bytes = files_.Get(path);
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  FaultFiles files_{TestSeed()};
};

TEST_F(DamageAfterAPowerCut, LosesNothingThatACheckpointHad) {
  WatchedFiles watched(files_);
  std::unique_ptr<Database> database = std::move(*Database::Open(Options(watched)));
  Begin(*database);
  // The checkpoint has flushed the log when it looks whether parts may be named again, and has not
  // seen yet what there is.
  uint64_t written = 2;
  watched.before_reading = [&](const std::string& path) {
    if (path.ends_with("1.prim") && written == 2) Put(*database, ++written);
  };
  ASSERT_TRUE(database->Checkpoint().ok());
  ASSERT_EQ(written, 3u);
  const DatabaseModel contents = ContentsOf(*database);
  files_.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  database.reset();
  files_.Damage(NewestPart(), kPageBytes + 8);

  const auto again = Database::Open(Options(files_));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(ContentsOf(**again) == contents);
}

TEST_F(DamageAfterAPowerCut, IsMadeGoodWhereTheLogEndsBeforeTheCheckpoint) {
  DatabaseModel contents;
  FaultFiles::Bytes segment;
  {
    std::unique_ptr<Database> database = std::move(*Database::Open(Options(files_)));
    Begin(*database);
    segment = files_.Get(NewestSegment());
    Put(*database, 3);
    ASSERT_TRUE(database->Checkpoint().ok());
    contents = ContentsOf(*database);
  }
  files_.Restart();
  files_.Put(NewestSegment(), segment);  // a device that said it had flushed
  {
    const auto database = Database::Open(Options(files_));
    ASSERT_TRUE(database.ok()) << database.status().message();
    EXPECT_TRUE(ContentsOf(**database) == contents);
    for (int i = 0; i < 20 && (*database)->Maintain(); ++i) {
    }
  }
  files_.Restart();
  files_.Damage(NewestPart(), kPageBytes + 8);
  const auto again = Database::Open(Options(files_));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(ContentsOf(**again) == contents);
}

}  // namespace
}  // namespace vitrine::database_checkpoint_test
