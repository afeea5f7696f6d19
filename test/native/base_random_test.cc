#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "base/random.h"

namespace vitrine::base_random_test {
namespace {

TEST(RandomWord, IsAnotherEachTimeAndOnEveryThread) {
  constexpr size_t kEach = 1000;
  std::vector<std::vector<uint64_t>> words(3, std::vector<uint64_t>(kEach));
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& of_thread : words) {
    threads.emplace_back([&of_thread] {
      for (uint64_t& word : of_thread) word = RandomWord();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const std::vector<uint64_t>& of_thread : words) {
    all.insert(of_thread.begin(), of_thread.end());
  }
  // Two of 3,000 words are equal once in four million million runs.
  EXPECT_EQ(all.size(), words.size() * kEach);
}

}  // namespace
}  // namespace vitrine::base_random_test
