#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "container_surgery.h"
#include "memory_files.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"

namespace vitrine::storage_container_test {
namespace {

constexpr char kPath[] = "container";

Bytes RandomBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

struct Section {
  SectionType type;
  uint32_t element_bytes;
  Bytes bytes;
};

HeaderPage Header() {
  HeaderPage header;
  header.kind = static_cast<uint16_t>(FileKind::kIndex);
  return header;
}

Bytes Write(const std::vector<Section>& sections) {
  MemoryFiles files;
  auto file = files.Create(kPath);
  ContainerWriter writer(**file, nullptr);
  EXPECT_TRUE(writer.Start(Header()).ok());
  for (const Section& section : sections) {
    writer.BeginSection(section.type, section.element_bytes);
    // In pieces of any size.
    std::span<const std::byte> rest(section.bytes);
    for (size_t size = 1; !rest.empty(); size = size * 3 + 1) {
      const auto piece = rest.first(std::min(size, rest.size()));
      EXPECT_TRUE(writer.Append(piece).ok());
      rest = rest.subspan(piece.size());
    }
    EXPECT_TRUE(writer.EndSection().ok());
  }
  EXPECT_TRUE(writer.Finish(77).ok());
  return files.Get(kPath);
}

// `files` outlives the reader.
Result<std::unique_ptr<ContainerReader>> Open(MemoryFiles& files) {
  return ContainerReader::Open(std::move(*files.OpenForReading(kPath, FileSystem::Cache::kUse)),
                               kPath, FileKind::kIndex, nullptr);
}
Result<std::unique_ptr<ContainerReader>> Open(MemoryFiles& files, const Bytes& bytes) {
  files.Put(kPath, bytes);
  return Open(files);
}

class ContainerTest : public testing::Test {
 protected:
  MemoryFiles files;
};

// Sizes around those of elements, pages, blocks and the writer's buffer.
std::vector<Section> SomeSections(size_t largest = 3'000'000) {
  std::vector<Section> sections;
  uint32_t type = 1;
  for (const size_t size : {0, 24, 4080, 4104, 65'520, 65'544, 131'064, 1'048'584, 3'000'000}) {
    if (size > largest) break;
    sections.push_back({static_cast<SectionType>(type), 24, RandomBytes(size / 24 * 24, type)});
    ++type;
  }
  return sections;
}

TEST_F(ContainerTest, ReadsBackWhatWasWritten) {
  const std::vector<Section> sections = SomeSections();
  const Bytes file = Write(sections);
  const auto opened = Open(files, file);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const ContainerReader& reader = **opened;
  EXPECT_EQ(reader.covered_version(), 77u);
  EXPECT_TRUE(reader.VerifyAll().ok());
  std::mt19937 random(5);
  Bytes buffer;
  for (const Section& section : sections) {
    const SectionEntry* entry = reader.Find(section.type);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->offset % kPageBytes, 0u);
    EXPECT_EQ(entry->length, section.bytes.size());
    for (int i = 0; i < 50; ++i) {
      const uint64_t first = random() % (entry->count + 1);
      const uint64_t count = random() % (entry->count - first + 1);
      const auto read = reader.Read(*entry, first, count, buffer);
      ASSERT_TRUE(read.ok());
      ASSERT_TRUE(std::equal(read->begin(), read->end(),
                             section.bytes.begin() + static_cast<ptrdiff_t>(first * 24),
                             section.bytes.begin() + static_cast<ptrdiff_t>((first + count) * 24)));
    }
  }
  EXPECT_EQ(reader.Find(SectionType::kRecords), nullptr);
}

TEST_F(ContainerTest, IsTheSameBytesForTheSameContent) {
  EXPECT_EQ(Write(SomeSections()), Write(SomeSections()));
}

TEST_F(ContainerTest, MayBeWithoutSections) {
  const auto opened = Open(files, Write({}));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_TRUE((*opened)->sections().empty());
}

// A byte here and there of a file of several blocks: opening or verifying finds it.
TEST_F(ContainerTest, NoticesEveryChangedByte) {
  files.Put(kPath, Write(SomeSections(200'000)));
  Bytes& file = files.Edit(kPath);
  std::mt19937 random(6);
  for (int i = 0; i < 2000; ++i) {
    std::byte& byte = file[random() % file.size()];
    const std::byte before = byte;
    byte ^= static_cast<std::byte>(1 + random() % 255);
    const auto opened = Open(files);
    ASSERT_FALSE(opened.ok() && (*opened)->VerifyAll().ok()) << &byte - file.data();
    byte = before;
  }
}

TEST_F(ContainerTest, NamesTheSectionAndTheBlock) {
  Bytes file = Write(SomeSections());
  const SectionEntry entry = SectionOf(file, SectionType::kEntries);  // 131,064 bytes
  file[entry.offset + 70'000] ^= std::byte{1};
  const auto opened = Open(files, file);
  ASSERT_TRUE(opened.ok());
  Bytes buffer;
  EXPECT_TRUE((*opened)->Read(entry, 0, 2000, buffer).ok());  // of the first block
  const Status status = (*opened)->Read(entry, 0, 3000, buffer).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kCorrupt);
  ASSERT_EQ(status.details().size(), 3u);
  EXPECT_EQ(std::get<std::string>(status.details()[1].value), "entries");
  EXPECT_EQ(std::get<uint64_t>(status.details()[2].value), entry.offset + kBlockBytes);
}

// Files that were put together from two.
TEST_F(ContainerTest, DoesNotMixTwoFiles) {
  std::vector<Section> sections = SomeSections(200'000);
  files.Put(kPath, Write(sections));
  for (Section& section : sections) {
    for (std::byte& byte : section.bytes) byte ^= std::byte{1};
  }
  Bytes other = Write(sections);
  Bytes& mixed = files.Edit(kPath);
  ASSERT_EQ(mixed.size(), other.size());
  const auto exchange = [&](size_t page) {
    std::swap_ranges(other.begin() + static_cast<ptrdiff_t>(page * kPageBytes),
                     other.begin() + static_cast<ptrdiff_t>((page + 1) * kPageBytes),
                     mixed.begin() + static_cast<ptrdiff_t>(page * kPageBytes));
  };
  for (size_t page = 1; page < mixed.size() / kPageBytes; ++page) {
    exchange(page);
    const auto opened = Open(files);
    ASSERT_FALSE(opened.ok() && (*opened)->VerifyAll().ok()) << page;
    exchange(page);
  }
  EXPECT_TRUE((*Open(files))->VerifyAll().ok());
}

TEST_F(ContainerTest, IsNotAFileOfAnotherKind) {
  for (const Bytes& bytes : {Bytes(100'000), RandomBytes(8192, 1), RandomBytes(3, 1)}) {
    EXPECT_EQ(Open(files, bytes).status().code(), ErrorCode::kFormat);
  }
  EXPECT_EQ(Open(files, Bytes()).status().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace vitrine::storage_container_test
