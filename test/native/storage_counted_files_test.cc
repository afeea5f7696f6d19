#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "fault_files.h"
#include "memory_files.h"
#include "storage/counted_files.h"
#include "storage/paced_files.h"

namespace vitrine::storage_counted_files_test {
namespace {

void ExpectCounts(const CountedFiles& files, const IoCounts& expected) {
  const IoCounts counts = files.counts();
  EXPECT_EQ(counts.reads, expected.reads);
  EXPECT_EQ(counts.read_bytes, expected.read_bytes);
  EXPECT_EQ(counts.writes, expected.writes);
  EXPECT_EQ(counts.written_bytes, expected.written_bytes);
}

TEST(CountedFiles, CountsEachReadAndWriteWithItsBytes) {
  MemoryFiles memory;
  CountedFiles files(memory);
  ExpectCounts(files, {});
  std::array<std::byte, 100> bytes = {};
  auto created = files.Create("a");
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE((*created)->WriteAt(0, bytes).ok());
  ASSERT_TRUE((*created)->WriteAt(100, std::span(bytes).first(20)).ok());
  ASSERT_TRUE((*created)->Sync().ok());
  ExpectCounts(files, {.writes = 2, .written_bytes = 120});
  auto written = files.OpenForWriting("a");
  ASSERT_TRUE(written.ok());
  ASSERT_TRUE((*written)->WriteAt(0, std::span(bytes).first(1)).ok());
  auto opened = files.OpenForReading("a", FileSystem::Cache::kUse);
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE((*opened)->ReadAt(90, std::span(bytes).first(30)).ok());
  EXPECT_EQ(*(*opened)->Size(), 120u);
  // What is mapped is read by the operating system.
  ASSERT_TRUE((*opened)->Map(120).ok());
  ExpectCounts(files, {.reads = 1, .read_bytes = 30, .writes = 3, .written_bytes = 121});
  ASSERT_TRUE((*opened)->Close().ok());
}

TEST(CountedFiles, CountsWhatFailedWithoutBytes) {
  FaultFiles faults(1);
  CountedFiles files(faults);
  faults.Put("a", Bytes(10));
  std::array<std::byte, 11> bytes = {};
  auto file = files.OpenForReading("a", FileSystem::Cache::kUse);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->ReadAt(0, bytes).ok());  // too many
  auto created = files.Create("b");
  ASSERT_TRUE(created.ok());
  faults.FailAt(faults.operations(), EIO);
  EXPECT_FALSE((*created)->WriteAt(0, bytes).ok());
  ExpectCounts(files, {.reads = 1, .writes = 1});
  EXPECT_FALSE(files.OpenForReading("c", FileSystem::Cache::kUse).ok());
  EXPECT_FALSE(files.Create("a").ok());
}

TEST(CountedFiles, GoOnCountingInFilesThatOutliveThem) {
  MemoryFiles memory;
  auto files = std::make_unique<CountedFiles>(memory);
  auto created = files->Create("a");
  ASSERT_TRUE(created.ok());
  files.reset();
  EXPECT_TRUE((*created)->WriteAt(0, std::array<std::byte, 1>{}).ok());
}

TEST(FreeBytes, AreWhatMayStillBeWritten) {
  FaultFiles faults(1);
  faults.SetCapacity(1000);
  faults.Put("db/a", Bytes(300));
  CountedFiles counted(faults);
  Pace pace;
  PacedFiles paced(counted, pace);
  for (FileSystem* const files :
       {static_cast<FileSystem*>(&counted), static_cast<FileSystem*>(&paced)}) {
    const Result<uint64_t> free = files->FreeBytes("db");
    ASSERT_TRUE(free.ok());
    EXPECT_EQ(*free, 700u);
  }
  faults.FailAt(faults.operations(), EIO);
  EXPECT_EQ(counted.FreeBytes("db").status().code(), ErrorCode::kIo);
  ExpectCounts(counted, {});
}

TEST(FreeBytes, OfTheSystemAreThoseOfTheDevice) {
  const auto files = SystemFiles();
  const Result<uint64_t> free = files->FreeBytes(testing::TempDir());
  ASSERT_TRUE(free.ok()) << free.status().message();
  EXPECT_GT(*free, 0u);
  EXPECT_LT(*free, uint64_t{1} << 60);
  const Result<uint64_t> nowhere = files->FreeBytes(testing::TempDir() + "/vitrine-not-there");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.status().code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace vitrine::storage_counted_files_test
