// Columns against plain sets and maps.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "engine/entry_set.h"
#include "engine/keyword_column.h"
#include "engine/number_column.h"
#include "random_data.h"

namespace vitrine::filter_columns_test {
namespace {

std::set<EntryId> EntriesOf(const EntryBitmap& bitmap) {
  std::set<EntryId> entries;
  bitmap.ForEach([&](EntryId entry) { entries.insert(entry); });
  EXPECT_EQ(bitmap.Count(), entries.size());
  return entries;
}

TEST(EntrySet, HoldsWhatWasAddedAsListAndAsBitmap) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (const EntryId limit : {50u, 4000u, 300'000u}) {
    EntrySet set;
    std::set<EntryId> model;
    size_t largest = 0;
    for (size_t i = 0; i < Scaled(60'000, 6000); ++i) {
      // Swings between filling and emptying.
      const EntryId entry = static_cast<EntryId>(random() % limit);
      const bool adds = i / 10'000 % 2 == 0 ? random() % 8 != 0 : random() % 8 == 0;
      if (adds) {
        set.Add(entry);
        model.insert(entry);
      } else {
        set.Remove(entry);
        model.erase(entry);
      }
      ASSERT_EQ(set.size(), model.size());
      ASSERT_EQ(set.Contains(entry), adds);
      largest = std::max(largest, set.memory_bytes());
      if (i % 1000 != 0) continue;
      EntryBitmap bitmap(limit);
      set.AddTo(bitmap);
      ASSERT_EQ(EntriesOf(bitmap), model);
    }
    EXPECT_LT(largest, 64 * 8 + limit) << "as a list it would take more";
    for (const EntryId entry : model) set.Remove(entry);
    EXPECT_EQ(set.size(), 0u);
    EntryBitmap bitmap(limit);
    set.AddTo(bitmap);
    EXPECT_EQ(bitmap.Count(), 0u);
  }
}

TEST(EntryBitmap, CombinesWords) {
  EntryBitmap a(130);
  EntryBitmap b(130);
  for (const EntryId entry : {0u, 64u, 129u}) a.Set(entry);
  for (const EntryId entry : {64u, 100u}) b.Set(entry);
  EXPECT_FALSE(a.Test(1'000'000));
  EntryBitmap both = a;
  both.And(b);
  EXPECT_EQ(EntriesOf(both), (std::set<EntryId>{64}));
  EntryBitmap either = a;
  either.Or(b);
  EXPECT_EQ(EntriesOf(either), (std::set<EntryId>{0, 64, 100, 129}));
  a.AndNot(b);
  EXPECT_EQ(EntriesOf(a), (std::set<EntryId>{0, 129}));
  EntryBitmap shorter(64);
  shorter.Set(0);
  EXPECT_EQ(a.CountIn(shorter), 1u);
  EXPECT_EQ(shorter.CountIn(a), 1u);
}

TEST(KeywordColumn, FindsEntriesByKeyword) {
  KeywordColumn column;
  const std::string longer(1000, 'k');
  column.Add("", 1);
  column.Add(longer, 2);
  column.Add(longer, 3);
  column.Add(longer, 3);
  EXPECT_EQ(column.Count(""), 1u);
  EXPECT_EQ(column.Count(longer), 2u);
  EXPECT_EQ(column.Count("none"), 0u);
  EXPECT_GT(column.memory_bytes(), longer.size());
  EntryBitmap bitmap(10);
  column.AddTo(longer, bitmap);
  EXPECT_EQ(EntriesOf(bitmap), (std::set<EntryId>{2, 3}));
  column.Remove("none", 1);
  column.Remove(longer, 7);
  column.Remove(longer, 2);
  EXPECT_EQ(column.Count(longer), 1u);
  column.Remove(longer, 3);
  column.Remove("", 1);
  EXPECT_EQ(column.memory_bytes(), 0u) << "what it took is given back";
}

TEST(NumberColumn, FindsEntriesInARange) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (const int different : {1, 30, 1'000'000}) {
    NumberColumn column;
    std::set<std::pair<double, EntryId>> model;
    const auto number = [&] { return static_cast<double>(random() % different) - 10; };
    for (size_t i = 0; i < Scaled(40'000, 5000); ++i) {
      const bool adds = i / 8000 % 2 == 0 ? random() % 8 != 0 : random() % 8 == 0;
      std::pair<double, EntryId> pair{number(), static_cast<EntryId>(random() % 5000)};
      if (adds) {
        if (model.insert(pair).second) column.Add(pair.first, pair.second);
      } else {
        const auto found = model.lower_bound(pair);
        if (found != model.end()) {
          pair = *found;
          model.erase(found);
        }
        column.Remove(pair.first, pair.second);
      }
      if (i % 500 != 0) continue;
      NumberRange range{number(), number(), random() % 2 == 0, random() % 2 == 0};
      if (random() % 4 == 0) range.low = NumberRange().low;
      if (random() % 4 == 0) range.high = NumberRange().high;
      if (random() % 4 == 0) range = NumberRange::Only(range.low);
      std::set<EntryId> expected;
      size_t count = 0;
      for (const auto& [value, entry] : model) {
        if (!range.Reaches(value) || !range.Admits(value)) continue;
        expected.insert(entry);
        ++count;
      }
      ASSERT_EQ(column.Count(range), count) << range.low << " to " << range.high;
      EntryBitmap bitmap(5000);
      column.AddTo(range, bitmap);
      ASSERT_EQ(EntriesOf(bitmap), expected);
    }
    const size_t full = column.memory_bytes();
    for (const auto& [value, entry] : model) column.Remove(value, entry);
    EXPECT_EQ(column.Count({}), 0u);
    EXPECT_LT(column.memory_bytes(), full);
  }
}

TEST(NumberColumn, KeepsNumbersThatOnlyGrowInFullBlocks) {
  NumberColumn column;
  const EntryId count = 100'000;
  for (EntryId i = 0; i < count; ++i) column.Add(i, i);
  EXPECT_LT(column.memory_bytes(), 14u * count);
  EXPECT_EQ(column.Count({100, 200, true, false}), 100u);
}

}  // namespace
}  // namespace vitrine::filter_columns_test
