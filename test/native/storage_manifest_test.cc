// The manifest: what is written is read, no damage goes unseen, and no crash loses the last one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "fault_files.h"
#include "random_data.h"
#include "storage/container_format.h"
#include "storage/manifest.h"

namespace vitrine::storage_manifest_test {
namespace {

using Bytes = std::vector<std::byte>;

constexpr char kFolder[] = "db";

Manifest Example(uint64_t epoch) {
  Manifest manifest;
  manifest.database[3] = std::byte{7};
  manifest.epoch = epoch;
  manifest.durable_lsn = 40 + epoch;
  manifest.log_segment = 3;
  manifest.next_collection = 9;
  manifest.collections = {{1, "notes", {std::byte{1}, std::byte{2}}}, {8, "A-b_9", {}}};
  manifest.aliases = {{"current", 8}, {"old", 1}};
  manifest.newest = {epoch, 44, {{0, epoch, 100, {}, 0, {}}, {1, epoch - 1, 200, {}, 300, {}}}};
  manifest.newest.parts[1].graph_root[5] = std::byte{9};
  manifest.previous = {epoch - 1, 30, {{1, epoch - 1, 200, {}, 0, {}}}};
  return manifest;
}

TEST(Manifest, ReadsWhatWasWritten) {
  const Manifest manifest = Example(7);
  const auto read = DecodeManifest(EncodeManifest(manifest, "test"), "m", 7);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(*read == manifest);
  Manifest first;
  first.database[0] = std::byte{1};
  first.epoch = first.newest.epoch = 1;
  const auto read_first = DecodeManifest(EncodeManifest(first, "test"), "m", 1);
  ASSERT_TRUE(read_first.ok()) << read_first.status().message();
  EXPECT_TRUE(*read_first == first);
}

TEST(Manifest, NamesAreOfOneForm) {
  EXPECT_EQ(ManifestName(17), "manifest-00000000000000000017");
  EXPECT_EQ(ManifestEpoch("manifest-00000000000000000017"), 17u);
  for (const char* name :
       {"manifest-17", "manifest-0000000000000000001x", "manifest-", "wal-00000000000000000017",
        "manifest-99999999999999999999", "manifest-00000000000000000017.tmp-1-0"}) {
    EXPECT_FALSE(ManifestEpoch(name).has_value()) << name;
  }
  EXPECT_EQ(CheckpointName(3, 21, PartFile::kGraph), "ckpt-00000000000000000003-0000000021.graph");
  EXPECT_TRUE(IsCheckpointName(CheckpointName(3, 21, PartFile::kPrimary)));
  EXPECT_TRUE(IsUnfinishedFile(ManifestName(1) + ".tmp-12-0"));
  EXPECT_FALSE(IsUnfinishedFile(ManifestName(1)));
  EXPECT_FALSE(IsUnfinishedFile("photo.tmp-12-0"));
}

TEST(Manifest, AcceptsTheNamesThatAreDocumented) {
  for (const std::string& name : {std::string("a"), std::string("Z9_-"), std::string(128, 'x')}) {
    EXPECT_TRUE(IsCollectionName(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string("_a"), std::string("a/b"), std::string(".."),
        std::string("a b"), std::string(129, 'x'), std::string("\xc3\xa4"),
        std::string("a\0", 2)}) {
    EXPECT_FALSE(IsCollectionName(name)) << name;
  }
}

TEST(Manifest, SeesEveryFlippedBit) {
  const Bytes bytes = EncodeManifest(Example(7), "test");
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto read = DecodeManifest(damaged, "m", 7);
    ASSERT_FALSE(read.ok()) << "bit " << bit;
    ASSERT_EQ(read.status().code(), ErrorCode::kCorrupt) << "bit " << bit;
  }
}

TEST(Manifest, SeesEveryTruncationAndEveryAddition) {
  const Bytes bytes = EncodeManifest(Example(7), "test");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto read = DecodeManifest(std::span(bytes).first(size), "m", 7);
    ASSERT_FALSE(read.ok()) << size;
    ASSERT_EQ(read.status().code(), ErrorCode::kCorrupt) << size;
  }
  Bytes longer = bytes;
  longer.resize(bytes.size() + 8);
  EXPECT_FALSE(DecodeManifest(longer, "m", 7).ok());
}

// With right checksums: what a defect of ours, or somebody who means harm, would write.
TEST(Manifest, SeesFieldsThatContradictEachOther) {
  const auto refused = [](auto change) {
    Manifest manifest = Example(7);
    change(manifest);
    const auto read = DecodeManifest(EncodeManifest(manifest, "test"), "m", 7);
    return !read.ok() && read.status().code() == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused([](Manifest& m) { m.collections[0].name = "../notes"; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.collections[0].name = m.collections[1].name; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.collections[0].name = m.aliases[0].name; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.collections[1].id = 1; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.collections[0].id = 0; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.next_collection = 8; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.aliases[0].collection = 5; }));
  EXPECT_TRUE(refused([](Manifest& m) { std::swap(m.aliases[0], m.aliases[1]); }));
  EXPECT_TRUE(refused([](Manifest& m) { m.epoch = 8; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.newest.epoch = 6; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.newest.covered_lsn = 29; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.newest.parts[1].epoch = 8; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.previous->epoch = 7; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.durable_lsn = UINT64_MAX; }));
  EXPECT_TRUE(refused([](Manifest& m) { m.database = {}; }));
}

TEST(Manifest, OfANewerVersionIsNotDamaged) {
  Bytes bytes = EncodeManifest(Example(7), "test");
  HeaderPage header = DecodeHeader(bytes.data());
  header.incompatible = 4;
  EncodeHeader(header, bytes.data());
  const auto read = DecodeManifest(bytes, "m", 7);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), ErrorCode::kFormat);
}

