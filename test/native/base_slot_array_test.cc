#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/slot_array.h"
#include "random_data.h"

namespace vitrine::base_slot_array_test {
namespace {

// A pattern that differs from row to row and from byte to byte.
std::byte PatternOf(Slot slot, size_t i) { return static_cast<std::byte>(slot * 31 + i * 7 + 1); }

void Fill(const SlotRows& rows, Slot slot) {
  for (size_t i = 0; i < rows.row_bytes(); ++i) rows.Row(slot)[i] = PatternOf(slot, i);
}

bool IsFilled(const SlotRows& rows, Slot slot) {
  for (size_t i = 0; i < rows.row_bytes(); ++i) {
    if (rows.Row(slot)[i] != PatternOf(slot, i)) return false;
  }
  return true;
}

bool IsZero(const SlotRows& rows, Slot slot) {
  for (size_t i = 0; i < rows.row_bytes(); ++i) {
    if (rows.Row(slot)[i] != std::byte{0}) return false;
  }
  return true;
}

// Blocks go back one by one, and in any order.
TEST(PageRegion, GivesBlocksThatOutliveIt) {
  constexpr size_t kBytes = size_t{700} << 10;
  std::vector<PageBlock> blocks;
  {
    PageRegion region(size_t{2} << 20);
    for (int i = 0; i < 4; ++i) blocks.push_back(region.Allocate(kBytes));
    blocks.push_back(region.Allocate(100));
    blocks.push_back(region.Allocate(size_t{3} << 20));
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_NE(blocks[i].data(), nullptr);
    ASSERT_GE(blocks[i].bytes(), i < 4 ? kBytes : i == 4 ? 100 : size_t{3} << 20);
    for (size_t at = 0; at < blocks[i].bytes(); at += 64) {
      ASSERT_EQ(blocks[i].data()[at], std::byte{0}) << i << " " << at;
    }
    std::memset(blocks[i].data(), static_cast<int>(i + 1), blocks[i].bytes());
  }
  blocks[1] = PageBlock();
  blocks[4] = PageBlock();
  for (const size_t i : {0u, 2u, 3u, 5u}) {
    for (size_t at = 0; at < blocks[i].bytes(); at += 64) {
      ASSERT_EQ(blocks[i].data()[at], static_cast<std::byte>(i + 1)) << i << " " << at;
    }
  }
}

// Where there are huge pages, a block has ordinary ones at its end at most.
TEST(PageBlock, BeginsWhereAHugePageMay) {
  for (const size_t bytes : {size_t{4} << 20, (size_t{5} << 20) + 1}) {
    for (int i = 0; i < 3; ++i) {
      const PageBlock block = PageBlock::Allocate(bytes);
      ASSERT_NE(block.data(), nullptr);
      EXPECT_EQ(block.data()[0], std::byte{});
      EXPECT_EQ(block.bytes(), (bytes + 4095) / 4096 * 4096);
      block.data()[bytes - 1] = std::byte{1};
#ifdef __linux__
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % (size_t{2} << 20), 0u);
#endif
    }
  }
}

TEST(SlotRows, GrowWithoutMovingAndApart) {
  for (const size_t row_bytes : {1, 4, 8, 60, 128, 3136, 70'000, 262'144}) {
    SlotRows rows(row_bytes);
    EXPECT_EQ(rows.capacity(), 0u);
    const size_t most = std::min<size_t>(40'000, (Scaled(16, 4) << 20) / row_bytes);
    std::vector<std::byte*> addresses;
    for (size_t count = 1; count <= most; count = count * 3 / 2 + 1) {
      ASSERT_TRUE(rows.Grow(count));
      ASSERT_GE(rows.capacity(), count);
      for (Slot slot = 0; slot < addresses.size(); ++slot) {
        ASSERT_EQ(rows.Row(slot), addresses[slot]) << "row bytes " << row_bytes;
      }
      while (addresses.size() < count) {
        const Slot slot = static_cast<Slot>(addresses.size());
        ASSERT_TRUE(IsZero(rows, slot));
        Fill(rows, slot);
        addresses.push_back(rows.Row(slot));
      }
    }
    // Had two rows shared a byte, one of them would have lost its pattern.
    for (Slot slot = 0; slot < addresses.size(); ++slot) {
      ASSERT_TRUE(IsFilled(rows, slot)) << "row " << slot << " of " << row_bytes << " bytes";
    }
  }
}

TEST(SlotRows, StayTheSameWhenGrowingIsRefused) {
  SlotRows rows(16);
  ASSERT_TRUE(rows.Grow(1000));
  Fill(rows, 999);
  const size_t capacity = rows.capacity();
  EXPECT_FALSE(rows.Grow(size_t{kMaxSlots} + 1));
  EXPECT_EQ(rows.capacity(), capacity);
  EXPECT_TRUE(IsFilled(rows, 999));

  SlotRows wide(size_t{1} << 30);  // no machine has the address space for all of these
  EXPECT_FALSE(wide.Grow(kMaxSlots));
  ASSERT_TRUE(wide.Grow(1));
  wide.Row(0)[12'345] = std::byte{1};
  EXPECT_EQ(wide.Row(0)[12'345], std::byte{1});
}

TEST(SlotRows, AreReadWhileAWriterAddsMore) {
  constexpr Slot kCount = 30'000;
  SlotRows rows(24);
  std::atomic<Slot> published{0};
  std::thread reader([&] {
    std::mt19937_64 random(TestSeed());
    size_t reads = 0;
    for (Slot seen = 0; seen < kCount || reads < 1000; ++reads) {
      seen = published.load(std::memory_order_acquire);
      if (seen == 0) continue;
      const Slot slot = static_cast<Slot>(random() % seen);
      if (!IsFilled(rows, slot)) {
        ADD_FAILURE() << "row " << slot << " of " << seen;
        return;
      }
    }
  });
  for (Slot slot = 0; slot < kCount; ++slot) {
    ASSERT_TRUE(rows.Grow(slot + 1));
    Fill(rows, slot);
    published.store(slot + 1, std::memory_order_release);
  }
  reader.join();
}

TEST(SlotBitmap, TellsWhetherABitChanged) {
  SlotBitmap bits;
  EXPECT_EQ(bits.capacity(), 0u);
  ASSERT_TRUE(bits.Grow(1'000'000));
  ASSERT_GE(bits.capacity(), 1'000'000u);
  for (const Slot slot : {0, 1, 63, 64, 65, 4095, 4096, 262'143, 262'144, 999'999}) {
    EXPECT_FALSE(bits.Test(slot));
    EXPECT_FALSE(bits.Clear(slot));
    EXPECT_TRUE(bits.Set(slot));
    EXPECT_FALSE(bits.Set(slot));
    EXPECT_TRUE(bits.Test(slot));
    EXPECT_NE(bits.Word(slot / 64) >> (slot % 64) & 1, 0u);
  }
  EXPECT_EQ(bits.Word(0), uint64_t{1} << 63 | 3);
  EXPECT_TRUE(bits.Clear(63));
  EXPECT_FALSE(bits.Test(63));
  EXPECT_TRUE(bits.Test(64));
  EXPECT_EQ(bits.Word(0), 3u);
}

TEST(SlotBitmap, LosesNoBitOfAWordThatManyThreadsChange) {
  SlotBitmap bits;
  ASSERT_TRUE(bits.Grow(256));
  constexpr size_t kThreads = 4;
  std::vector<std::thread> threads;
  for (Slot own = 0; own < kThreads; ++own) {
    threads.emplace_back([&bits, own] {
      std::mt19937_64 random(own);
      std::vector<bool> mine(256);
      for (size_t i = 0; i < 20'000; ++i) {
        const Slot slot = static_cast<Slot>(random() % 64 * kThreads + own);
        const bool set = random() % 2 == 0;
        if ((set ? bits.Set(slot) : bits.Clear(slot)) != (mine[slot] != set)) {
          ADD_FAILURE() << "bit " << slot << " was changed by another thread";
          return;
        }
        mine[slot] = set;
      }
      for (Slot slot = own; slot < 256; slot += kThreads) {
        if (bits.Test(slot) != mine[slot]) ADD_FAILURE() << "bit " << slot;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A filter's bitmap grows while searches compare slots with its capacity.
TEST(SlotBitmap, TellsItsCapacityWhileItGrows) {
  SlotBitmap bits;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    size_t before = 0;
    while (!done.load(std::memory_order_relaxed)) {
      const size_t capacity = bits.capacity();
      if (capacity < before || (capacity > 0 && bits.Word(capacity / 64 - 1) != 0)) {
        ADD_FAILURE() << "capacity " << capacity << " after " << before;
        return;
      }
      before = capacity;
    }
  });
  for (size_t count = 64; count <= size_t{1} << 24; count *= 2) ASSERT_TRUE(bits.Grow(count));
  done.store(true, std::memory_order_relaxed);
  reader.join();
}

}  // namespace
}  // namespace vitrine::base_slot_array_test
