// Keys of the points of a file, put into their map together.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/slot.h"
#include "engine/key_map.h"

namespace vitrine::engine_key_map_test {
namespace {

// Numbers, and texts that look like them, in turn.
class SomeKeys final : public KeyMap::Keys {
 public:
  explicit SomeKeys(size_t count) {
    for (size_t i = 0; i < count; ++i) texts_.push_back(std::to_string(i / 2));
  }
  PointKey KeyOf(EntryId entry) const override {
    const size_t i = entry == renamed ? name : entry;
    return i % 2 == 0 ? PointKey::Number(i / 2) : PointKey::Text(texts_[i]);
  }
  size_t count() const { return texts_.size(); }

  // An entry that has the key of another one.
  EntryId renamed = kNoEntry;
  EntryId name = 0;

 private:
  std::vector<std::string> texts_;
};

// In two calls, as the records of a file come.
bool Fill(KeyMap& map, const SomeKeys& keys, size_t limit) {
  map.Reserve(keys.count());
  KeyMap::Filling filling(map, limit);
  const auto half = static_cast<EntryId>(keys.count() / 2);
  return filling.Put(0, half) && filling.Put(half, keys.count() - half);
}

TEST(KeyMap, FindsWhatItWasFilledWith) {
  for (const size_t count : {1, 2, 3, 4, 7, 8, 255, 256, 4096, 10'000}) {
    // Of as many entries as there can be a word has the least room for anything else.
    for (const size_t limit : {count, size_t{kMaxSlots}}) {
      const SomeKeys keys(count);
      KeyMap map(keys);
      ASSERT_TRUE(Fill(map, keys, limit));
      EXPECT_EQ(map.size(), count);
      size_t visited = 0;
      map.ForEach([&](EntryId entry) { visited += entry < count ? 1 : 0; });
      EXPECT_EQ(visited, count);
      for (EntryId entry = 0; entry < count; ++entry) {
        ASSERT_EQ(map.Find(keys.KeyOf(entry)), entry) << count << " " << limit;
      }
      EXPECT_EQ(map.Find(PointKey::Number(count)), kNoEntry);
      EXPECT_EQ(map.Find(PointKey::Text("-1")), kNoEntry);
    }
  }
}

TEST(KeyMap, IsNotFilledWithOneKeyTwice) {
  constexpr size_t kCount = 3000;
  for (const size_t limit : {kCount, size_t{kMaxSlots}}) {
    for (EntryId renamed = 1; renamed < kCount; renamed += 97) {
      SomeKeys keys(kCount);
      keys.renamed = renamed;
      keys.name = renamed / 2;
      KeyMap map(keys);
      ASSERT_FALSE(Fill(map, keys, limit)) << renamed;
      // Of the two the first one is there.
      ASSERT_EQ(map.Find(keys.KeyOf(keys.name)), keys.name);
    }
  }
}

TEST(KeyMap, IsTheSameAsIfEachKeyWasPut) {
  constexpr size_t kCount = 1000;
  const SomeKeys keys(kCount);
  KeyMap map(keys);
  ASSERT_TRUE(Fill(map, keys, kCount));
  for (EntryId entry = 0; entry < kCount; entry += 3) map.Erase(entry);
  for (EntryId entry = 0; entry < kCount; ++entry) {
    ASSERT_EQ(map.Find(keys.KeyOf(entry)), entry % 3 == 0 ? kNoEntry : entry);
  }
  for (EntryId entry = 0; entry < kCount; entry += 3) map.Put(entry);
  for (EntryId entry = 0; entry < kCount; ++entry) {
    ASSERT_EQ(map.Find(keys.KeyOf(entry)), entry);
  }
}

}  // namespace
}  // namespace vitrine::engine_key_map_test
