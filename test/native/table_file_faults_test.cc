// Saving and loading where the operating system refuses: the old file stays, nothing is left
// behind.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "table_file_support.h"

namespace vitrine::table_file_faults_test {
namespace {

std::unique_ptr<Table> MakeFilledTable(size_t dimension, size_t count) {
  auto table = MakeShaped({.dimension = dimension});
  ExpectOk(table->Add(IdsFrom(0, count), RandomVectors(count, dimension, 1)));
  return table;
}

// The operations of one save, in order.
std::vector<std::string> OperationsOfSave(const Table& table) {
  MemoryFiles files;
  std::vector<std::string> operations;
  files.before = [&](const std::string& operation) {
    operations.push_back(operation);
    return Status();
  };
  ExpectOk(Save(table, files));
  return operations;
}

TEST(TableFileFaults, FlushesBeforeItRenamesAndTheFolderAfterwards) {
  std::vector<std::string> operations = OperationsOfSave(*MakeFilledTable(16, 200));
  operations.erase(std::unique(operations.begin(), operations.end()), operations.end());
  EXPECT_EQ(operations, (std::vector<std::string>{"create", "write", "sync", "close", "open",
                                                  "size", "read", "rename", "sync folder"}));
}

class FailingCall : public testing::TestWithParam<bool> {};

// Each call in turn fails, once or from then on.
TEST_P(FailingCall, LeavesTheOldFileAndNothingElse) {
  const bool sticky = GetParam();
  const auto old_table = MakeFilledTable(4, 50);
  const auto new_table = MakeFilledTable(16, 200);
  const std::vector<std::string> operations = OperationsOfSave(*new_table);
  const Bytes new_bytes = SavedBytes(*new_table);
  for (size_t k = 0; k < operations.size(); ++k) {
    SCOPED_TRACE("call " + std::to_string(k) + ": " + operations[k]);
    MemoryFiles files;
    ExpectOk(Save(*old_table, files));
    const Bytes old_bytes = files.Get(kPath);
    size_t calls = 0;
    size_t syncs = 0;
    files.before = [&](const std::string& operation) {
      const size_t call = calls++;
      syncs += operation == "sync";
      const bool fails = call == k || (sticky && call > k && operation != "remove");
      return fails ? MemoryFiles::Refused(operation) : Status();
    };
    const Status status = Save(*new_table, files);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), ErrorCode::kIo);
    EXPECT_NE(status.message().find("refused on purpose: " + operations[k]), std::string::npos)
        << status.message();
    // Once renamed the new file is in place; the caller learns that this may not last.
    const bool renamed = operations[k] == "sync folder";
    EXPECT_EQ(files.Get(kPath), renamed ? new_bytes : old_bytes);
    EXPECT_EQ(files.Names().size(), 1u);
    EXPECT_LE(syncs, 1u);  // a second flush would prove nothing
  }
}

INSTANTIATE_TEST_SUITE_P(Twice, FailingCall, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "FromThenOn" : "Once"; });

// A power cut after any number of calls.
TEST(TableFileFaults, APowerCutLeavesTheOldOrTheNewFile) {
  const auto old_table = MakeFilledTable(4, 50);
  const auto new_table = MakeFilledTable(16, 200);
  const size_t calls_of_save = OperationsOfSave(*new_table).size();
  for (size_t k = 0; k <= calls_of_save; ++k) {
    MemoryFiles files;
    ExpectOk(Save(*old_table, files));
    size_t calls = 0;
    files.before = [&](const std::string& operation) {
      return calls++ >= k ? MemoryFiles::Refused(operation) : Status();
    };
    const bool saved = Save(*new_table, files).ok();
    for (const auto folder : {MemoryFiles::Folder::kAsFlushed, MemoryFiles::Folder::kAsNow}) {
      const auto after = files.AfterPowerCut(folder);
      const auto loaded = Load(*after);
      ASSERT_TRUE(loaded.ok()) << k << ": " << loaded.status().message();
      EXPECT_TRUE((*loaded)->size() == 50 || (*loaded)->size() == 200);
      EXPECT_TRUE(!saved || (*loaded)->size() == 200u) << k;
    }
  }
}

