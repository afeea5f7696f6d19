// Many writers at once, and processes that are really killed.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "fault_files.h"
#include "log_support.h"
#include "random_data.h"

namespace vitrine::storage_log_threads_test {
namespace {

using Until = LogWriter::Until;

// What one thread was told: index and number of each of its records, in its order.
using Told = std::vector<std::pair<uint64_t, uint64_t>>;

constexpr size_t kThreads = 8;

size_t BytesOf(uint64_t index) { return index * 7919 % 1500; }

// Each thread appends until `per_thread` or the first failure.
std::vector<Told> AppendFromThreads(LogWriter& log, size_t per_thread) {
  std::vector<Told> told(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < per_thread; ++i) {
        const uint64_t index = (t + 1) << 32 | i;
        const auto ack = log.Append({.payload = PayloadOf(index, BytesOf(index))}, Until::kDurable);
        if (!ack.ok()) return;
        told[t].push_back({index, ack->lsn});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return told;
}

// Every acknowledged record is there under its number, each thread's in its order.
void Hold(const Replay& replay, const std::vector<Told>& told) {
  std::map<uint64_t, const Replayed*> by_lsn;
  for (const Replayed& record : replay.records) by_lsn[record.lsn] = &record;
  ASSERT_EQ(by_lsn.size(), replay.records.size());
  for (const Told& thread : told) {
    uint64_t before = 0;
    for (const auto& [index, lsn] : thread) {
      ASSERT_GT(lsn, before);
      before = lsn;
      ASSERT_TRUE(by_lsn.contains(lsn));
      ASSERT_EQ(by_lsn[lsn]->payload, PayloadOf(index, BytesOf(index)));
    }
  }
}

TEST(LogThreads, ShareFlushesAndKeepTheirOrder) {
  FaultFiles files(TestSeed());
  auto log = OpenLog(files, RecoverLog(files)->end, 7);
  ASSERT_TRUE(log.ok());
  const size_t per_thread = Scaled(500, 60);
  std::atomic<bool> done{false};
  // Meanwhile the housekeeping that a database does.
  std::thread keeper([&] {
    while (!done) {
      EXPECT_TRUE((*log)->PrepareNext().ok());
      EXPECT_TRUE((*log)->Seal().ok());
      EXPECT_TRUE((*log)->RemoveThrough(0).ok());
      EXPECT_LE((*log)->counts().payload_bytes, UINT32_MAX);
      std::this_thread::yield();
    }
  });
  const std::vector<Told> told = AppendFromThreads(**log, per_thread);
  done = true;
  keeper.join();
  ASSERT_TRUE((*log)->Close().ok());
  for (const Told& thread : told) EXPECT_EQ(thread.size(), per_thread);
  files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  const auto replay = ReplayLog(files);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  EXPECT_EQ(replay->records.size(), kThreads * per_thread);
  ASSERT_NO_FATAL_FAILURE(Hold(*replay, told));
}

// The operating system's files on a device that takes its time to flush.
class SlowFiles final : public FileSystem {
 public:
  // Called before a file is flushed with its length.
  std::function<void()> before_sync = [] {};

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override {
    return files_->OpenForReading(path, cache);
  }
  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    return Slow(files_->Create(path), before_sync);
  }
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    return Slow(files_->OpenForWriting(path), before_sync);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return files_->Rename(from, to);
  }
  Status Remove(const std::string& path) override { return files_->Remove(path); }
  Status SyncFolderOf(const std::string& path) override { return files_->SyncFolderOf(path); }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return files_->List(folder);
  }

 private:
  class SlowFile final : public File {
   public:
    SlowFile(std::unique_ptr<File> file, std::function<void()> before_sync)
        : file_(std::move(file)), before_sync_(std::move(before_sync)) {}
    Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
      return file_->ReadAt(offset, out);
    }
    Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
      return file_->WriteAt(offset, bytes);
    }
    Status Sync() override {
      before_sync_();
      return file_->Sync();
    }
    Status SyncData() override {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      return file_->SyncData();
    }
    Result<uint64_t> Size() const override { return file_->Size(); }
    Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
      return file_->Map(bytes);
    }
    Status Close() override { return file_->Close(); }

   private:
    const std::unique_ptr<File> file_;
    const std::function<void()> before_sync_;
  };

  static Result<std::unique_ptr<File>> Slow(Result<std::unique_ptr<File>> file,
                                            std::function<void()> before_sync) {
    if (!file.ok()) return file;
    return std::unique_ptr<File>(
        std::make_unique<SlowFile>(std::move(*file), std::move(before_sync)));
  }

  const std::unique_ptr<FileSystem> files_ = SystemFiles();
};

// A log on such a device.
class SlowLog : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    LogWriter::Options options = SmallLog(7);
    options.segment_bytes = {1 << 22, 1 << 22};
    auto opened = LogWriter::Open(files, folder, RecoverLog(files, 0, folder)->end, options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    log = std::move(*opened);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string folder = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
  SlowFiles files;
  std::unique_ptr<LogWriter> log;
};

