// The file system that tests break: what it loses is what a device may lose, and nothing else.

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "fault_files.h"
#include "random_data.h"

namespace vitrine::storage_fault_files_test {
namespace {

using Bytes = FaultFiles::Bytes;
using Keep = FaultFiles::Keep;
using Names = FaultFiles::Names;

constexpr FaultFiles::PowerCutModel kNothing = {Keep::kNothing, Names::kAsFlushed};
constexpr FaultFiles::PowerCutModel kEverything = {Keep::kEverything, Names::kAsNow};
constexpr char kPath[] = "folder/file";

Bytes Filled(size_t size, int value) { return Bytes(size, static_cast<std::byte>(value)); }

std::unique_ptr<File> MakeFile(FaultFiles& files, const std::string& path, const Bytes& bytes) {
  auto file = files.Create(path);
  EXPECT_TRUE(file.ok());
  EXPECT_TRUE((*file)->WriteAt(0, bytes).ok());
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_TRUE(files.SyncFolderOf(path).ok());
  return std::move(*file);
}

TEST(FaultFiles, APowerCutKeepsWhatWasFlushed) {
  FaultFiles files(TestSeed());
  const auto file = MakeFile(files, kPath, Filled(10'000, 1));
  ASSERT_TRUE(file->WriteAt(5000, Filled(1000, 2)).ok());
  ASSERT_TRUE(file->SyncData().ok());
  ASSERT_TRUE(file->WriteAt(0, Filled(20'000, 3)).ok());
  files.PowerCut(kNothing);
  Bytes expected = Filled(10'000, 1);
  std::fill_n(expected.begin() + 5000, 1000, std::byte{2});
  EXPECT_EQ(files.Get(kPath), expected);
}

TEST(FaultFiles, ARestartKeepsEverything) {
  FaultFiles files(TestSeed());
  auto file = files.Create(kPath);
  ASSERT_TRUE((*file)->WriteAt(0, Filled(100, 1)).ok());
  files.Restart();
  EXPECT_EQ(files.Get(kPath), Filled(100, 1));
  EXPECT_FALSE((*file)->WriteAt(0, Filled(100, 2)).ok());
  EXPECT_FALSE((*file)->Sync().ok());
  files.PowerCut(kNothing);
  EXPECT_TRUE(files.names().empty());
}

TEST(FaultFiles, NamesNeedTheirFolderFlushed) {
  FaultFiles files(TestSeed());
  (void)MakeFile(files, "folder/a", Filled(10, 1));
  auto file = files.Create("folder/b");
  ASSERT_TRUE((*file)->WriteAt(0, Filled(10, 2)).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE(files.Rename("folder/b", "folder/c").ok());
  ASSERT_TRUE(files.Remove("folder/a").ok());
  EXPECT_EQ(files.names(), std::vector<std::string>{"folder/c"});
  files.PowerCut(kNothing);
  EXPECT_EQ(files.names(), std::vector<std::string>{"folder/a"});
  EXPECT_EQ(*files.List("folder"), std::vector<std::string>{"a"});
}

TEST(FaultFiles, NamesComeApartInEveryWay) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    FaultFiles files(seed);
    (void)MakeFile(files, "folder/a", Filled(10, 1));
    ASSERT_TRUE(files.Rename("folder/a", "folder/b").ok());
    files.PowerCut({Keep::kEverything, Names::kSome});
    seen.insert(files.names());
  }
  EXPECT_EQ(seen.size(), 4u);  // a, b, both, none
}

// As text, which orders without a false warning of GCC 12.
std::string Text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Of two writes over two pages that were not flushed.
TEST(FaultFiles, TearsAndReordersWhatWasNotFlushed) {
  const auto states = [](Keep keep) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 500; ++seed) {
      FaultFiles files(seed);
      const auto file = MakeFile(files, kPath, Filled(8192, 1));
      EXPECT_TRUE(file->WriteAt(0, Filled(8192, 2)).ok());
      EXPECT_TRUE(file->WriteAt(0, Filled(8192, 3)).ok());
      files.PowerCut({keep, Names::kAsFlushed});
      seen.insert(Text(files.Get(kPath)));
    }
    return seen;
  };
  EXPECT_EQ(states(Keep::kNothing), std::set<std::string>{Text(Filled(8192, 1))});
  EXPECT_EQ(states(Keep::kEverything), std::set<std::string>{Text(Filled(8192, 3))});
  EXPECT_EQ(states(Keep::kPages).size(), 9u);
  EXPECT_GT(states(Keep::kSectors).size(), 400u);
  EXPECT_GT(states(Keep::kBytes).size(), 400u);
  for (const std::string& bytes : states(Keep::kSectors)) {
    for (size_t at = 0; at < bytes.size(); at += 512) {
      const std::string sector = bytes.substr(at, 512);
      ASSERT_EQ(sector, std::string(512, sector[0]));
    }
  }
}

TEST(FaultFiles, FilesGrowWithoutTheirBytes) {
  FaultFiles files(TestSeed());
  const auto file = MakeFile(files, kPath, Filled(100, 1));
  ASSERT_TRUE(file->WriteAt(100, Filled(100, 1)).ok());
  files.PowerCut({Keep::kLengths, Names::kAsFlushed});
  Bytes expected = Filled(100, 1);
  expected.resize(200);
  EXPECT_EQ(files.Get(kPath), expected);
}

TEST(FaultFiles, AFailedFlushLosesPagesForGood) {
  bool shown = false;
  bool hidden = false;
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    FaultFiles files(seed);
    const auto file = MakeFile(files, kPath, Filled(8192, 1));
    ASSERT_TRUE(file->WriteAt(0, Filled(8192, 2)).ok());
    files.FailAt(files.operations(), EIO);
    const Status failed = file->SyncData();
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.code(), ErrorCode::kIo);
    EXPECT_TRUE(file->SyncData().ok());  // which proves nothing
    const bool in_cache = files.Get(kPath) == Filled(8192, 2);
    (in_cache ? shown : hidden) = true;
    files.PowerCut(kEverything);
    const bool on_device = files.Get(kPath) == Filled(8192, 2);
    lost = lost || (in_cache && !on_device);
  }
  EXPECT_TRUE(shown && hidden && lost);
}

TEST(FaultFiles, FailsOnceOrFromThenOn) {
  for (const auto lasting : {FaultFiles::Lasting::kOnce, FaultFiles::Lasting::kFromThenOn}) {
    FaultFiles files(TestSeed());
    const auto file = MakeFile(files, kPath, Filled(100, 1));
    files.FailAt(files.operations() + 1, ENOSPC, lasting);
    EXPECT_TRUE(file->WriteAt(0, Filled(100, 2)).ok());
    const Status status = file->WriteAt(0, Filled(100, 3));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(std::get<uint64_t>(status.details()[1].value), uint64_t{ENOSPC});
    EXPECT_EQ(file->SyncData().ok(), lasting == FaultFiles::Lasting::kOnce);
    EXPECT_FALSE(files.trace().at(5).ok);
  }
}

TEST(FaultFiles, NothingHappensAfterTheProcessDied) {
  FaultFiles files(TestSeed());
  const auto file = MakeFile(files, kPath, Filled(100, 1));
  files.KillAt(files.operations());
  EXPECT_FALSE(file->WriteAt(0, Filled(100, 2)).ok());
  const Bytes torn = files.Get(kPath);
  EXPECT_FALSE(file->WriteAt(0, Filled(100, 3)).ok());
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_FALSE(files.Remove(kPath).ok());
  EXPECT_EQ(files.Get(kPath), torn);
  files.PowerCut(kNothing);
  EXPECT_EQ(files.Get(kPath), Filled(100, 1));
}

TEST(FaultFiles, AFullDeviceTakesWhatFits) {
  FaultFiles files(TestSeed());
  const auto file = MakeFile(files, kPath, Filled(100, 1));
  files.SetCapacity(150);
  EXPECT_TRUE(file->WriteAt(0, Filled(150, 2)).ok());
  const Status status = file->WriteAt(100, Filled(100, 3));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(std::get<uint64_t>(status.details()[1].value), uint64_t{ENOSPC});
  EXPECT_EQ(files.Get(kPath).size(), 150u);
  EXPECT_TRUE(file->WriteAt(0, Filled(150, 4)).ok());
}

TEST(FaultFiles, CountsOpenFiles) {
  FaultFiles files(TestSeed());
  auto file = MakeFile(files, kPath, Filled(100, 1));
  {
    const auto other = files.OpenForReading(kPath, FileSystem::Cache::kUse);
    EXPECT_EQ(files.open_files(), 2u);
  }
  EXPECT_TRUE(file->Close().ok());
  file.reset();
  EXPECT_EQ(files.open_files(), 0u);
}

}  // namespace
}  // namespace vitrine::storage_fault_files_test
