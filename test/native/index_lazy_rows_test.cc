// Rows that are brought when they are first used.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "index/lazy_rows.h"

namespace vitrine {
namespace {

// Rows that are brought to `values`, each as its own number, and how often.
struct Brought {
  explicit Brought(size_t count) : values(count), times(count) {}

  std::unique_ptr<LazyRows> Rows(size_t row_bytes, size_t group_bytes) {
    return std::make_unique<LazyRows>(values.size(), row_bytes, group_bytes,
                                      [this](Slot first, size_t count, std::vector<std::byte>&) {
                                        groups.emplace_back(first, count);
                                        if (refuses)
                                          return Status(ErrorCode::kIo, "refused on purpose");
                                        for (Slot slot = first; slot < first + count; ++slot) {
                                          values[slot] = slot;
                                          times[slot].fetch_add(1, std::memory_order_relaxed);
                                        }
                                        return Status();
                                      });
  }

  std::vector<Slot> values;  // plain: whoever sees a row may read it
  std::vector<std::atomic<int>> times;
  std::vector<std::pair<Slot, size_t>> groups;
  bool refuses = false;
};

TEST(LazyRows, BringsTheGroupOfARowOnce) {
  Brought brought(100);
  const auto rows = brought.Rows(16, 16 * 40);  // 32 rows a group: a power of two
  EXPECT_FALSE(rows->IsHere(37));
  EXPECT_EQ(rows->rows_here(), 0u);
  Status failure;
  EXPECT_TRUE(rows->Ensure(37, failure));
  EXPECT_TRUE(rows->Ensure(63, failure));
  EXPECT_TRUE(rows->Fetch(32).ok());
  ASSERT_EQ(brought.groups.size(), 1u);
  EXPECT_EQ(brought.groups[0], std::pair(Slot{32}, size_t{32}));
  EXPECT_TRUE(rows->IsHere(32) && rows->IsHere(63));
  EXPECT_FALSE(rows->IsHere(31) || rows->IsHere(64));
  EXPECT_EQ(rows->rows_here(), 32u);
  EXPECT_FALSE(rows->AllHere());
}

TEST(LazyRows, BringsOneGroupAfterTheOtherThroughTheSameMemory) {
  size_t fresh = 0;
  const LazyRows rows(100, 1, 1, [&](Slot, size_t, std::vector<std::byte>& buffer) {
    fresh += buffer.empty() ? 1 : 0;
    buffer.resize(64);
    return Status();
  });
  EXPECT_TRUE(rows.FetchAll().ok());
  EXPECT_EQ(fresh, 1u);
}

TEST(LazyRows, BringsWhatARangeNeeds) {
  Brought brought(100);
  const auto rows = brought.Rows(16, 16 * 32);
  EXPECT_TRUE(rows->Fetch(31, 2).ok());
  EXPECT_EQ(brought.groups.size(), 2u);
  EXPECT_TRUE(rows->Fetch(0, 0).ok());
  EXPECT_TRUE(rows->FetchAll().ok());
  EXPECT_EQ(brought.groups.size(), 4u);
  EXPECT_EQ(brought.groups.back(), std::pair(Slot{96}, size_t{4}));
  EXPECT_TRUE(rows->AllHere());
  EXPECT_EQ(rows->rows_here(), 100u);
  for (const auto& times : brought.times) EXPECT_EQ(times.load(), 1);
  EXPECT_TRUE(rows->FetchAll().ok());
  EXPECT_EQ(brought.groups.size(), 4u);
}

TEST(LazyRows, HasThoseThatCameLaterFromTheStart) {
  Brought brought(100);
  const auto rows = brought.Rows(16, 16 * 32);
  EXPECT_FALSE(rows->IsHere(99));
  Status failure;
  for (const Slot later : {Slot{100}, Slot{128}, Slot{1'000'000}}) {
    EXPECT_TRUE(rows->IsHere(later));
    EXPECT_TRUE(rows->Ensure(later, failure));
  }
  EXPECT_TRUE(brought.groups.empty());
}

TEST(LazyRows, BringsARangeOnSeveralThreads) {
  constexpr size_t kCount = 5000;
  ThreadPool pool(3);
  std::vector<std::atomic<int>> times(kCount);
  std::atomic<bool> refuses{true};
  const LazyRows rows(kCount, 1, 16, [&](Slot first, size_t count, std::vector<std::byte>& buffer) {
    if (refuses.load() && first >= 2000) return Status(ErrorCode::kIo, "refused on purpose");
    buffer.assign(count, std::byte{1});
    for (Slot slot = first; slot < first + count; ++slot) {
      times[slot].fetch_add(1, std::memory_order_relaxed);
    }
    return Status();
  });
  EXPECT_TRUE(rows.Fetch(90, 1000, &pool, 4).ok());
  EXPECT_TRUE(rows.IsHere(90) && rows.IsHere(1089) && !rows.IsHere(1200));
  EXPECT_EQ(rows.Fetch(0, kCount, &pool, 4).code(), ErrorCode::kIo);
  EXPECT_FALSE(rows.AllHere());
  refuses.store(false);
  EXPECT_TRUE(rows.Fetch(0, kCount, &pool, 4).ok());
  EXPECT_TRUE(rows.AllHere());
  for (const auto& one : times) EXPECT_EQ(one.load(), 1);
}

TEST(LazyRows, HasGroupsOfOneRowWhereRowsAreLong) {
  Brought brought(3);
  const auto rows = brought.Rows(100, 10);
  EXPECT_TRUE(rows->Fetch(2).ok());
  EXPECT_EQ(brought.groups.back(), std::pair(Slot{2}, size_t{1}));
  EXPECT_TRUE(rows->FetchAll().ok());
  EXPECT_TRUE(rows->AllHere());
}

TEST(LazyRows, TriesAgainWhatFailed) {
  Brought brought(10);
  const auto rows = brought.Rows(1, 4);
  brought.refuses = true;
  Status failure;
  EXPECT_FALSE(rows->Ensure(5, failure));
  EXPECT_EQ(failure.code(), ErrorCode::kIo);
  EXPECT_EQ(rows->FetchAll().code(), ErrorCode::kIo);
  EXPECT_FALSE(rows->IsHere(5));
  EXPECT_EQ(rows->rows_here(), 0u);
  brought.refuses = false;
  EXPECT_TRUE(rows->Ensure(5, failure));
  EXPECT_EQ(brought.values[5], 5u);
  EXPECT_TRUE(rows->IsHere(5));
}

TEST(LazyRows, AreReadableForWhoSeesThem) {
  constexpr size_t kCount = 20'000;
  std::vector<Slot> values(kCount);
  std::vector<std::atomic<int>> times(kCount);
  const LazyRows rows(kCount, 1, 16, [&](Slot first, size_t count, std::vector<std::byte>&) {
    for (Slot slot = first; slot < first + count; ++slot) {
      values[slot] = slot;
      times[slot].fetch_add(1, std::memory_order_relaxed);
    }
    return Status();
  });
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Status failure;
      for (size_t step = 0; step < kCount; ++step) {
        const auto slot = static_cast<Slot>((step * 7'919 + i * 11) % kCount);
        ASSERT_TRUE(rows.Ensure(slot, failure));
        ASSERT_EQ(values[slot], slot);
      }
      ASSERT_TRUE(rows.AllHere());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& each : times) EXPECT_EQ(each.load(), 1);
}

}  // namespace
}  // namespace vitrine
