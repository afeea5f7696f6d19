#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/page_buffer.h"
#include "base/siphash.h"
#include "base/status.h"
#include "storage/container_format.h"
#include "storage/file_system.h"

namespace vitrine {

// Writes a container front to back, section by section; checksums are computed on the way.
//
//   ContainerWriter writer(file, cancelled);
//   writer.Start(header); writer.BeginSection(type, element_bytes); writer.Append(bytes) ...
//   writer.EndSection(); ... writer.Finish(version);
//
// After a failure nothing more is written and the file is worth nothing.
class ContainerWriter {
 public:
  // `file` is empty and outlives the writer. `cancelled`, which may be null, is looked at once a
  // block: kCancelled.
  ContainerWriter(File& file, const std::atomic<bool>* cancelled);

  Status Start(const HeaderPage& header);
  // REQUIRES: no section is open; element_bytes > 0
  void BeginSection(SectionType type, uint32_t element_bytes, uint32_t flags = 0);
  // The next bytes of the open section.
  Status Append(std::span<const std::byte> bytes);
  // REQUIRES: what was appended is a whole number of elements
  Status EndSection();
  // Writes arrays, table and footer; returns the root.
  Result<Digest128> Finish(uint64_t covered_version);

 private:
  // What is gathered before it is written: whole blocks.
  static constexpr size_t kBufferBytes = 16 * kBlockBytes;

  // Writes the buffer as blocks of the open section.
  Status FlushBlocks();
  // Writes bytes that belong to no section.
  Status Write(std::span<const std::byte> bytes);
  Status PadTo(uint64_t multiple);

  File& file_;
  const std::atomic<bool>* const cancelled_;
  HeaderPage header_;
  PageBuffer buffer_{kBufferBytes};
  uint64_t offset_ = 0;  // where the next byte of the file goes, the buffer not counted
  SectionEntry open_;
  std::vector<SectionEntry> sections_;
  // Of each section, its CRCs as they are stored.
  std::vector<std::vector<std::byte>> crcs_;
};

}  // namespace vitrine
