#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "base/pages.h"
#include "random_data.h"
#include "storage/file_system.h"
#include "storage/replaced_file.h"

namespace vitrine::storage_file_system_test {
namespace {

using Bytes = std::vector<std::byte>;

Bytes CountingBytes(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7);
  return bytes;
}

class SystemFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string PathOf(const std::string& name) const { return (folder_ / name).string(); }
  void Write(const std::string& name, const Bytes& bytes) {
    auto file = files_->Create(PathOf(name));
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  Bytes Read(const std::string& name) {
    auto file = files_->OpenForReading(PathOf(name), FileSystem::Cache::kDrop);
    EXPECT_TRUE(file.ok());
    Bytes bytes(*(*file)->Size());
    EXPECT_TRUE((*file)->ReadAt(0, bytes).ok());
    return bytes;
  }

  std::filesystem::path folder_;
  const std::unique_ptr<FileSystem> files_ = SystemFiles();
};

TEST_F(SystemFilesTest, ReadsWhatWasWritten) {
  const Bytes bytes = CountingBytes(300'000);
  Write("file", bytes);
  EXPECT_EQ(Read("file"), bytes);
  auto file = files_->OpenForReading(PathOf("file"), FileSystem::Cache::kUse);
  Bytes part(1000);
  ASSERT_TRUE((*file)->ReadAt(123'456, part).ok());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), bytes.begin() + 123'456));
}

TEST_F(SystemFilesTest, FillsHolesWithZeros) {
  auto file = files_->Create(PathOf("file"));
  ASSERT_TRUE((*file)->WriteAt(10, CountingBytes(5)).ok());
  ASSERT_TRUE((*file)->Close().ok());
  Bytes expected(10);
  const Bytes tail = CountingBytes(5);
  expected.insert(expected.end(), tail.begin(), tail.end());
  EXPECT_EQ(Read("file"), expected);
}

TEST_F(SystemFilesTest, TellsWhereAFileEndsTooEarly) {
  Write("file", CountingBytes(100));
  auto file = files_->OpenForReading(PathOf("file"), FileSystem::Cache::kUse);
  Bytes out(50);
  const Status status = (*file)->ReadAt(60, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kCorrupt);
  EXPECT_NE(status.message().find("ends at byte 100"), std::string::npos) << status.message();
}

TEST_F(SystemFilesTest, MapsAFileThatMayBeReplacedAndRemoved) {
  const Bytes bytes = CountingBytes(200'000);
  Write("file", bytes);
  std::unique_ptr<FileMapping> mapping;
  {
    const auto file = files_->OpenForReading(PathOf("file"), FileSystem::Cache::kUse);
    auto mapped = (*file)->Map(150'001);
    ASSERT_TRUE(mapped.ok()) << mapped.status().message();
    mapping = std::move(*mapped);
  }
  const auto expect_bytes = [&] {
    EXPECT_TRUE(std::equal(mapping->data(), mapping->data() + 150'001, bytes.begin()));
  };
  expect_bytes();
  Write("other", Bytes(10));
  ASSERT_TRUE(files_->Rename(PathOf("other"), PathOf("file")).ok());
  expect_bytes();
  ASSERT_TRUE(files_->Remove(PathOf("file")).ok());
  expect_bytes();
}

TEST_F(SystemFilesTest, RefusesToMapMoreThanThereAreAddresses) {
  Write("file", CountingBytes(10));
  const auto file = files_->OpenForReading(PathOf("file"), FileSystem::Cache::kUse);
  EXPECT_EQ((*file)->Map(uint64_t{1} << 60).status().code(), ErrorCode::kOutOfMemory);
}

TEST_F(SystemFilesTest, CreatesOnlyWhatIsNotThere) {
  Write("file", CountingBytes(10));
  EXPECT_EQ(files_->Create(PathOf("file")).status().code(), ErrorCode::kExists);
  EXPECT_EQ(Read("file"), CountingBytes(10));
}

TEST_F(SystemFilesTest, ChangesAFileThatExists) {
  Write("file", CountingBytes(100));
  auto file = files_->OpenForWriting(PathOf("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE((*file)->WriteAt(10, Bytes(5)).ok());
  ASSERT_TRUE((*file)->SyncData().ok());
  Bytes expected = CountingBytes(100);
  std::fill_n(expected.begin() + 10, 5, std::byte{});
  Bytes read(100);
  ASSERT_TRUE((*file)->ReadAt(0, read).ok());
  EXPECT_EQ(read, expected);
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Read("file"), expected);
}

// Whole pages may take another way than the rest: whoever reads sees no difference.
TEST_F(SystemFilesTest, WritesPagesAndPartsOfPagesToAFileThatExists) {
  VITRINE_TRACE_SEED();
  constexpr size_t kPage = 4096, kPages = 64;
  Bytes expected(kPages * kPage);
  Write("file", expected);
  auto file = files_->OpenForWriting(PathOf("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const PageBlock memory = PageBlock::Allocate(expected.size());
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    // Whole pages of memory and of the file, or one of them out of step, or all.
    const bool whole = round % 3 != 0;
    size_t offset = random() % (kPages - 8) * kPage;
    size_t from = random() % (kPages - 8) * kPage;
    size_t size = (1 + random() % 8) * kPage;
    if (!whole) {
      offset += random() % 2 * (random() % kPage);
      from += random() % 2 * (random() % kPage);
      size -= random() % 2 * (random() % kPage);
    }
    const std::span bytes(memory.data() + from, std::min(size, expected.size() - offset));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    ASSERT_TRUE((*file)->WriteAt(offset, bytes).ok());
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<ptrdiff_t>(offset));
    if (round % 7 == 0) {
      ASSERT_TRUE((*file)->SyncData().ok());
      ASSERT_EQ(Read("file"), expected) << round;
    }
  }
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Read("file"), expected);
}

TEST_F(SystemFilesTest, ListsAFolderInOrder) {
  EXPECT_TRUE(files_->List(folder_.string())->empty());
  for (const char* const name : {"b", "a", ".hidden", "b.tmp", "\u00e9"}) Write(name, Bytes(1));
  std::filesystem::create_directory(folder_ / "c");
  EXPECT_EQ(*files_->List(folder_.string()),
            (std::vector<std::string>{".hidden", "a", "b", "b.tmp", "c", "\u00e9"}));
}

TEST_F(SystemFilesTest, SaysPathAndReasonOfEveryFailure) {
  const auto expect = [](const Status& status, const std::string& path, int error) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), ErrorCode::kIo);
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
    ASSERT_EQ(status.details().size(), 2u);
    EXPECT_EQ(status.details()[0].name, "path");
    EXPECT_EQ(std::get<std::string>(status.details()[0].value), path);
    EXPECT_EQ(status.details()[1].name, "errno");
    EXPECT_EQ(std::get<uint64_t>(status.details()[1].value), static_cast<uint64_t>(error));
  };
  const std::string missing = PathOf("missing/file");
  const auto cache = FileSystem::Cache::kUse;
  expect(files_->OpenForReading(missing, cache).status(), missing, ENOENT);
  expect(files_->OpenForReading(folder_.string(), cache).status(), folder_.string(), EISDIR);
  expect(files_->OpenForWriting(missing).status(), missing, ENOENT);
  expect(files_->OpenForWriting(folder_.string()).status(), folder_.string(), EISDIR);
  expect(files_->List(missing).status(), missing, ENOENT);
  expect(files_->Create(missing).status(), missing, ENOENT);
  expect(files_->Rename(missing, PathOf("a")), PathOf("a"), ENOENT);
  expect(files_->Remove(missing), missing, ENOENT);
  expect(files_->SyncFolderOf(missing), PathOf("missing"), ENOENT);
}

TEST_F(SystemFilesTest, OpensRegularFilesOnly) {
  ASSERT_EQ(mkfifo(PathOf("pipe").c_str(), 0600), 0);
  for (const std::string& path : {PathOf("pipe"), std::string("/dev/zero")}) {
    const auto file = files_->OpenForReading(path, FileSystem::Cache::kUse);
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.status().message().find("not a regular file"), std::string::npos);
  }
}

TEST_F(SystemFilesTest, RenamesOverWhatIsThere) {
  Write("a", CountingBytes(10));
  Write("b", CountingBytes(20));
  ASSERT_TRUE(files_->Rename(PathOf("a"), PathOf("b")).ok());
  EXPECT_EQ(Read("b"), CountingBytes(10));
  EXPECT_FALSE(std::filesystem::exists(PathOf("a")));
  EXPECT_TRUE(files_->SyncFolderOf(PathOf("b")).ok());
  EXPECT_TRUE(files_->SyncFolderOf("no-slash-in-here").ok());
}

// With a limit on the size of files the system writes a part, and refuses only the rest.
TEST_F(SystemFilesTest, ContinuesPartialWrites) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  auto file = files_->Create(PathOf("file"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = (*file)->WriteAt(0, CountingBytes(30'000));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(std::get<uint64_t>(status.details()[1].value), static_cast<uint64_t>(EFBIG));
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Read("file"), CountingBytes(10'000));
}

TEST_F(SystemFilesTest, ReplacesAFileOrLeavesIt) {
  Write("file", CountingBytes(10));
  {
    auto replaced = ReplacedFile::Create(*files_, PathOf("file"));
    ASSERT_TRUE(replaced.ok());
    ASSERT_TRUE((*replaced)->file().WriteAt(0, CountingBytes(20)).ok());
    EXPECT_EQ(Read("file"), CountingBytes(10));
  }
  EXPECT_EQ(Read("file"), CountingBytes(10));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  {
    auto replaced = ReplacedFile::Create(*files_, PathOf("file"));
    ASSERT_TRUE((*replaced)->file().WriteAt(0, CountingBytes(20)).ok());
    ASSERT_TRUE((*replaced)->SyncAndClose().ok());
    ASSERT_TRUE((*replaced)->Reopen().ok());
    ASSERT_TRUE((*replaced)->Commit().ok());
  }
  EXPECT_EQ(Read("file"), CountingBytes(20));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace vitrine::storage_file_system_test
