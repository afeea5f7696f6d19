// Tables that are read on demand: nothing is read before it is needed, and nothing is used that is
// wrong.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "mapped_support.h"

namespace vitrine::table_mapped_test {
namespace {

// Without guests, so that nothing needs to be known of births.
const Kind kSingle{{VectorType::kF32, Metric::kIp}, Quantization::kSq8, 64, 3'000};

struct SingleFile {
  SingleFile() : bytes(Made()) { files.Put(kPath, bytes); }
  MemoryFiles files;
  Bytes bytes;

 private:
  // Once: the graph takes longer than what is looked at.
  static const Bytes& Made() {
    static const Bytes made = [] {
      auto table = MakeTable({.dimension = kSingle.dimension,
                              .metric = kSingle.vectors.metric,
                              .graph = {.m = 8, .ef_construction = 40},
                              .quantization = kSingle.quantization});
      ExpectOk(table->Add(IdsFrom(7, kSingle.rows), kSingle.Vectors(kSingle.rows, 1)));
      MemoryFiles saved;
      ExpectOk(Save(*table, saved));
      return saved.Get(kPath);
    }();
    return made;
  }
};

// All that can be asked for.
Status UseAll(const Table& table, const std::vector<std::byte>& queries) {
  VITRINE_RETURN_IF_ERROR(table.FetchAll());
  if (const auto vectors = VectorsOf(table); !vectors.ok()) return vectors.status();
  const auto answers = AnswersOf(table, queries);
  return answers.ok() ? Status() : answers.status();
}

TEST(LazyTable, HasNothingInMemoryWhenItIsOpened) {
  SingleFile file;
  const auto loaded = Load(file.files);
  const auto table = LoadMapped(file.files);
  ASSERT_TRUE(table.ok()) << table.status().message();
  const TableMemory before = (*table)->memory(), whole = (*loaded)->memory();
  EXPECT_EQ(before.codes, 0u);
  EXPECT_LT(before.graph, whole.graph / 10);
  EXPECT_LT(before.ids, whole.ids / 10);
  EXPECT_EQ((*table)->size(), kSingle.rows);
  std::vector<Hit> hits(10);
  ASSERT_TRUE((*table)->Search(kSingle.Vectors(1, 2).data(), {.k = 10}, hits).ok());
  EXPECT_LT((*table)->memory().ids, whole.ids);  // no id was looked for
  ExpectOk(UseAll(**table, kSingle.Vectors(10, 2)));
  const TableMemory after = (*table)->memory();
  EXPECT_EQ(after.codes, whole.codes);
  EXPECT_EQ(after.graph, whole.graph);
  EXPECT_EQ(after.ids, whole.ids);
}

// The number of reads says how much is read: each is of one group or of one small section.
TEST(LazyTable, IsOpenedByAsManyReadsWhateverItsSize) {
  const auto reads_of = [](size_t rows) {
    Kind kind = kCoded;
    kind.rows = rows;
    MemoryFiles files;
    ExpectOk(Save(*kind.Make(), files));
    size_t reads = 0;
    files.before = [&](const std::string& name) {
      reads += name == "read" ? 1 : 0;
      return Status();
    };
    EXPECT_TRUE(LoadMapped(files).ok());
    return reads;
  };
  EXPECT_EQ(reads_of(1'200), reads_of(4'000));
}

struct LazySection {
  const char* name;
  SectionType type;
};

class EveryLazySection : public testing::TestWithParam<LazySection> {};

TEST_P(EveryLazySection, IsReadWhenItIsUsedAndWhollyChecked) {
  SingleFile file;
  const auto queries = kSingle.Vectors(10, 2);
  const SectionEntry section = SectionOf(file.bytes, GetParam().type);
  ASSERT_GT(section.length, 0u);
  const auto truth = AnswersOf(**Load(file.files), queries);
  for (uint64_t block = 0; block < section.block_count(); ++block) {
    const size_t bytes =
        static_cast<size_t>(std::min<uint64_t>(kBlockBytes, section.length - block * kBlockBytes));
    for (const size_t at : {size_t{0}, bytes / 2, bytes - 1}) {
      const auto table = LoadMapped(file.files);
      ASSERT_TRUE(table.ok()) << table.status().message();
      std::byte& byte =
          file.files.Edit(kPath)[static_cast<size_t>(section.offset + block * kBlockBytes) + at];
      byte ^= std::byte{16};
      const auto found = AnswersOf(**table, queries);
      ASSERT_TRUE(found.ok() ? Equal(*found, *truth)
                             : found.status().code() == ErrorCode::kCorrupt);
      const Status status = UseAll(**table, queries);
      ASSERT_FALSE(status.ok()) << block << " " << at;
      EXPECT_EQ(status.code(), ErrorCode::kCorrupt);
      EXPECT_NE(status.message().find(GetParam().name), std::string::npos) << status.message();
      MemoryFiles copy;
      EXPECT_EQ(Save(**table, copy).code(), ErrorCode::kCorrupt);
      // It is looked at anew.
      byte ^= std::byte{16};
      EXPECT_TRUE(Equal(*AnswersOf(**table, queries), *truth));
      ExpectOk(UseAll(**table, queries));
    }
  }
}

TEST_P(EveryLazySection, IsOpenedButNotUsedWhenItIsDamaged) {
  SingleFile file;
  const SectionEntry section = SectionOf(file.bytes, GetParam().type);
  file.files.Edit(kPath)[static_cast<size_t>(section.offset)] ^= std::byte{1};
  const auto table = LoadMapped(file.files);
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(UseAll(**table, kSingle.Vectors(10, 2)).code(), ErrorCode::kCorrupt);
}

INSTANTIATE_TEST_SUITE_P(All, EveryLazySection,
                         testing::Values(LazySection{"ids", SectionType::kIds},
                                         LazySection{"births", SectionType::kBirths},
                                         LazySection{"vectors", SectionType::kVectors},
                                         LazySection{"links", SectionType::kLinks},
                                         LazySection{"factors", SectionType::kFactors},
                                         LazySection{"codes", SectionType::kCodes},
                                         LazySection{"factors of codes",
                                                     SectionType::kCodeFactors}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

// Every device error on the way is told by the call that met it, and by no other.
TEST(LazyTable, TellsOfEachReadThatFails) {
  for (const Kind& kind : {kPlain, kCoded}) {
    MappedFile file(kind);
    size_t reads = 0;
    const auto count = [&](const std::string& name) { return ++reads, Status(); };
    file.files.before = count;
    {
      const auto table = LoadMapped(file.files);
      ASSERT_TRUE(table.ok());
      reads = 0;
      ExpectOk(UseAll(**table, file.queries));
    }
    const size_t all = reads;
    EXPECT_GT(all, 5u);
    for (size_t at = 0; at < all; ++at) {
      file.files.before = count;
      const auto table = LoadMapped(file.files);
      size_t left = at;
      file.files.before = [&](const std::string& name) {
        return left-- == 0 ? MemoryFiles::Refused(name) : Status();
      };
      EXPECT_EQ(UseAll(**table, file.queries).code(), ErrorCode::kIo) << at;
      EXPECT_TRUE(Equal(*AnswersOf(**table, file.queries), file.answers)) << at;
      EXPECT_EQ(*VectorsOf(**table), file.vectors) << at;
    }
  }
}

TEST(LazyTable, IsBroughtByManyThreadsThoughSomeOfThemFail) {
  for (const Kind& kind : {kPlain, kCoded}) {
    MappedFile file(kind);
    ThreadPool pool(2);
    for (size_t round = 0; round < 4; ++round) {
      file.files.before = [](const std::string&) { return Status(); };
      const auto table = LoadMapped(file.files, &pool);
      ASSERT_TRUE(table.ok());
      std::atomic<size_t> reads{0};
      file.files.before = [&](const std::string& name) {
        return reads.fetch_add(1) % 3 == round % 3 ? MemoryFiles::Refused(name) : Status();
      };
      std::vector<std::thread> threads;
      for (size_t i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
          for (size_t tries = 0; tries < 1'000; ++tries) {
            const auto found = AnswersOf(**table, file.queries);
            if (!found.ok()) {
              ASSERT_EQ(found.status().code(), ErrorCode::kIo);
              continue;
            }
            ASSERT_TRUE(Equal(*found, file.answers));
            return;
          }
          FAIL() << "what failed is tried again";
        });
      }
      for (std::thread& thread : threads) thread.join();
      file.files.before = [](const std::string&) { return Status(); };
      EXPECT_EQ(*VectorsOf(**table), file.vectors);
    }
  }
}

}  // namespace
}  // namespace vitrine::table_mapped_test
