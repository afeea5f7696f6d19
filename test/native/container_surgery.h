#pragma once

#include <algorithm>
#include <vector>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "base/siphash.h"
#include "storage/container_format.h"

namespace vitrine {

// For changing containers and keeping every checksum right, to reach the checks behind them.

inline FooterPage FooterOf(const std::vector<std::byte>& file) {
  return DecodeFooter(file.data() + file.size() - kPageBytes);
}

inline SectionEntry SectionOf(const std::vector<std::byte>& file, SectionType type) {
  const FooterPage footer = FooterOf(file);
  for (uint64_t at = 0; at < footer.table_bytes; at += SectionEntry::kBytes) {
    const SectionEntry entry = DecodeSection(file.data() + footer.table_offset + at);
    if (entry.type == static_cast<uint32_t>(type)) return entry;
  }
  return {};
}

// Where the entry of a section stands in the table.
inline uint64_t TablePlaceOf(const std::vector<std::byte>& file, SectionType type) {
  const FooterPage footer = FooterOf(file);
  for (uint64_t at = 0; at < footer.table_bytes; at += SectionEntry::kBytes) {
    const SectionEntry entry = DecodeSection(file.data() + footer.table_offset + at);
    if (entry.type == static_cast<uint32_t>(type)) return footer.table_offset + at;
  }
  return 0;
}

// Recomputes every checksum of a file, as far as its footer and table make sense.
inline void RepairChecksums(std::vector<std::byte>& file) {
  if (file.size() < 2 * kPageBytes) return;
  const uint64_t footer_at = file.size() - kPageBytes;
  const auto inside = [&](uint64_t offset, uint64_t bytes) {
    return offset <= footer_at && bytes <= footer_at - offset;
  };
  const auto masked = [&](uint64_t offset, uint64_t bytes) {
    return MaskCrc(Crc32c({file.data() + offset, static_cast<size_t>(bytes)}));
  };
  StoreLittleEndian(file.data() + HeaderPage::kCrcAt, masked(0, HeaderPage::kCrcAt));

  std::byte* const page = file.data() + footer_at;
  const FooterPage footer = DecodeFooter(page);
  if (inside(footer.table_offset, footer.table_bytes)) {
    std::byte* const table = file.data() + footer.table_offset;
    for (uint64_t at = 0; at + SectionEntry::kBytes <= footer.table_bytes;
         at += SectionEntry::kBytes) {
      const SectionEntry entry = DecodeSection(table + at);
      const uint64_t blocks = entry.length / kBlockBytes + (entry.length % kBlockBytes != 0);
      if (!inside(entry.offset, entry.length) || !inside(entry.crcs_offset, blocks * 4)) continue;
      for (uint64_t block = 0; block < blocks; ++block) {
        const uint64_t from = block * kBlockBytes;
        StoreLittleEndian(
            file.data() + entry.crcs_offset + block * 4,
            masked(entry.offset + from, std::min<uint64_t>(kBlockBytes, entry.length - from)));
      }
      StoreLittleEndian(table + at + 48, masked(entry.crcs_offset, blocks * 4));
    }
    StoreLittleEndian(page + 72, masked(footer.table_offset, footer.table_bytes));
    const uint64_t root_from = footer.table_bytes < SectionEntry::kBytes
                                   ? footer.table_offset
                                   : DecodeSection(table).crcs_offset;
    const uint64_t root_end = footer.table_offset + footer.table_bytes;
    if (root_from <= root_end) {
      SipHash128 root;
      root.Append({file.data() + root_from, static_cast<size_t>(root_end - root_from)});
      const Digest128 digest = root.Finish();
      std::copy(digest.begin(), digest.end(), page + 32);
    }
  }
  std::copy_n(file.data() + HeaderPage::kCrcAt, sizeof(uint32_t), page + 76);
  StoreLittleEndian(page + FooterPage::kCrcAt, masked(footer_at, FooterPage::kCrcAt));
}

}  // namespace vitrine
