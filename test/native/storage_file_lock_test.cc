#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "random_data.h"
#include "storage/file_lock.h"

namespace vitrine::storage_file_lock_test {
namespace {

class FileLockTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    path = name + "/LOCK";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<FileLock> Take() {
    auto attempt = TryLock(path);
    EXPECT_TRUE(attempt.ok()) << attempt.status().message();
    EXPECT_NE(attempt->lock, nullptr) << attempt->holder;
    return std::move(attempt->lock);
  }
  bool IsFree(const std::string& name) const {
    const auto attempt = TryLock(name);
    return attempt.ok() && attempt->lock != nullptr;
  }

  std::filesystem::path folder;
  std::string path;
};

TEST_F(FileLockTest, BelongsToOneObject) {
  auto lock = Take();
  const auto second = TryLock(path);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->lock, nullptr);
  EXPECT_EQ(second->holder, "process " + std::to_string(getpid()));
  EXPECT_FALSE(IsFree(path));  // closing the second one did not release the first
  lock.reset();
  EXPECT_TRUE(IsFree(path));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(FileLockTest, IsOneUnderEveryNameOfTheFolder) {
  const auto lock = Take();
  const std::filesystem::path link = folder.string() + "-link";
  std::filesystem::create_directory_symlink(folder, link);
  EXPECT_FALSE(IsFree((link / "LOCK").string()));
  std::filesystem::remove(link);
}

TEST_F(FileLockTest, FollowsNoSymbolicLink) {
  std::filesystem::create_symlink(folder / "elsewhere", path);
  EXPECT_EQ(TryLock(path).status().code(), ErrorCode::kIo);
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
}

TEST_F(FileLockTest, SaysWhyAFileCannotBeLocked) {
  const std::string missing = folder.string() + "/missing/LOCK";
  const auto attempt = TryLock(missing);
  ASSERT_FALSE(attempt.ok());
  EXPECT_NE(attempt.status().message().find("cannot lock " + missing), std::string::npos);
}

// Whoever locks a file that somebody has deleted meanwhile has locked nothing.
TEST_F(FileLockTest, IsOnTheFileThatHasTheName) {
  std::atomic<int> holders{0};
  std::atomic<size_t> locked{0};
  const size_t wanted = Scaled(500, 100);
  const auto race = [&] {
    while (locked < wanted) {
      auto attempt = TryLock(path);
      // It may be exchanged too often to be locked at all.
      if (!attempt.ok() || attempt->lock == nullptr) continue;
      EXPECT_EQ(++holders, 1);
      std::this_thread::yield();
      --holders;
      ++locked;
      std::filesystem::remove(path);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(race);
  for (std::thread& thread : threads) thread.join();
}

// Of processes that try at once exactly one has the lock; when it is killed another gets it.
TEST_F(FileLockTest, IsHeldByOneProcessAndReleasedByItsDeath) {
  for (size_t round = 0; round < Scaled(20, 3); ++round) {
    int results[2];
    ASSERT_EQ(pipe(results), 0);
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const auto attempt = TryLock(path);
        const char result = !attempt.ok() ? 'E' : attempt->lock != nullptr ? 'L' : '-';
        if (write(results[1], &result, 1) != 1) _exit(1);
        for (;;) pause();
      }
      children.push_back(child);
    }
    std::string said(children.size(), ' ');
    for (char& result : said) ASSERT_EQ(read(results[0], &result, 1), 1);
    EXPECT_EQ(std::count(said.begin(), said.end(), 'L'), 1) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), 'E'), 0) << said;
    EXPECT_FALSE(IsFree(path));
    for (const pid_t child : children) {
      ASSERT_EQ(kill(child, SIGKILL), 0);
      ASSERT_EQ(waitpid(child, nullptr, 0), child);
    }
    EXPECT_TRUE(IsFree(path));
    close(results[0]);
    close(results[1]);
  }
}

}  // namespace
}  // namespace vitrine::storage_file_lock_test
