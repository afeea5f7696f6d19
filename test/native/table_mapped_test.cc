// Tables whose vectors stay in the file: the same answers, nothing wrong from a file that is, and
// no changes.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "container_surgery.h"
#include "mapped_support.h"
#include "recall_probe_support.h"
#include "table_file_support.h"
#include "typed_vectors.h"

namespace vitrine::table_mapped_test {
namespace {

class EveryKind : public testing::TestWithParam<Kind> {
 protected:
  // Whatever it is made of, it is saved as `saved`.
  void ExpectAnswersAsOneInMemory(MemoryFiles& files, const Bytes& saved) const;
};

TEST_P(EveryKind, AnswersAsOneInMemory) {
  const auto table = GetParam().Make();
  MemoryFiles files;
  ExpectOk(Save(*table, files));
  ExpectAnswersAsOneInMemory(files, files.Get(kPath));
  if (HasFailure()) return;
  // A file of before it was known what may be left for later.
  MemoryFiles before;
  before.Put(kPath, WithoutSection(files.Get(kPath), SectionType::kOutsiders));
  ExpectAnswersAsOneInMemory(before, files.Get(kPath));
}

void EveryKind::ExpectAnswersAsOneInMemory(MemoryFiles& files, const Bytes& saved) const {
  const auto loaded = Load(files);
  const auto mapped = LoadMapped(files);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_TRUE(mapped.ok()) << mapped.status().message();
  ExpectOk((*mapped)->FetchIds());
  EXPECT_EQ((*mapped)->Ids(), (*loaded)->Ids());
  EXPECT_EQ(*VectorsOf(**mapped), *VectorsOf(**loaded));
  EXPECT_EQ((*mapped)->quantization_used(), (*loaded)->quantization_used());
  const auto queries = GetParam().Vectors(20, 2);
  EXPECT_TRUE(Equal(*AnswersOf(**mapped, queries), *AnswersOf(**loaded, queries)));
  const TableMemory memory = (*mapped)->memory(), whole = (*loaded)->memory();
  EXPECT_LT(memory.vectors, whole.vectors);
  EXPECT_EQ(memory.graph, whole.graph);
  EXPECT_EQ(memory.codes, whole.codes);
  EXPECT_EQ(SavedBytes(**mapped), saved);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryKind, testing::ValuesIn(AllKinds()), [](const auto& info) {
  return info.param.vectors.Name() + "_" +
         std::string(kQuantizationNames[static_cast<size_t>(info.param.quantization)]);
});

TEST(MappedTable, GivesNothingWrongWhateverBitIsFlippedBeforeItIsOpened) {
  for (const Kind& kind : {kPlain, kCoded}) {
    MappedFile file(kind);
    std::mt19937 random(7);
    Bytes& bytes = file.files.Edit(kPath);
    size_t refused = 0;
    // Each page several times, vectors among them.
    for (size_t byte = 0; byte < bytes.size(); byte += 1 + random() % Scaled(1'500, 20'000)) {
      bytes[byte] ^= static_cast<std::byte>(1 << random() % 8);
      const auto table = LoadMapped(file.files);
      file.ExpectNothingWrong(table, byte);
      if (HasFatalFailure()) return;
      refused += table.ok() ? 0 : 1;
      bytes[byte] = file.bytes[byte];
    }
    EXPECT_GT(refused, 0u);
  }
}

TEST(MappedTable, GivesNothingWrongWhenBitsFlipWhileItIsOpen) {
  for (const Kind& kind : {kPlain, kCoded}) {
    MappedFile file(kind);
    const SectionEntry section = SectionOf(file.bytes, SectionType::kVectors);
    ASSERT_GT(section.block_count(), 2u);
    for (uint64_t block = 0; block < section.block_count(); ++block) {
      const auto table = LoadMapped(file.files);
      ASSERT_TRUE(table.ok());
      const size_t byte = static_cast<size_t>(section.offset + block * kBlockBytes + 70);
      file.files.Edit(kPath)[byte] ^= std::byte{4};
      EXPECT_EQ(VectorsOf(**table).status().code(), ErrorCode::kCorrupt);
      const auto exact = SearchParameters{.k = 3, .exact = true};
      std::vector<Hit> hits(3);
      const auto found = (*table)->Search(file.queries.data(), exact, hits);
      ASSERT_FALSE(found.ok());
      EXPECT_EQ(found.status().code(), ErrorCode::kCorrupt);
      EXPECT_NE(found.status().message().find("vectors"), std::string::npos);
      file.ExpectNothingWrong(table, byte);
      // It is looked at anew.
      file.files.Edit(kPath)[byte] ^= std::byte{4};
      EXPECT_EQ(*VectorsOf(**table), file.vectors);
      EXPECT_TRUE(Equal(*AnswersOf(**table, file.queries), file.answers));
    }
  }
}

TEST(MappedTable, AnswersWhatNeedsNoDamagedBlock) {
  MappedFile file(kCoded);
  const SectionEntry section = SectionOf(file.bytes, SectionType::kVectors);
  file.files.Edit(kPath)[static_cast<size_t>(section.offset + section.length - 80)] ^= std::byte{1};
  const auto table = LoadMapped(file.files);
  ASSERT_TRUE(table.ok()) << table.status().message();
  ExpectOk((*table)->FetchIds());
  const std::vector<PointId> ids = (*table)->Ids();
  std::vector<std::byte> out((*table)->vector_bytes());
  ExpectOk((*table)->Get(std::span(ids).first(1), std::span(out)));
  EXPECT_EQ((*table)->Get(std::span(ids).last(1), std::span(out)).code(), ErrorCode::kCorrupt);
  // A copy would spread the damage.
  MemoryFiles others;
  EXPECT_EQ(Save(**table, others).code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(others.Names().empty());
}

TEST(MappedTable, CountsAnErrorWhereASearchCannotBeRepeated) {
  MappedFile file(kCoded);
  const SectionEntry section = SectionOf(file.bytes, SectionType::kVectors);
  file.files.Edit(kPath)[static_cast<size_t>(section.offset + section.length - 80)] ^= std::byte{1};
  ThreadPool pool(1);
  const auto table = LoadMapped(file.files, &pool);
  ASSERT_TRUE(table.ok()) << table.status().message();
  ProbedStatistics statistics;
  uint64_t searches = 0;
  for (size_t i = 0; i < 10; ++i) {
    std::vector<Hit> hits(1);
    SearchCounters counters = statistics.NewCounters();
    const void* const query = file.queries.data() + i * (*table)->vector_bytes();
    if ((*table)->Search(query, {.k = 1}, hits, counters).ok()) statistics.WaitFor(++searches);
  }
  EXPECT_GT(searches, 0u);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kError), searches);
}

TEST(MappedTable, FindsWhatChecksumsCannotTell) {
  MappedFile file(kPlain);
  Bytes& bytes = file.files.Edit(kPath);
  const size_t vectors = static_cast<size_t>(SectionOf(bytes, SectionType::kVectors).offset);
  StoreLittleEndian(bytes.data() + vectors + 4,
                    std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity()));
  RepairChecksums(bytes);
  const auto table = LoadMapped(file.files);
  ASSERT_TRUE(table.ok());
  const Status status = AnswersOf(**table, file.queries).status();
  EXPECT_EQ(status.code(), ErrorCode::kCorrupt);
  EXPECT_NE(status.message().find("not finite"), std::string::npos) << status.message();
}

