#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/block_pool.h"

namespace vitrine::base_block_pool_test {
namespace {

constexpr size_t kBlock = 1536;

std::vector<std::byte*> TakeAll(BlockPool& pool) {
  std::vector<std::byte*> blocks;
  while (std::byte* const block = pool.Take()) blocks.push_back(block);
  return blocks;
}

TEST(BlockPool, RoundsUpToWholeCacheLines) {
  EXPECT_EQ(BlockPool::Rounded(1), 64U);
  EXPECT_EQ(BlockPool::Rounded(64), 64U);
  EXPECT_EQ(BlockPool::Rounded(65), 128U);
}

TEST(BlockPool, GivesEachBlockOnceUntilNoneIsLeft) {
  const auto pool = BlockPool::Create(kBlock);
  const std::vector<std::byte*> blocks = TakeAll(*pool);
  EXPECT_EQ(blocks.size(), BlockPool::kBytes / kBlock);
  const std::set<std::byte*> sorted(blocks.begin(), blocks.end());
  EXPECT_EQ(sorted.size(), blocks.size());
  const std::byte* end = *sorted.begin();
  for (std::byte* const block : sorted) {
    EXPECT_EQ(block, end);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % BlockPool::kAlignment, 0U);  // NOLINT
    std::memset(block, 0xff, kBlock);
    end = block + kBlock;
  }
  for (std::byte* const block : blocks) pool->Give(block);
}

TEST(BlockPool, TakesWhatCameBackBeforeWhatWasNeverTouched) {
  const auto pool = BlockPool::Create(kBlock);
  std::byte* const first = pool->Take();
  std::byte* const second = pool->Take();
  pool->Give(first);
  EXPECT_EQ(pool->Take(), first);
  pool->Give(second);
  pool->Give(first);
  const std::set<std::byte*> again = {pool->Take(), pool->Take()};
  EXPECT_EQ(again, (std::set<std::byte*>{first, second}));
  EXPECT_EQ(TakeAll(*pool).size(), BlockPool::kBytes / kBlock - 2);
}

// Blocks on their way from the thread that takes them to those that give them back.
class Way {
 public:
  void Put(std::byte* block) {
    const std::lock_guard lock(mutex_);
    blocks_.push_back(block);
  }
  // Null: there is none yet.
  std::byte* Get() {
    const std::lock_guard lock(mutex_);
    if (blocks_.empty()) return nullptr;
    std::byte* const block = blocks_.back();
    blocks_.pop_back();
    return block;
  }

 private:
  std::mutex mutex_;
  std::vector<std::byte*> blocks_;
};

TEST(BlockPool, ServesWhileOtherThreadsGiveBack) {
  constexpr uint64_t kRounds = 20'000;
  constexpr size_t kLarge = 16'384;  // few blocks, so that each comes again often
  const auto pool = BlockPool::Create(kLarge);
  Way way;
  std::atomic<uint64_t> given{0};
  std::atomic<uint64_t> wrong{0};
  const auto give = [&] {
    while (given.load() < kRounds) {
      std::byte* const block = way.Get();
      if (block == nullptr) {
        std::this_thread::yield();
        continue;
      }
      uint64_t begin;
      uint64_t end;
      std::memcpy(&begin, block, sizeof(begin));
      std::memcpy(&end, block + kLarge - sizeof(end), sizeof(end));
      if (begin != end) ++wrong;
      pool->Give(block);
      ++given;
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int i = 0; i < 2; ++i) threads.emplace_back(give);
  for (uint64_t round = 0; round < kRounds;) {
    std::byte* const block = pool->Take();
    if (block == nullptr) {
      std::this_thread::yield();
      continue;
    }
    // Two owners of one block would not find the same at both ends of it.
    std::memcpy(block, &round, sizeof(round));
    std::memcpy(block + kLarge - sizeof(round), &round, sizeof(round));
    way.Put(block);
    ++round;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U);
}

}  // namespace
}  // namespace vitrine::base_block_pool_test
