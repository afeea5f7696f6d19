#include "storage/container_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "storage/file_checks.h"

namespace vitrine {
namespace {

// More sections than there will ever be types.
constexpr uint64_t kMaxSections = 1024;
constexpr size_t kVerifyBlocks = 16;
// Whose checksums are computed side by side.
constexpr size_t kBlocksTogether = 4;

}  // namespace

ContainerReader::ContainerReader(std::unique_ptr<File> file, std::string path,
                                 const std::atomic<bool>* cancelled)
    : file_(std::move(file)), path_(std::move(path)), cancelled_(cancelled) {}

Result<std::unique_ptr<ContainerReader>> ContainerReader::Open(std::unique_ptr<File> file,
                                                               std::string path, FileKind kind,
                                                               const std::atomic<bool>* cancelled) {
  const Result<uint64_t> size = file->Size();
  if (!size.ok()) return size.status();
  std::unique_ptr<ContainerReader> reader(
      new ContainerReader(std::move(file), std::move(path), cancelled));
  VITRINE_RETURN_IF_ERROR(reader->ReadHeader(*size, kind));
  VITRINE_RETURN_IF_ERROR(reader->ReadFooter(*size));
  VITRINE_RETURN_IF_ERROR(reader->ReadTable());
  VITRINE_RETURN_IF_ERROR(reader->ReadCrcs());
  return reader;
}

Status ContainerReader::Corrupt(std::string_view section, uint64_t offset,
                                std::string_view what) const {
  return CorruptFile(path_, section, offset, what);
}

Status ContainerReader::Unknown(std::string_view what) const {
  return UnknownFile(path_, header_, what);
}

Status ContainerReader::ReadHeader(uint64_t file_bytes, FileKind kind) {
  std::array<std::byte, kPageBytes> page{};
  const size_t there = static_cast<size_t>(std::min<uint64_t>(file_bytes, kPageBytes));
  VITRINE_RETURN_IF_ERROR(file_->ReadAt(0, {page.data(), there}));
  if (!HasMagic({page.data(), there})) return Unknown("is not a file of vitrine");
  if (file_bytes < 2 * kPageBytes || file_bytes % kPageBytes != 0) {
    return Corrupt("file", file_bytes, "its length is not one that a file can have");
  }
  const Result<HeaderPage> header = ReadHeaderPage(page, path_, kind, HeaderPage::kReservedFrom);
  if (!header.ok()) return header.status();
  header_ = *header;
  return {};
}

Status ContainerReader::ReadFooter(uint64_t file_bytes) {
  std::array<std::byte, kPageBytes> page{};
  const uint64_t at = file_bytes - kPageBytes;
  VITRINE_RETURN_IF_ERROR(file_->ReadAt(at, page));
  footer_ = DecodeFooter(page.data());
  if (std::memcmp(footer_.magic.data(), kMagic.data(), kMagic.size()) != 0) {
    return Corrupt("footer", at + FooterPage::kMagicAt, "the file does not end in a footer");
  }
  if (!CrcHolds({page.data(), FooterPage::kCrcAt}, footer_.crc)) {
    return Corrupt("footer", at + FooterPage::kCrcAt, "the checksum does not match");
  }
  if (footer_.file_bytes != file_bytes) {
    return Corrupt("footer", at + 16, "the file is not as long as it says");
  }
  if (!kSkipChecksums && footer_.header_crc != header_.crc) {
    return Corrupt("footer", at + 76, "it belongs to another header");
  }
  if (footer_.database != header_.database || footer_.epoch != header_.epoch) {
    return Corrupt("footer", at + 48, "it belongs to another header");
  }
  if (!AreZero(std::span(page).subspan(FooterPage::kReservedFrom,
                                       FooterPage::kCrcAt - FooterPage::kReservedFrom))) {
    return Corrupt("footer", at + FooterPage::kReservedFrom, "reserved bytes are not zero");
  }
  return {};
}

Status ContainerReader::ReadTable() {
  const uint64_t footer_at = footer_.file_bytes - kPageBytes;
  const uint64_t offset = footer_.table_offset;
  const uint64_t bytes = footer_.table_bytes;
  if (offset % 8 != 0 || offset < kPageBytes || offset > footer_at || bytes > footer_at - offset ||
      bytes % SectionEntry::kBytes != 0 || bytes / SectionEntry::kBytes > kMaxSections ||
      RoundUp(offset + bytes, kPageBytes) != footer_at) {
    return Corrupt("footer", footer_at, "the section table cannot be there");
  }
  std::vector<std::byte> table(static_cast<size_t>(bytes));
  VITRINE_RETURN_IF_ERROR(file_->ReadAt(offset, table));
  if (!CrcHolds(table, footer_.table_crc)) {
    return Corrupt("section table", offset, "the checksum does not match");
  }
  return CheckLayout(table);
}

// Each part must begin exactly where the one before it ends: there is one place for everything, so
// nothing overlaps and nothing is beyond the end.
Status ContainerReader::CheckLayout(std::span<const std::byte> table) {
  uint64_t at = kPageBytes;
  for (size_t i = 0; i < table.size(); i += SectionEntry::kBytes) {
    const SectionEntry entry = DecodeSection(table.data() + i);
    const auto corrupt = [&](std::string_view what) {
      return Corrupt("section table", footer_.table_offset + i,
                     SectionName(entry.type) + ": " + std::string(what));
    };
    if (entry.offset != at) return corrupt("does not begin where the one before it ends");
    if (entry.length > footer_.table_offset - at) return corrupt("reaches beyond the sections");
    if (entry.element_bytes == 0 || entry.length % entry.element_bytes != 0 ||
        entry.length / entry.element_bytes != entry.count) {
      return corrupt("count and size of the elements contradict the length");
    }
    if (entry.block_bytes != kBlockBytes) return corrupt("blocks are not of 65,536 bytes");
    if ((entry.flags & ~SectionEntry::kMayBeIgnored) != 0) {
      return Unknown("has unknown flags on " + SectionName(entry.type));
    }
    if (entry.codec != 0) {
      return Unknown("needs codec " + std::to_string(entry.codec) + " for " +
                     SectionName(entry.type));
    }
    for (const SectionEntry& other : sections_) {
      if (other.type == entry.type) return corrupt("comes twice");
    }
    at = RoundUp(at + entry.length, kPageBytes);
    if (at > footer_.table_offset) return corrupt("reaches beyond the sections");
    sections_.push_back(entry);
  }
  tail_offset_ = at;
  for (size_t i = 0; i < sections_.size(); ++i) {
    at = RoundUp(at, 8);
    if (sections_[i].crcs_offset != at) {
      return Corrupt("section table", footer_.table_offset + i * SectionEntry::kBytes,
                     SectionName(sections_[i].type) + ": checksums are not where they belong");
    }
    at += sections_[i].block_count() * sizeof(uint32_t);
  }
  if (RoundUp(at, 8) != footer_.table_offset) {
    return Corrupt("footer", footer_.file_bytes - kPageBytes,
                   "the section table does not follow the checksums");
  }
  return {};
}

Status ContainerReader::ReadCrcs() {
  const uint64_t footer_at = footer_.file_bytes - kPageBytes;
  tail_.resize(static_cast<size_t>(footer_at - tail_offset_));
  VITRINE_RETURN_IF_ERROR(file_->ReadAt(tail_offset_, tail_));

  const std::span<const std::byte> tail(tail_);
  const size_t hashed =
      static_cast<size_t>(footer_.table_offset + footer_.table_bytes - tail_offset_);
  SipHash128 root;
  root.Append(tail.first(hashed));
  if (!kSkipChecksums && root.Finish() != footer_.root) {
    return Corrupt("section table", tail_offset_, "the root does not match");
  }
  size_t at = 0;
  for (const SectionEntry& section : sections_) {
    const size_t begin = static_cast<size_t>(section.crcs_offset - tail_offset_);
    const size_t bytes = static_cast<size_t>(section.block_count() * sizeof(uint32_t));
    if (!CrcHolds(tail.subspan(begin, bytes), section.crcs_crc)) {
      return Corrupt("checksums of " + SectionName(section.type), section.crcs_offset,
                     "the checksum does not match");
    }
    if (!AreZero(tail.subspan(at, begin - at))) {
      return Corrupt("padding", tail_offset_ + at, "padding is not zero");
    }
    at = begin + bytes;
  }
  const size_t table_at = static_cast<size_t>(footer_.table_offset - tail_offset_);
  if (!AreZero(tail.subspan(at, table_at - at)) || !AreZero(tail.subspan(hashed))) {
    return Corrupt("padding", tail_offset_ + at, "padding is not zero");
  }
  return {};
}

const SectionEntry* ContainerReader::Find(SectionType type) const {
  const auto found = std::find_if(
      sections_.begin(), sections_.end(),
      [&](const SectionEntry& entry) { return entry.type == static_cast<uint32_t>(type); });
  return found == sections_.end() ? nullptr : &*found;
}

uint32_t ContainerReader::CrcOf(const SectionEntry& section, uint64_t block) const {
  const size_t at = static_cast<size_t>(section.crcs_offset - tail_offset_);
  return LoadLittleEndian<uint32_t>(tail_.data() + at +
                                    static_cast<size_t>(block) * sizeof(uint32_t));
}

bool ContainerReader::WholeBlocksHold(const SectionEntry& section, uint64_t first_block,
                                      size_t count, std::span<const std::byte> bytes) const {
  std::array<uint32_t, kBlocksTogether> crcs;
  Crc32cSideBySide(bytes.first(count * kBlockBytes), std::span(crcs).first(count));
  for (size_t i = 0; i < count; ++i) {
    if (MaskCrc(crcs[i]) != CrcOf(section, first_block + i)) return false;
  }
  return true;
}

//   bytes  from the first block on
Status ContainerReader::CheckBlocks(const SectionEntry& section, uint64_t first_block,
                                    uint64_t end_block, std::span<const std::byte> bytes) const {
  for (uint64_t block = first_block; block < end_block;) {
    const auto rest = bytes.subspan(static_cast<size_t>((block - first_block) * kBlockBytes));
    const uint64_t left = section.length - block * kBlockBytes;
    const size_t whole = static_cast<size_t>(
        std::min({uint64_t{kBlocksTogether}, end_block - block, left / kBlockBytes}));
    // Which of them is damaged is found one by one.
    if (whole > 1 && WholeBlocksHold(section, block, whole, rest)) {
      block += whole;
      continue;
    }
    const size_t size = static_cast<size_t>(std::min<uint64_t>(kBlockBytes, left));
    if (!CrcHolds(rest.first(size), CrcOf(section, block))) {
      return Corrupt(SectionName(section.type), section.offset + block * kBlockBytes,
                     "the checksum of a block does not match");
    }
    ++block;
  }
  return {};
}

// Fills `buffer` with blocks [first_block, end_block) and, behind the last one, the padding.
Status ContainerReader::ReadBlocks(const SectionEntry& section, uint64_t first_block,
                                   uint64_t end_block, std::vector<std::byte>& buffer) const {
  // Relaxed: a flag without anything behind it.
  if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed)) {
    return {ErrorCode::kCancelled, "the load was cancelled"};
  }
  const uint64_t begin = first_block * kBlockBytes;
  const bool last = end_block == section.block_count();
  const uint64_t end = last ? RoundUp(section.offset + section.length, kPageBytes) - section.offset
                            : end_block * kBlockBytes;
  const auto size = static_cast<size_t>(end - begin);
  // What a buffer grows by is cleared: it does not shrink, and loses what it holds to grow.
  if (buffer.size() < size) {
    buffer.clear();
    buffer.resize(size);
  }
  const std::span<std::byte> bytes = std::span(buffer).first(size);
  VITRINE_RETURN_IF_ERROR(file_->ReadAt(section.offset + begin, bytes));
  VITRINE_RETURN_IF_ERROR(CheckBlocks(section, first_block, end_block, bytes));
  if (last && !AreZero(bytes.subspan(static_cast<size_t>(section.length - begin)))) {
    return Corrupt(SectionName(section.type), section.offset + section.length,
                   "padding is not zero");
  }
  return {};
}

