#include "storage/file_checks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "base/seeded_defect.h"

namespace vitrine {
namespace {

// Text out of a file, for a message: nothing that could do harm on a terminal.
std::string Printable(std::span<const char> text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0') break;
    out += c > ' ' && c < 0x7f ? c : '?';
  }
  return out;
}

}  // namespace

// Each byte equals the one before it, and the first is zero: memcmp looks at many at a time.
bool AreZero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte{} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

bool CrcHolds(std::span<const std::byte> bytes, uint32_t masked, uint32_t before) {
  return kSkipChecksums || SeededDefect("checksum-unchecked") ||
         MaskCrc(Crc32c(bytes, before)) == masked;
}

Status CorruptFile(const std::string& path, std::string_view section, uint64_t offset,
                   std::string_view what) {
  Status status(ErrorCode::kCorrupt, path + " is damaged: " + std::string(what) + " (" +
                                         std::string(section) + ", byte " + std::to_string(offset) +
                                         ")");
  status.AddDetail("path", path);
  status.AddDetail("section", std::string(section));
  status.AddDetail("offset", offset);
  return status;
}

Status UnknownFile(const std::string& path, const HeaderPage& header, std::string_view what) {
  std::string message = path + " " + std::string(what);
  const std::string creator = Printable(header.creator);
  if (!creator.empty()) message += "; it was written by " + creator;
  Status status(ErrorCode::kFormat, std::move(message));
  status.AddDetail("path", path);
  return status;
}

bool HasMagic(std::span<const std::byte> start) {
  return std::memcmp(start.data(), kMagic.data(), std::min(start.size(), kMagic.size())) == 0;
}

Result<HeaderPage> ReadHeaderPage(std::span<const std::byte> page, const std::string& path,
                                  FileKind kind, size_t reserved_from) {
  if (!HasMagic(page)) return UnknownFile(path, {}, "is not a file of vitrine");
  // Major and CRC keep their places in every version.
  const HeaderPage header = DecodeHeader(page.data());
  if (!CrcHolds(page.first(HeaderPage::kCrcAt), header.crc)) {
    return CorruptFile(path, "header", HeaderPage::kCrcAt, "the checksum does not match");
  }
  if (header.major != kFormatMajor) {
    return UnknownFile(path, header,
                       "is of format " + std::to_string(header.major) +
                           ", this version reads format " + std::to_string(kFormatMajor));
  }
  if (header.kind != static_cast<uint16_t>(kind)) {
    return UnknownFile(path, header,
                       "is a file of kind " + std::to_string(header.kind) + ", not " +
                           std::to_string(static_cast<uint16_t>(kind)));
  }
  if (header.incompatible != 0) {
    // No bit is known so far. The file says what its bits are called.
    const std::string names = Printable(header.feature_names);
    return UnknownFile(
        path, header,
        "needs what this version does not know: " +
            (names.empty() ? "feature mask " + std::to_string(header.incompatible) : names));
  }
  if (header.header_bytes != kPageBytes) {
    return CorruptFile(path, "header", 14, "the header is not a page long");
  }
  // A newer minor, or a feature that readers may ignore, may have found a use for them.
  const bool newer =
      header.minor > kFormatMinor || header.compatible != 0 || header.read_only_compatible != 0;
  if (!newer && !AreZero(page.subspan(reserved_from, HeaderPage::kCrcAt - reserved_from))) {
    return CorruptFile(path, "header", reserved_from, "reserved bytes are not zero");
  }
  return header;
}

}  // namespace vitrine
