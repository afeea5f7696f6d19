#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.h"
#include "base/status.h"
#include "storage/container_format.h"
#include "storage/file_system.h"

namespace vitrine {

// Reads a container whose every byte may be wrong. Opening verifies header, footer, table, CRC
// arrays and the places of everything; a section's bytes are verified each time they are read,
// in the memory that the caller then uses, so that a file that changes meanwhile does no harm.
//
// Fails with kFormat (another kind of file, or a newer one), kCorrupt (section and offset in the
// details), kIo or kCancelled.
// Thread safety: const functions may run on many threads at once.
class ContainerReader {
 public:
  // `path` is for messages. `cancelled`, which may be null, is looked at once a read.
  static Result<std::unique_ptr<ContainerReader>> Open(std::unique_ptr<File> file, std::string path,
                                                       FileKind kind,
                                                       const std::atomic<bool>* cancelled);
  ContainerReader(const ContainerReader&) = delete;
  ContainerReader& operator=(const ContainerReader&) = delete;

  std::span<const SectionEntry> sections() const { return sections_; }
  // Null when there is none.
  const SectionEntry* Find(SectionType type) const;

  // Elements [first, first + count) of a section of this file.
  //   buffer   memory to reuse; the result points into it
  //   returns  [count * element_bytes], verified
  // REQUIRES: first + count <= section.count
  Result<std::span<const std::byte>> Read(const SectionEntry& section, uint64_t first,
                                          uint64_t count, std::vector<std::byte>& buffer) const;
  // Block `block` of a section, verified, as Read gives elements; the last one without its padding.
  // REQUIRES: block < section.block_count()
  Result<std::span<const std::byte>> ReadBlock(const SectionEntry& section, uint64_t block,
                                               std::vector<std::byte>& buffer) const;
  // The file as memory, up to the end of a section. Nothing in it has been verified.
  Result<std::unique_ptr<FileMapping>> Map(const SectionEntry& section) const {
    return file_->Map(section.offset + section.length);
  }
  // Lets the reader live on when the flag goes.
  // REQUIRES: nobody reads now
  void ForgetCancellation() { cancelled_ = nullptr; }
  // Reads every section from end to end.
  Status VerifyAll() const;

  const HeaderPage& header() const { return header_; }
  uint64_t covered_version() const { return footer_.covered_version; }
  const Digest128& root() const { return footer_.root; }
  uint64_t file_bytes() const { return footer_.file_bytes; }

  // What is wrong at byte `offset` of the file.
  Status Corrupt(std::string_view section, uint64_t offset, std::string_view what) const;
  // What this version does not know.
  Status Unknown(std::string_view what) const;

 private:
  ContainerReader(std::unique_ptr<File> file, std::string path, const std::atomic<bool>* cancelled);

  Status ReadHeader(uint64_t file_bytes, FileKind kind);
  Status ReadFooter(uint64_t file_bytes);
  Status ReadTable();
  Status CheckLayout(std::span<const std::byte> table);
  // The arrays, and with them the root. REQUIRES: the layout has been checked
  Status ReadCrcs();
  Status ReadBlocks(const SectionEntry& section, uint64_t first_block, uint64_t end_block,
                    std::vector<std::byte>& buffer) const;
  uint32_t CrcOf(const SectionEntry& section, uint64_t block) const;
  // Whether some blocks, all of them whole, have their checksums.
  bool WholeBlocksHold(const SectionEntry& section, uint64_t first_block, size_t count,
                       std::span<const std::byte> bytes) const;
  Status CheckBlocks(const SectionEntry& section, uint64_t first_block, uint64_t end_block,
                     std::span<const std::byte> bytes) const;

  const std::unique_ptr<File> file_;
  const std::string path_;
  const std::atomic<bool>* cancelled_;
  HeaderPage header_;
  FooterPage footer_;
  std::vector<SectionEntry> sections_;
  uint64_t tail_offset_ = 0;     // of the first CRC array: where the sections end
  std::vector<std::byte> tail_;  // from there to the footer
};

}  // namespace vitrine
