// Files that were cut, or of which some bytes are others: checksums tell, and where they were made
// right again what is behind them tells, or nothing is wrong.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/byte_order.h"
#include "container_surgery.h"
#include "small_table_file.h"

namespace vitrine::table_file_damage_test {
namespace {

// Whatever a table was made of, it answers and can be written to.
void ExpectUsable(Table& table) {
  const std::vector<float> query = RandomVectors(1, table.dimension(), 3);
  std::vector<Hit> hits(10);
  ASSERT_TRUE(table.Search(query.data(), {.k = 10}, hits).ok());
  ASSERT_TRUE(table.Search(query.data(), {.k = 10, .exact = true}, hits).ok());
  const std::vector<PointId> ids = table.Ids();
  ASSERT_EQ(ids.size(), table.size());
  ASSERT_TRUE(table.Remove(std::span(ids).first(ids.size() / 2)).ok());
  ExpectOk(table.Sweep());
  ExpectOk(table.Upsert(ids, RandomVectors(ids.size(), table.dimension(), 4)));
  ASSERT_EQ(table.Ids(), ids);
  const auto again = LoadBytes(SavedBytes(table));
  ASSERT_TRUE(again.ok()) << again.status().message();
}

TEST(TableFileDamage, TruncationAtEveryByteIsFound) {
  MemoryFiles files;
  files.Put(kPath, SmallFile());
  Bytes& bytes = files.Edit(kPath);
  bytes.resize(bytes.size() + kPageBytes);
  EXPECT_EQ(Load(files).status().code(), ErrorCode::kCorrupt);
  bytes.resize(SmallFile().size());
  EXPECT_TRUE(Load(files).ok());
  while (!bytes.empty()) {
    bytes.pop_back();
    const auto loaded = Load(files);
    ASSERT_FALSE(loaded.ok()) << bytes.size();
    ASSERT_EQ(loaded.status().code(), ErrorCode::kCorrupt) << bytes.size();
  }
}

// In eight parts, so that they run side by side.
class EveryBit : public testing::TestWithParam<int> {};

TEST_P(EveryBit, IsFoundWhenItIsFlipped) {
  MemoryFiles files;
  files.Put(kPath, SmallFile());
  Bytes& bytes = files.Edit(kPath);
  ASSERT_LE(bytes.size(), 12 * kPageBytes);
  ExpectOk(StatusOnDemand(bytes));
  const size_t from = bytes.size() * static_cast<size_t>(GetParam()) / 8;
  const size_t to = bytes.size() * static_cast<size_t>(GetParam() + 1) / 8;
  const size_t step = Scaled(Rounds(1, 3), 29);  // from a bit to the next
  for (size_t byte = from; byte < to; ++byte) {
    for (size_t bit = byte % step; bit < 8; bit += step) {
      bytes[byte] ^= static_cast<std::byte>(1 << bit);
      const auto loaded = Load(files);
      ASSERT_FALSE(loaded.ok()) << "byte " << byte << " bit " << bit;
      ASSERT_TRUE(IsAboutBytes(loaded.status().code())) << loaded.status().message();
      const Status on_demand = StatusOnDemand(bytes);
      ASSERT_FALSE(on_demand.ok()) << "byte " << byte << " bit " << bit;
      ASSERT_TRUE(IsAboutBytes(on_demand.code())) << on_demand.message();
      bytes[byte] ^= static_cast<std::byte>(1 << bit);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Eighth, EveryBit, testing::Range(0, 8));

class RandomDamage : public testing::TestWithParam<uint32_t> {};

// Ten thousand files in all with a few changes each, half of them with checksums made right.
TEST_P(RandomDamage, IsFoundOrHarmless) {
  constexpr int kFiles = Scaled(2500, 500);
  std::mt19937 random(GetParam());
  const Bytes whole = SavedBytes(*MakeSmallTable(static_cast<Metric>(GetParam() % 3)));
  const auto below = [&](size_t bound) { return static_cast<size_t>(random() % bound); };
  int loaded_files = 0;
  for (int i = 0; i < kFiles; ++i) {
    Bytes file = whole;
    for (size_t changes = 1 + below(3); changes > 0; --changes) {
      // Mostly where there is something: a page's first bytes.
      const size_t page = below(file.size() / kPageBytes);
      const size_t at = page * kPageBytes + below(below(4) == 0 ? kPageBytes : 256);
      const size_t other = below(whole.size() / kPageBytes) * kPageBytes;
      switch (below(7)) {
        case 0:
          file[at] = static_cast<std::byte>(random());
          break;
        case 1:
          file[at] ^= static_cast<std::byte>(1 << below(8));
          break;
        case 2:
          StoreLittleEndian<uint32_t>(
              file.data() + at / 4 * 4,
              below(2) == 0 ? static_cast<uint32_t>(below(64)) : ~static_cast<uint32_t>(below(4)));
          break;
        case 3:
          StoreLittleEndian<uint64_t>(file.data() + at / 8 * 8, uint64_t{1} << below(64));
          break;
        case 4:  // a page of elsewhere
          std::copy_n(whole.begin() + static_cast<ptrdiff_t>(other), kPageBytes,
                      file.begin() + static_cast<ptrdiff_t>(page * kPageBytes));
          break;
        case 5:  // a page lost, or come twice
          if (below(2) == 0 && file.size() > 3 * kPageBytes) {
            file.erase(file.begin() + static_cast<ptrdiff_t>(page * kPageBytes),
                       file.begin() + static_cast<ptrdiff_t>((page + 1) * kPageBytes));
          } else {
            file.insert(file.begin() + static_cast<ptrdiff_t>(page * kPageBytes),
                        whole.begin() + static_cast<ptrdiff_t>(other),
                        whole.begin() + static_cast<ptrdiff_t>(other + kPageBytes));
          }
          break;
        case 6:
          std::fill_n(file.begin() + static_cast<ptrdiff_t>(page * kPageBytes), kPageBytes,
                      std::byte{});
          break;
      }
    }
    const bool repaired = i % 2 == 0;
    if (repaired) RepairChecksums(file);
    const Status on_demand = StatusOnDemand(file);
    ASSERT_TRUE(on_demand.ok() ? repaired || file == whole : IsAboutBytes(on_demand.code()))
        << i << on_demand.message();
    const auto loaded = LoadBytes(file);
    if (!loaded.ok()) {
      ASSERT_TRUE(IsAboutBytes(loaded.status().code())) << i << loaded.status().message();
      continue;
    }
    ASSERT_TRUE(repaired || file == whole) << i;
    ++loaded_files;
    ExpectUsable(**loaded);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << GetParam() << " file " << i;
  }
  EXPECT_GT(loaded_files, kFiles / 100);  // repairs do lead behind the checksums
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDamage, testing::Range(1u, 5u));

}  // namespace
}  // namespace vitrine::table_file_damage_test
