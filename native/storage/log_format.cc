#include "storage/log_format.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "storage/file_checks.h"

namespace vitrine {
namespace {

constexpr uint32_t kMark = 0x544d5246u;
constexpr std::string_view kPrefix = "wal-";
constexpr size_t kDigits = 20;

uint32_t CrcOfNumber(uint64_t number) {
  std::array<std::byte, 8> bytes;
  StoreLittleEndian(bytes.data(), number);
  return Crc32c(bytes);
}

}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header, std::string_view creator, std::byte* page) {
  HeaderPage common;
  common.kind = static_cast<uint16_t>(FileKind::kLogSegment);
  common.database = header.database;
  common.file_number = header.number;
  common.first_lsn = header.first_lsn;
  std::copy_n(creator.begin(), std::min(creator.size(), common.creator.size()),
              common.creator.begin());
  EncodeHeader(common, page);
  std::byte* const fields = page + SegmentHeader::kFieldsAt;
  StoreLittleEndian(fields, header.incarnation);
  StoreLittleEndian(fields + 8, header.previous_number);
  StoreLittleEndian(fields + 16, header.previous_last);
  StoreLittleEndian(fields + 24, header.truncated_from);
  StoreLittleEndian(fields + 32, header.segment_bytes);
  StoreLittleEndian(fields + 40, header.previous_chain);
  StoreLittleEndian(page + HeaderPage::kCrcAt, PageCrc(page, HeaderPage::kCrcAt));
}

Result<SegmentHeader> ReadSegmentHeader(std::span<const std::byte> page, const std::string& path,
                                        uint64_t number, uint64_t file_bytes) {
  const Result<HeaderPage> common =
      ReadHeaderPage(page, path, FileKind::kLogSegment, SegmentHeader::kReservedFrom);
  if (!common.ok()) return common.status();
  const std::byte* const fields = page.data() + SegmentHeader::kFieldsAt;
  SegmentHeader header;
  header.database = common->database;
  header.number = common->file_number;
  header.first_lsn = common->first_lsn;
  header.incarnation = LoadLittleEndian<uint64_t>(fields);
  header.previous_number = LoadLittleEndian<uint64_t>(fields + 8);
  header.previous_last = LoadLittleEndian<uint64_t>(fields + 16);
  header.truncated_from = LoadLittleEndian<uint64_t>(fields + 24);
  header.segment_bytes = LoadLittleEndian<uint64_t>(fields + 32);
  header.previous_chain = LoadLittleEndian<uint32_t>(fields + 40);
  const auto corrupt = [&](uint64_t offset, std::string_view what) {
    return CorruptFile(path, "header", offset, what);
  };
  if (header.number != number) return corrupt(56, "the file belongs under another name");
  if (common->epoch != 0) return corrupt(64, "the epoch is not zero");
  if (header.previous_last >= kNumberLimit || header.first_lsn != header.previous_last + 1) {
    return corrupt(72, "the first number does not follow the previous one");
  }
  if (!IsUsableIncarnation(header.incarnation)) {
    return corrupt(SegmentHeader::kFieldsAt, "the incarnation is not one");
  }
  if (header.previous_number >= number) {
    return corrupt(SegmentHeader::kFieldsAt + 8, "the previous segment is not before this one");
  }
  if (header.truncated_from != 0 && header.truncated_from != header.first_lsn) {
    return corrupt(SegmentHeader::kFieldsAt + 24, "what was dropped is not what begins here");
  }
  if (header.segment_bytes != file_bytes) {
    return corrupt(SegmentHeader::kFieldsAt + 32, "the file is not as long as it says");
  }
  return header;
}

uint32_t EncodeFrame(const FrameHeader& header, uint64_t incarnation, std::byte* out) {
  StoreLittleEndian(out, kMark ^ static_cast<uint32_t>(incarnation));
  StoreLittleEndian(out + 8, header.payload_bytes);
  StoreLittleEndian(out + 12, header.payload_crc);
  StoreLittleEndian(out + 16, header.lsn);
  StoreLittleEndian(out + 24, header.durable_lsn);
  StoreLittleEndian(out + 32, header.previous_crc);
  StoreLittleEndian(out + 36, header.kind);
  StoreLittleEndian(out + 37, header.flags);
  StoreLittleEndian(out + 38, header.operations);
  const uint32_t crc =
      MaskCrc(Crc32c({out + 8, FrameHeader::kBytes - 8}, CrcOfNumber(incarnation)));
  StoreLittleEndian(out + 4, crc);
  return crc;
}

std::optional<FrameHeader> DecodeFrame(const std::byte* at, uint64_t incarnation, uint32_t& chain) {
  if (LoadLittleEndian<uint32_t>(at) != (kMark ^ static_cast<uint32_t>(incarnation))) return {};
  const uint32_t crc = LoadLittleEndian<uint32_t>(at + 4);
  if (!CrcHolds({at + 8, FrameHeader::kBytes - 8}, crc, CrcOfNumber(incarnation))) return {};
  chain = crc;
  FrameHeader header;
  header.payload_bytes = LoadLittleEndian<uint32_t>(at + 8);
  header.payload_crc = LoadLittleEndian<uint32_t>(at + 12);
  header.lsn = LoadLittleEndian<uint64_t>(at + 16);
  header.durable_lsn = LoadLittleEndian<uint64_t>(at + 24);
  header.previous_crc = LoadLittleEndian<uint32_t>(at + 32);
  header.kind = LoadLittleEndian<uint8_t>(at + 36);
  header.flags = LoadLittleEndian<uint8_t>(at + 37);
  header.operations = LoadLittleEndian<uint16_t>(at + 38);
  return header;
}

uint32_t PayloadCrc(uint64_t lsn, std::span<const std::byte> payload) {
  static constexpr std::array<std::byte, 8> kZeros{};
  const size_t padding = FrameBytes(payload.size()) - FrameHeader::kBytes - payload.size();
  return MaskCrc(Crc32c(std::span(kZeros).first(padding), Crc32c(payload, CrcOfNumber(lsn))));
}

std::string SegmentName(uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(kPrefix) + std::string(kDigits - digits.size(), '0') + digits;
}

std::optional<uint64_t> SegmentNumber(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kDigits) return {};
  uint64_t number = 0;
  for (const char digit : name.substr(kPrefix.size())) {
    if (digit < '0' || digit > '9' || number > (UINT64_MAX - 9) / 10) return {};
    number = number * 10 + static_cast<uint64_t>(digit - '0');
  }
  // 0 stands for "none" everywhere else.
  if (number == 0 || number >= kNumberLimit) return {};
  return number;
}

bool IsUnfinishedSegment(std::string_view name) {
  return name.ends_with(kUnfinishedSuffix) &&
         SegmentNumber(name.substr(0, name.size() - kUnfinishedSuffix.size())).has_value();
}

}  // namespace vitrine