TEST(TableFileFaults, AFullDeviceLeavesTheOldFile) {
  const auto old_table = MakeFilledTable(4, 50);
  const auto new_table = MakeFilledTable(16, 200);
  MemoryFiles files;
  ExpectOk(Save(*old_table, files));
  const Bytes old_bytes = files.Get(kPath);
  const size_t needed = old_bytes.size() + SavedBytes(*new_table).size();
  for (size_t capacity = old_bytes.size(); capacity < needed; capacity += 1000) {
    files.capacity = capacity;
    const Status status = Save(*new_table, files);
    ASSERT_FALSE(status.ok()) << capacity;
    EXPECT_EQ(status.code(), ErrorCode::kIo);
    EXPECT_NE(status.message().find("no space left"), std::string::npos);
    EXPECT_EQ(files.Get(kPath), old_bytes);
    EXPECT_EQ(files.Names().size(), 1u);
  }
  files.capacity = needed;
  ExpectOk(Save(*new_table, files));
}

// What is read back differs from what was written: memory or device are at fault.
TEST(TableFileFaults, NoticesWhatTheDeviceChanged) {
  const auto old_table = MakeFilledTable(4, 50);
  const auto new_table = MakeFilledTable(16, 200);
  class ChangingFiles final : public FileSystem {
   public:
    explicit ChangingFiles(MemoryFiles& files) : files_(files) {}
    Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override {
      EXPECT_EQ(cache, Cache::kDrop);
      Bytes bytes = files_.Get(path);
      bytes[bytes.size() / 2] ^= std::byte{1};
      files_.Put(path, std::move(bytes));
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

   private:
    MemoryFiles& files_;
  };
  MemoryFiles files;
  ExpectOk(Save(*old_table, files));
  const Bytes old_bytes = files.Get(kPath);
  ChangingFiles changing(files);
  const Status status = SaveTable(*new_table, kPath, {.files = &changing});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kCorrupt) << status.message();
  EXPECT_EQ(files.Get(kPath), old_bytes);
  EXPECT_EQ(files.Names().size(), 1u);
}

// The operating system itself: a limit on the size of files makes the last write a partial one, and
// the next one fail.
TEST(TableFileFaults, ALimitOfTheSystemLeavesTheOldFile) {
  std::string folder = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/index";
  const auto old_table = MakeFilledTable(4, 50);
  ExpectOk(SaveTable(*old_table, path));

  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1'000'001;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = SaveTable(*MakeFilledTable(128, 3000), path);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);

  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kIo);
  EXPECT_NE(status.message().find("File too large"), std::string::npos) << status.message();
  const auto loaded = LoadTable(path, BestKernels(), nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ((*loaded)->size(), 50u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

TEST(TableFileFaults, EveryCallOfALoadMayFail) {
  MemoryFiles files;
  ExpectOk(Save(*MakeFilledTable(300, 6000), files));  // several reads of some sections
  size_t calls = 0;
  size_t failing = SIZE_MAX;
  files.before = [&](const std::string& operation) {
    return calls++ == failing ? MemoryFiles::Refused(operation) : Status();
  };
  ThreadPool pool(2);
  ASSERT_TRUE(Load(files, &pool).ok());
  const size_t calls_of_load = calls;
  EXPECT_GT(calls_of_load, 12u);
  for (failing = 0; failing < calls_of_load; ++failing) {
    calls = 0;
    const auto loaded = Load(files, &pool);
    ASSERT_FALSE(loaded.ok()) << failing;
    EXPECT_EQ(loaded.status().code(), ErrorCode::kIo);
  }
}

}  // namespace
}  // namespace vitrine::table_file_faults_test
