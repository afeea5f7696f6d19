#include "storage/container_format.h"

#include <cstring>

#include "base/byte_order.h"
#include "base/crc32c.h"

namespace vitrine {
namespace {

// Walks over a page or an entry field by field; `Io` is Putter or Getter, so that one list of
// fields serves both directions and they cannot differ.
struct Putter {
  std::byte* at;

  template <std::unsigned_integral T>
  void Field(const T& value) {
    StoreLittleEndian(at, value);
    at += sizeof(T);
  }
  template <typename T, size_t kSize>
  void Field(const std::array<T, kSize>& bytes) {
    static_assert(sizeof(T) == 1);
    std::memcpy(at, bytes.data(), kSize);
    at += kSize;
  }
};

struct Getter {
  const std::byte* at;

  template <std::unsigned_integral T>
  void Field(T& value) {
    value = LoadLittleEndian<T>(at);
    at += sizeof(T);
  }
  template <typename T, size_t kSize>
  void Field(std::array<T, kSize>& bytes) {
    static_assert(sizeof(T) == 1);
    std::memcpy(bytes.data(), at, kSize);
    at += kSize;
  }
};

template <typename Io, typename Header>
void HeaderFields(Io io, Header& header) {
  io.Field(header.magic);
  io.Field(header.kind);
  io.Field(header.major);
  io.Field(header.minor);
  io.Field(header.header_bytes);
  io.Field(header.compatible);
  io.Field(header.read_only_compatible);
  io.Field(header.incompatible);
  io.Field(header.database);
  io.Field(header.file_number);
  io.Field(header.epoch);
  io.Field(header.first_lsn);
  io.Field(header.creator);
  io.Field(header.feature_names);
}

template <typename Io, typename Entry>
void SectionFields(Io io, Entry& entry) {
  io.Field(entry.type);
  io.Field(entry.flags);
  io.Field(entry.offset);
  io.Field(entry.length);
  io.Field(entry.count);
  io.Field(entry.element_bytes);
  io.Field(entry.block_bytes);
  io.Field(entry.crcs_offset);
  io.Field(entry.crcs_crc);
  io.Field(entry.codec);
}

template <typename Io, typename Footer>
void FooterFields(Io io, Footer& footer) {
  io.Field(footer.table_offset);
  io.Field(footer.table_bytes);
  io.Field(footer.file_bytes);
  io.Field(footer.covered_version);
  io.Field(footer.root);
  io.Field(footer.database);
  io.Field(footer.epoch);
  io.Field(footer.table_crc);
  io.Field(footer.header_crc);
}

}  // namespace

std::string SectionName(uint32_t type) {
  static constexpr std::string_view kNames[] = {"",       "config",  "ids",   "births",
                                                "guests", "vectors", "links", "entries"};
  if (type > 0 && type < std::size(kNames)) return std::string(kNames[type]);
  if (type == static_cast<uint32_t>(SectionType::kHosts)) return "hosts";
  if (type == static_cast<uint32_t>(SectionType::kFactors)) return "factors";
  if (type == static_cast<uint32_t>(SectionType::kOutsiders)) return "outsiders";
  if (type == static_cast<uint32_t>(SectionType::kCodeCentre)) return "centre of codes";
  if (type == static_cast<uint32_t>(SectionType::kCodes)) return "codes";
  if (type == static_cast<uint32_t>(SectionType::kCodeFactors)) return "factors of codes";
  if (type == static_cast<uint32_t>(SectionType::kCarryingCodes)) return "codes with lengths";
  if (type == static_cast<uint32_t>(SectionType::kCodeDoubts)) return "doubts of codes";
  if (type == static_cast<uint32_t>(SectionType::kCalibration)) return "calibration";
  if (type == static_cast<uint32_t>(SectionType::kRecordEnds)) return "record ends";
  if (type == static_cast<uint32_t>(SectionType::kRecords)) return "records";
  if (type == static_cast<uint32_t>(SectionType::kIdempotency)) return "idempotency";
  return "section " + std::to_string(type);
}

uint32_t PageCrc(const std::byte* page, size_t crc_at) { return MaskCrc(Crc32c({page, crc_at})); }

void EncodeHeader(const HeaderPage& header, std::byte* page) {
  std::memset(page, 0, kPageBytes);
  HeaderFields(Putter{page}, header);
  std::memcpy(page, kMagic.data(), kMagic.size());
  StoreLittleEndian(page + HeaderPage::kCrcAt, PageCrc(page, HeaderPage::kCrcAt));
}

HeaderPage DecodeHeader(const std::byte* page) {
  HeaderPage header;
  HeaderFields(Getter{page}, header);
  header.crc = LoadLittleEndian<uint32_t>(page + HeaderPage::kCrcAt);
  return header;
}

void EncodeSection(const SectionEntry& entry, std::byte* out) { SectionFields(Putter{out}, entry); }

SectionEntry DecodeSection(const std::byte* in) {
  SectionEntry entry;
  SectionFields(Getter{in}, entry);
  return entry;
}

void EncodeFooter(const FooterPage& footer, std::byte* page) {
  std::memset(page, 0, kPageBytes);
  FooterFields(Putter{page}, footer);
  StoreLittleEndian(page + FooterPage::kCrcAt, PageCrc(page, FooterPage::kCrcAt));
  std::memcpy(page + FooterPage::kMagicAt, kMagic.data(), kMagic.size());
}

FooterPage DecodeFooter(const std::byte* page) {
  FooterPage footer;
  FooterFields(Getter{page}, footer);
  footer.crc = LoadLittleEndian<uint32_t>(page + FooterPage::kCrcAt);
  std::memcpy(footer.magic.data(), page + FooterPage::kMagicAt, footer.magic.size());
  return footer;
}

}  // namespace vitrine