// The epoch of the newest manifest that is whole; 0 for none.
uint64_t NewestOf(FaultFiles& files) {
  const auto names = files.List(kFolder);
  EXPECT_TRUE(names.ok());
  uint64_t newest = 0;
  for (const std::string& name : *names) {
    const auto epoch = ManifestEpoch(name);
    if (!epoch) continue;
    const auto manifest = ReadManifest(files, kFolder, *epoch);
    // It is written aside and flushed before it has its name.
    EXPECT_TRUE(manifest.ok()) << name << ": " << manifest.status().message();
    EXPECT_TRUE(manifest.ok() && *manifest == Example(*epoch));
    newest = std::max(newest, *epoch);
  }
  return newest;
}

TEST(Manifest, NoCrashLosesWhatWasInstalled) {
  VITRINE_TRACE_SEED();
  using Keep = FaultFiles::Keep;
  using Names = FaultFiles::Names;
  const auto script = [](FaultFiles& files) {
    uint64_t installed = 0;
    for (uint64_t epoch = 2; epoch <= 4; ++epoch) {
      if (WriteManifest(files, kFolder, Example(epoch), "test").ok()) installed = epoch;
    }
    return installed;
  };
  FaultFiles whole(TestSeed());
  EXPECT_EQ(script(whole), 4u);
  EXPECT_EQ(whole.open_files(), 0u);
  for (uint64_t k = 0; k < whole.operations(); ++k) {
    for (const Keep keep : {Keep::kNothing, Keep::kEverything, Keep::kPages, Keep::kSectors,
                            Keep::kBytes, Keep::kLengths}) {
      for (const Names names : {Names::kAsFlushed, Names::kAsNow, Names::kSome}) {
        FaultFiles files(TestSeed() + k);
        files.KillAt(k);
        const uint64_t installed = script(files);
        files.PowerCut({keep, names});
        ASSERT_GE(NewestOf(files), installed) << "call " << k;
      }
    }
  }
}

TEST(Manifest, AFailedCallIsReportedAndLeavesNothingOpen) {
  VITRINE_TRACE_SEED();
  FaultFiles whole(TestSeed());
  ASSERT_TRUE(WriteManifest(whole, kFolder, Example(2), "test").ok());
  for (uint64_t k = 0; k < whole.operations(); ++k) {
    FaultFiles files(TestSeed());
    files.FailAt(k, ENOSPC);
    const Status status = WriteManifest(files, kFolder, Example(2), "test");
    ASSERT_FALSE(status.ok()) << "call " << k;
    EXPECT_EQ(status.code(), ErrorCode::kIo);
    EXPECT_EQ(files.open_files(), 0u);
    // All or nothing, and nothing half done is left behind.
    for (const std::string& name : files.names()) {
      EXPECT_EQ(name, std::string(kFolder) + "/" + ManifestName(2)) << "call " << k;
    }
  }
}

}  // namespace
}  // namespace vitrine::storage_manifest_test
