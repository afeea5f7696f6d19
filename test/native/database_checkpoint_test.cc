// Files of checkpoints that are whole, and yet not the right ones.

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace vitrine::database_checkpoint_test