// A segment is long, and its way to the device too: neither writers wait for it nor who asks for
// counts, which the housekeeping of a database does all the time.
TEST_F(SlowLog, GoesOnWhileASegmentIsPrepared) {
  ASSERT_TRUE(log->Append({.payload = PayloadOf(1, 8)}, Until::kDurable).ok());

  std::promise<void> begun;
  std::promise<void> may_end;
  files.before_sync = [&] {
    begun.set_value();
    may_end.get_future().wait();
  };
  std::thread keeper([&] { EXPECT_TRUE(log->PrepareNext().ok()); });
  begun.get_future().wait();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    EXPECT_EQ(log->counts().spare_bytes, 0u);
    EXPECT_TRUE(log->Append({.payload = PayloadOf(2, 8)}, Until::kDurable).ok());
    EXPECT_GT(log->room(), 0u);
    EXPECT_EQ(log->counts().prepared_segments, 1u);
    done = true;
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(done) << "a writer waits for a segment that it does not need";
  may_end.set_value();
  writer.join();
  keeper.join();
  EXPECT_EQ(log->counts().prepared_segments, 2u);
  ASSERT_TRUE(log->Close().ok());
}

// A device that takes its time makes groups large.
TEST_F(SlowLog, IsFlushedForManyTogether) {
  const std::vector<Told> told = AppendFromThreads(*log, Scaled(100, 30));
  const LogCounts counts = log->counts();
  EXPECT_EQ(counts.frames, kThreads * Scaled(100, 30));
  EXPECT_LT(counts.flushes, counts.frames / 2);
  ASSERT_TRUE(log->Close().ok());
  const auto replay = RecoverLog(files, 0, folder);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  ASSERT_NO_FATAL_FAILURE(Hold(*replay, told));
}

// The disk fails under all of them: nobody hangs, and what was acknowledged is there.
TEST(LogThreads, AllLearnOfAFailure) {
  VITRINE_TRACE_SEED();
  for (uint64_t run = 0; run < Rounds(60, 8); ++run) {
    FaultFiles files(TestSeed() + run);
    auto log = OpenLog(files, RecoverLog(files)->end, 7);
    ASSERT_TRUE(log.ok());
    files.FailAt(files.operations() + 20 + run, EIO);
    const std::vector<Told> told = AppendFromThreads(**log, 200);
    log->reset();
    files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
    const auto replay = ReplayLog(files);
    ASSERT_TRUE(replay.ok()) << replay.status().message();
    ASSERT_NO_FATAL_FAILURE(Hold(*replay, told));
  }
}

TEST(LogThreads, CloseWhileOthersAppend) {
  FaultFiles files(TestSeed());
  auto log = OpenLog(files, RecoverLog(files)->end, 7);
  std::vector<Told> told;
  std::thread writers([&] { told = AppendFromThreads(**log, 100'000); });
  while ((*log)->durable_lsn() < 50) std::this_thread::yield();
  ASSERT_TRUE((*log)->Close().ok());
  writers.join();
  files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  const auto replay = ReplayLog(files);
  ASSERT_TRUE(replay.ok());
  ASSERT_NO_FATAL_FAILURE(Hold(*replay, told));
}

// Runs in a process of its own until it is killed: appends from record `index` on, and says on
// `acks` which are durable.
[[noreturn]] void AppendUntilKilled(const std::string& folder, uint64_t life, uint64_t index,
                                    int acks) {
  const auto files = SystemFiles();
  const auto replay = RecoverLog(*files, 0, folder);
  if (!replay.ok()) _exit(2);
  const auto log = OpenLog(*files, replay->end, life, folder);
  if (!log.ok()) _exit(3);
  for (;; ++index) {
    if (index % 3 == 0) (void)(*log)->PrepareNext().ok();
    if (index % 11 == 0) (void)(*log)->Seal().ok();
    const auto until = index % 4 == 0 ? Until::kWritten : Until::kDurable;
    if (!(*log)->Append({.payload = PayloadOf(index, BytesOf(index))}, until).ok()) _exit(4);
    if (write(acks, &index, sizeof(index)) != sizeof(index)) _exit(5);
  }
}

TEST(LogProcess, AKilledProcessLosesNothingItAcknowledged) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  size_t acknowledged = 0;
  std::string folder;
  uint64_t index = 0;  // of the last record that is known to be there
  const size_t kills = Rounds(1'000, 15);
  for (uint64_t round = 0; round < kills; ++round) {
    if (round % 20 == 0) {
      if (!folder.empty()) std::filesystem::remove_all(folder);
      folder = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
      ASSERT_NE(mkdtemp(folder.data()), nullptr);
      index = 0;
    }
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_ends[0]);
      AppendUntilKilled(folder, round + 1, index + 1, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    // By acknowledgements rather than by the clock: slow disks give as many of them.
    uint64_t told = index;
    const auto listen = [&] {
      if (read(pipe_ends[0], &told, sizeof(told)) != sizeof(told)) return false;
      ++acknowledged;
      return true;
    };
    for (uint64_t acks = random() % 4; acks > 0 && listen(); --acks) continue;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int how = 0;
    ASSERT_EQ(waitpid(child, &how, 0), child);
    ASSERT_TRUE(WIFSIGNALED(how)) << "the child ended by itself: " << WEXITSTATUS(how);
    while (listen()) continue;
    close(pipe_ends[0]);

    const auto files = SystemFiles();
    const auto replay = ReplayLog(*files, 0, 0, LogReader::Purpose::kInspect, folder);
    ASSERT_TRUE(replay.ok()) << replay.status().message();
    for (uint64_t i = 0; i < replay->records.size(); ++i) {
      ASSERT_EQ(replay->records[i].payload, PayloadOf(i + 1, BytesOf(i + 1)));
    }
    ASSERT_GE(replay->records.size(), told) << "acknowledged records are lost";
    index = replay->records.size();
  }
  std::filesystem::remove_all(folder);
  EXPECT_GT(acknowledged, kills / 2);
  RecordProperty("kills", std::to_string(kills));
  RecordProperty("acknowledged", std::to_string(acknowledged));
}

}  // namespace
}  // namespace vitrine::storage_log_threads_test
