#include "storage/container_writer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/byte_order.h"
#include "base/crc32c.h"

namespace vitrine {

ContainerWriter::ContainerWriter(File& file, const std::atomic<bool>* cancelled)
    : file_(file), cancelled_(cancelled) {}

Status ContainerWriter::Start(const HeaderPage& header) {
  std::vector<std::byte> page(kPageBytes);
  EncodeHeader(header, page.data());
  header_ = DecodeHeader(page.data());
  return Write(page);
}

void ContainerWriter::BeginSection(SectionType type, uint32_t element_bytes, uint32_t flags) {
  open_ = {};
  open_.type = static_cast<uint32_t>(type);
  open_.flags = flags;
  open_.offset = offset_;
  open_.element_bytes = element_bytes;
  crcs_.emplace_back();
}

Status ContainerWriter::Append(std::span<const std::byte> bytes) {
  open_.length += bytes.size();
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), buffer_.room());
    buffer_.Append(bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (buffer_.room() == 0) VITRINE_RETURN_IF_ERROR(FlushBlocks());
  }
  return {};
}

Status ContainerWriter::FlushBlocks() {
  std::vector<std::byte>& crcs = crcs_.back();
  for (size_t at = 0; at < buffer_.size(); at += kBlockBytes) {
    // Relaxed: a flag without anything behind it.
    if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed)) {
      return {ErrorCode::kCancelled, "the save was cancelled"};
    }
    const size_t size = std::min(kBlockBytes, buffer_.size() - at);
    crcs.resize(crcs.size() + sizeof(uint32_t));
    StoreLittleEndian(crcs.data() + crcs.size() - sizeof(uint32_t),
                      MaskCrc(Crc32c({buffer_.data() + at, size})));
  }
  Status status = Write(buffer_.bytes());
  buffer_.Clear();
  return status;
}

Status ContainerWriter::EndSection() {
  assert(open_.length % open_.element_bytes == 0);
  if (!buffer_.empty()) VITRINE_RETURN_IF_ERROR(FlushBlocks());
  VITRINE_RETURN_IF_ERROR(PadTo(kPageBytes));
  open_.count = open_.length / open_.element_bytes;
  sections_.push_back(open_);
  return {};
}

Result<Digest128> ContainerWriter::Finish(uint64_t covered_version) {
  SipHash128 root;
  const uint64_t hashed_from = offset_;
  std::vector<std::byte> tail;
  const auto pad_tail = [&] { tail.resize(RoundUp(tail.size(), 8)); };
  for (size_t i = 0; i < sections_.size(); ++i) {
    pad_tail();
    sections_[i].crcs_offset = hashed_from + tail.size();
    sections_[i].crcs_crc = MaskCrc(Crc32c(crcs_[i]));
    tail.insert(tail.end(), crcs_[i].begin(), crcs_[i].end());
  }
  pad_tail();

  FooterPage footer;
  const size_t table_at = tail.size();
  footer.table_offset = hashed_from + table_at;
  footer.table_bytes = sections_.size() * SectionEntry::kBytes;
  tail.resize(tail.size() + footer.table_bytes);
  for (size_t i = 0; i < sections_.size(); ++i) {
    EncodeSection(sections_[i], tail.data() + table_at + i * SectionEntry::kBytes);
  }
  footer.table_crc = MaskCrc(Crc32c({tail.data() + table_at, footer.table_bytes}));
  root.Append(tail);
  footer.root = root.Finish();
  VITRINE_RETURN_IF_ERROR(Write(tail));
  VITRINE_RETURN_IF_ERROR(PadTo(kPageBytes));

  footer.file_bytes = offset_ + kPageBytes;
  footer.covered_version = covered_version;
  footer.database = header_.database;
  footer.epoch = header_.epoch;
  footer.header_crc = header_.crc;
  std::vector<std::byte> page(kPageBytes);
  EncodeFooter(footer, page.data());
  VITRINE_RETURN_IF_ERROR(Write(page));
  return footer.root;
}

Status ContainerWriter::Write(std::span<const std::byte> bytes) {
  VITRINE_RETURN_IF_ERROR(file_.WriteAt(offset_, bytes));
  offset_ += bytes.size();
  return {};
}

Status ContainerWriter::PadTo(uint64_t multiple) {
  const std::vector<std::byte> zeros(RoundUp(offset_, multiple) - offset_);
  return zeros.empty() ? Status() : Write(zeros);
}

}  // namespace vitrine
