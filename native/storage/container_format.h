#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/siphash.h"

namespace vitrine {

// The pages and tables of a container file, as docs/formats/index-file.md lays them out: encoding
// and decoding of each, without any judgement about the values.

inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kBlockBytes = 65'536;
inline constexpr std::array<unsigned char, 8> kMagic = {0x89, 'V',  'T',  'R',
                                                        '\r', '\n', 0x1a, '\n'};
inline constexpr uint16_t kFormatMajor = 0;
inline constexpr uint16_t kFormatMinor = 0;

enum class FileKind : uint16_t {
  kIndex = 1,
  kLogSegment = 2,
  kManifest = 3,
  kCollection = 4,
  kCollectionGraph = 5,
};

enum class SectionType : uint32_t {
  kConfig = 1,
  kIds = 2,
  kBirths = 3,
  kGuests = 4,
  kVectors = 5,
  kLinks = 6,
  kEntries = 7,
  kHosts = 8,
  kFactors = 9,
  kOutsiders = 10,
  kCodeCentre = 16,  // to 31: of codes
  kCalibration = 17,
  kCodes = 18,
  kCodeFactors = 19,
  kCarryingCodes = 20,
  kCodeDoubts = 21,
  kRecordEnds = 32,
  kRecords = 33,
  kIdempotency = 48,
};

// "vectors"; "section 99" for a type without a name.
std::string SectionName(uint32_t type);

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct HeaderPage {
  std::array<std::byte, 8> magic{};
  uint16_t kind = 0;
  uint16_t major = kFormatMajor;
  uint16_t minor = kFormatMinor;
  uint16_t header_bytes = kPageBytes;
  uint64_t compatible = 0;
  uint64_t read_only_compatible = 0;
  uint64_t incompatible = 0;
  std::array<std::byte, 16> database{};
  uint64_t file_number = 0;
  uint64_t epoch = 0;
  uint64_t first_lsn = 0;
  std::array<char, 32> creator{};
  std::array<char, 256> feature_names{};
  uint32_t crc = 0;  // masked, as all CRCs here

  static constexpr size_t kReservedFrom = 368;
  static constexpr size_t kCrcAt = 4092;
};

struct SectionEntry {
  uint32_t type = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t count = 0;
  uint32_t element_bytes = 0;
  uint32_t block_bytes = kBlockBytes;
  uint64_t crcs_offset = 0;
  uint32_t crcs_crc = 0;
  uint32_t codec = 0;

  static constexpr size_t kBytes = 56;
  static constexpr uint32_t kMayBeIgnored = 1;

  // REQUIRES: block_bytes > 0
  uint64_t block_count() const { return length / block_bytes + (length % block_bytes != 0); }
};

struct FooterPage {
  uint64_t table_offset = 0;
  uint64_t table_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t covered_version = 0;
  Digest128 root{};
  std::array<std::byte, 16> database{};
  uint64_t epoch = 0;
  uint32_t table_crc = 0;
  uint32_t header_crc = 0;
  uint32_t crc = 0;
  std::array<std::byte, 8> magic{};

  static constexpr size_t kReservedFrom = 80;
  static constexpr size_t kCrcAt = 4084;
  static constexpr size_t kMagicAt = 4088;
};

// Each writes or reads exactly one page, or one entry of kBytes. The encoders of pages fill in
// magic and CRC, reserved bytes are zero.
void EncodeHeader(const HeaderPage& header, std::byte* page);
HeaderPage DecodeHeader(const std::byte* page);
void EncodeSection(const SectionEntry& entry, std::byte* out);
SectionEntry DecodeSection(const std::byte* in);
void EncodeFooter(const FooterPage& footer, std::byte* page);
FooterPage DecodeFooter(const std::byte* page);

// The masked CRC that belongs in a page whose CRC field stands at `crc_at`.
uint32_t PageCrc(const std::byte* page, size_t crc_at);

}  // namespace vitrine