// As in files of before codes carried lengths: the types of their sections are others.
TEST(MappedTable, MakesCodesAgainThatAreLaidOutOtherwise) {
  MappedFile file(kCoded);
  Bytes& bytes = file.files.Edit(kPath);
  for (const auto& [now, before] :
       {std::pair(SectionType::kCarryingCodes, SectionType::kCodes),
        std::pair(SectionType::kCodeDoubts, SectionType::kCodeFactors)}) {
    const uint64_t place = TablePlaceOf(bytes, now);
    ASSERT_NE(place, 0u);
    StoreLittleEndian(bytes.data() + place, static_cast<uint32_t>(before));
  }
  RepairChecksums(bytes);
  for (const auto& table : {LoadMapped(file.files), Load(file.files)}) {
    ASSERT_TRUE(table.ok()) << table.status().message();
    EXPECT_TRUE(Equal(*AnswersOf(**table, file.queries), file.answers));
    EXPECT_EQ((*table)->quantization_used(), Quantization::kRq4);
  }
}

TEST(MappedTable, RefusesFactorsThatNoVectorHas) {
  const struct {
    SectionType type;
    float value;
  } wrong[] = {{SectionType::kFactors, -1},
               {SectionType::kFactors, std::nanf("")},
               {SectionType::kFactors, std::numeric_limits<float>::infinity()},
               {SectionType::kCodeDoubts, std::nanf("")},
               {SectionType::kCodeDoubts, -1}};
  MappedFile file(kCoded);
  for (const auto& [type, value] : wrong) {
    Bytes& bytes = file.files.Edit(kPath);
    bytes = file.bytes;
    StoreLittleEndian(bytes.data() + SectionOf(bytes, type).offset, std::bit_cast<uint32_t>(value));
    RepairChecksums(bytes);
    const auto table = LoadMapped(file.files);
    ASSERT_TRUE(table.ok()) << table.status().message();
    EXPECT_EQ(AnswersOf(**table, file.queries).status().code(), ErrorCode::kCorrupt);
    bytes = WithoutSection(bytes, SectionType::kOutsiders);
    EXPECT_EQ(LoadMapped(file.files).status().code(), ErrorCode::kCorrupt);
  }
}

TEST(MappedTable, MendsAGraphAsOneInMemory) {
  for (const Kind& kind : {kPlain, kCoded}) {
    MappedFile file(kind);
    Bytes& bytes = file.files.Edit(kPath);
    bytes = WithoutSection(bytes, SectionType::kOutsiders);
    const SectionEntry links = SectionOf(bytes, SectionType::kLinks);
    // The first half of the rows lead nowhere.
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(links.offset), links.length / 2,
                std::byte{0xff});
    RepairChecksums(bytes);
    const auto loaded = Load(file.files);
    const auto mapped = LoadMapped(file.files);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    ASSERT_TRUE(mapped.ok()) << mapped.status().message();
    EXPECT_EQ((*mapped)->CountUnreachable(), 0u);
    EXPECT_TRUE(Equal(*AnswersOf(**mapped, file.queries), *AnswersOf(**loaded, file.queries)));
  }
}