Result<std::span<const std::byte>> ContainerReader::Read(const SectionEntry& section,
                                                         uint64_t first, uint64_t count,
                                                         std::vector<std::byte>& buffer) const {
  if (count == 0) return std::span<const std::byte>();
  const uint64_t begin = first * section.element_bytes;
  const uint64_t end = begin + count * section.element_bytes;
  const uint64_t first_block = begin / kBlockBytes;
  VITRINE_RETURN_IF_ERROR(
      ReadBlocks(section, first_block, (end + kBlockBytes - 1) / kBlockBytes, buffer));
  return std::span<const std::byte>(buffer).subspan(
      static_cast<size_t>(begin - first_block * kBlockBytes), static_cast<size_t>(end - begin));
}

Result<std::span<const std::byte>> ContainerReader::ReadBlock(
    const SectionEntry& section, uint64_t block, std::vector<std::byte>& buffer) const {
  VITRINE_RETURN_IF_ERROR(ReadBlocks(section, block, block + 1, buffer));
  const uint64_t bytes = std::min<uint64_t>(kBlockBytes, section.length - block * kBlockBytes);
  return std::span<const std::byte>(buffer).first(static_cast<size_t>(bytes));
}

Status ContainerReader::VerifyAll() const {
  std::vector<std::byte> buffer;
  for (const SectionEntry& section : sections_) {
    const uint64_t blocks = section.block_count();
    for (uint64_t block = 0; block < blocks; block += kVerifyBlocks) {
      VITRINE_RETURN_IF_ERROR(
          ReadBlocks(section, block, std::min(block + kVerifyBlocks, blocks), buffer));
    }
  }
  return {};
}

}  // namespace vitrine