TEST(MappedTable, RefusesEveryChange) {
  MappedFile file(kPlain);
  Kind empty = kPlain;
  MemoryFiles empty_files;
  ExpectOk(Save(*MakeTable({.dimension = 40}), empty_files));
  for (MemoryFiles* files : {&file.files, &empty_files}) {
    const auto table = LoadMapped(*files);
    ASSERT_TRUE(table.ok()) << table.status().message();
    const size_t size = (*table)->size();
    const std::vector<PointId> id{7};
    const auto vector = empty.Vectors(1, 3);
    std::vector<PointId> ids;
    const Status refused[] = {(*table)->Add(id, vector),    (*table)->AddNumbered(1, vector, ids),
                              (*table)->Upsert(id, vector), (*table)->Remove(id).status(),
                              (*table)->Reserve(10),        (*table)->Sweep()};
    for (const Status& status : refused) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.code(), ErrorCode::kReadOnly);
      EXPECT_NE(status.message().find("memory"), std::string::npos);
    }
    EXPECT_EQ((*table)->size(), size);
  }
}

TEST(MappedTable, LoadFailsWithTheCodeOfEveryOperation) {
  MappedFile file(kCoded);
  size_t operations = 0;
  file.files.before = [&](const std::string&) { return ++operations, Status(); };
  ASSERT_TRUE(LoadMapped(file.files).ok());
  const size_t all = operations;
  for (size_t at = 0; at < all; ++at) {
    size_t left = at;
    file.files.before = [&](const std::string& name) {
      return left-- == 0 ? MemoryFiles::Refused(name) : Status();
    };
    EXPECT_EQ(LoadMapped(file.files).status().code(), ErrorCode::kIo) << at;
  }
}

TEST(MappedTable, TellsWhenTheDeviceFailsAndTriesAgain) {
  MappedFile file(kCoded);
  const auto table = LoadMapped(file.files);
  ASSERT_TRUE(table.ok());
  file.files.before = [](const std::string& name) { return MemoryFiles::Refused(name); };
  EXPECT_EQ(AnswersOf(**table, file.queries).status().code(), ErrorCode::kIo);
  file.files.before = [](const std::string&) { return Status(); };
  EXPECT_TRUE(Equal(*AnswersOf(**table, file.queries), file.answers));
}

TEST(MappedTable, IsVerifiedByManyThreadsAtOnce) {
  MappedFile file(kCoded);
  ThreadPool pool(4);
  const auto table = LoadMapped(file.files, &pool);
  ASSERT_TRUE(table.ok());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(Equal(*AnswersOf(**table, file.queries), file.answers));
      EXPECT_EQ(*VectorsOf(**table), file.vectors);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The operating system's files.
class MappedFilesOfTheSystem : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vitrine-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "index.vitrine").string();
    Write(file_.bytes);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const Bytes& bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),  // NOLINT
               static_cast<std::streamsize>(bytes.size()));
  }
  Result<std::unique_ptr<Table>> Open() const {
    return LoadTable(path_, BestKernels(), nullptr, {.vectors = VectorPlace::kMapped});
  }

  MappedFile file_{kCoded};
  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(MappedFilesOfTheSystem, AreRefusedWhenTheyAreShort) {
  for (const size_t bytes : {file_.bytes.size() - 1, file_.bytes.size() - kPageBytes,
                             file_.bytes.size() / 2, size_t{5'000}, size_t{0}}) {
    std::filesystem::resize_file(path_, bytes);
    EXPECT_EQ(Open().status().code(), ErrorCode::kCorrupt) << bytes;
    Write(file_.bytes);
  }
  EXPECT_TRUE(Open().ok());
}

TEST_F(MappedFilesOfTheSystem, GiveErrorsWhenTheyAreCutShortWhileOpen) {
  const auto table = Open();
  ASSERT_TRUE(table.ok()) << table.status().message();
  std::filesystem::resize_file(path_, SectionOf(file_.bytes, SectionType::kVectors).offset + 100);
  EXPECT_EQ(VectorsOf(**table).status().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(AnswersOf(**table, file_.queries).status().code(), ErrorCode::kCorrupt);
}

TEST_F(MappedFilesOfTheSystem, StayWhenTheyAreReplacedOrRemoved) {
  const auto table = Open();
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_TRUE(Equal(*AnswersOf(**table, file_.queries), file_.answers));
  ExpectOk(SaveTable(**table, path_));  // onto itself
  const auto again = Open();
  ASSERT_TRUE(again.ok()) << again.status().message();
  std::filesystem::remove(path_);
  for (const auto* each : {&*table, &*again}) {
    EXPECT_TRUE(Equal(*AnswersOf(**each, file_.queries), file_.answers));
    EXPECT_EQ(*VectorsOf(**each), file_.vectors);
  }
}

}  // namespace
}  // namespace vitrine::table_mapped_test
