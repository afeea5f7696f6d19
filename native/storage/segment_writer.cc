#include "storage/segment_writer.h"

#include <array>
#include <chrono>
#include <utility>

#include "base/elapsed.h"
#include "base/probe.h"
#include "base/seeded_defect.h"

namespace vitrine {
namespace {

// What is gathered before it is written.

constexpr std::array<std::byte, kPageBytes> kZeros{};

}  // namespace

SegmentWriter::SegmentWriter(FileSystem& files, SegmentSupply& supply, std::string folder,
                             const LogEnd& end, Options options)
    : files_(files),
      supply_(supply),
      folder_(std::move(folder)),
      options_(std::move(options)),
      segments_(end.segments),
      left_over_(end.left_over),
      truncated_from_(end.truncated_from),
      written_lsn_(end.last_lsn),
      durable_lsn_(end.last_lsn),
      chain_(end.chain) {}

Status SegmentWriter::Fail(Status status) {
  if (!SeededDefect("log-failure-forgotten")) failure_ = status;
  return status;
}

Status SegmentWriter::Recover() {
  const Result<std::vector<std::string>> names = files_.List(folder_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (IsUnfinishedSegment(name)) VITRINE_RETURN_IF_ERROR(files_.Remove(PathOf(name)));
  }
  return files_.SyncFolderOf(PathOf(SegmentName(1)));
}

uint64_t SegmentWriter::room() const {
  if (file_ == nullptr) return 0;
  // The last page is for a seal: it must never depend on another segment.
  const uint64_t end = segments_.back().bytes - kPageBytes;
  const uint64_t used = position_ + buffer_.size();
  return used < end ? end - used : 0;
}

Status SegmentWriter::Begin(uint64_t frame_bytes) {
  VITRINE_RETURN_IF_ERROR(Flush());
  Result<SegmentSupply::Prepared> next =
      supply_.Take(RoundUp(kPageBytes + frame_bytes, kPageBytes) + kPageBytes);
  if (!next.ok()) return supply_.failed() ? Fail(next.status()) : next.status();

  SegmentHeader header;
  header.database = options_.database;
  header.number = next->number;
  header.first_lsn = written_lsn_ + 1;
  header.incarnation = options_.incarnation;
  header.previous_number = segments_.empty() ? 0 : segments_.back().number;
  header.previous_last = written_lsn_;
  header.truncated_from = truncated_from_;
  header.segment_bytes = next->bytes;
  header.previous_chain = chain_;
  std::array<std::byte, kPageBytes> page;
  EncodeSegmentHeader(header, options_.creator, page.data());
  // On the device before any frame: what follows a broken header is then known to be damaged.
  Status status = next->file->WriteAt(0, page);
  if (status.ok() && !SeededDefect("log-header-not-flushed")) status = Sync(*next->file);
  if (!status.ok()) return Fail(std::move(status));

  // The file before is let go unasked: all its bytes were flushed.
  file_ = std::move(next->file);
  position_ = kPageBytes;
  truncated_from_ = 0;
  sealed_ = true;  // the header attests everything before it
  segments_.push_back({header.number, header.first_lsn, header.segment_bytes});
  ++counts_.begun_segments;
  counts_.written_bytes += kPageBytes;
  return {};
}

Result<uint64_t> SegmentWriter::Append(const LogRecord& record) {
  if (!failure_.ok()) return failure_;
  const uint64_t lsn = written_lsn_ + 1;
  FrameHeader header;
  header.payload_bytes = static_cast<uint32_t>(record.payload.size());
  header.payload_crc = PayloadCrc(lsn, record.payload);
  header.lsn = lsn;
  header.durable_lsn = durable_lsn_;
  header.previous_crc = chain_;
  header.kind = static_cast<uint8_t>(record.kind);
  header.operations = record.operations;
  std::array<std::byte, FrameHeader::kBytes> encoded;
  chain_ = EncodeFrame(header, options_.incarnation, encoded.data());
  const uint64_t padding =
      FrameBytes(record.payload.size()) - FrameHeader::kBytes - record.payload.size();
  VITRINE_RETURN_IF_ERROR(Put(encoded));
  VITRINE_RETURN_IF_ERROR(Put(record.payload));
  VITRINE_RETURN_IF_ERROR(Put(std::span(kZeros).first(static_cast<size_t>(padding))));
  written_lsn_ = lsn;
  sealed_ = record.kind == FrameKind::kSeal;
  ++counts_.frames;
  counts_.seals += record.kind == FrameKind::kSeal;
  counts_.payload_bytes += record.payload.size();
  return lsn;
}

Status SegmentWriter::EndGroup() {
  if (!failure_.ok()) return failure_;
  uint64_t end = position_ + buffer_.size();
  if (SeededDefect("log-page-written-twice")) end = RoundUp(end, kPageBytes);
  VITRINE_RETURN_IF_ERROR(
      Put(std::span(kZeros).first(static_cast<size_t>(RoundUp(end, kPageBytes) - end))));
  ++counts_.groups;
  return WriteBuffer();
}

Status SegmentWriter::Put(std::span<const std::byte> bytes) {
  if (bytes.size() > buffer_.room()) VITRINE_RETURN_IF_ERROR(WriteBuffer());
  if (bytes.size() <= buffer_.room()) {
    buffer_.Append(bytes);
    return {};
  }
  Status status = file_->WriteAt(position_, bytes);
  if (!status.ok()) return Fail(std::move(status));
  position_ += bytes.size();
  counts_.written_bytes += bytes.size();
  return {};
}

Status SegmentWriter::WriteBuffer() {
  if (buffer_.empty()) return {};
  Status status = file_->WriteAt(position_, buffer_.bytes());
  if (!status.ok()) return Fail(std::move(status));
  position_ += buffer_.size();
  counts_.written_bytes += buffer_.size();
  buffer_.Clear();
  return {};
}

Status SegmentWriter::Sync(File& file) {
  VITRINE_PROBE(fsync__start);
  const auto start = std::chrono::steady_clock::now();
  Status status = file.SyncData();
  const uint64_t spent_ns = NanosecondsSince(start);
  VITRINE_PROBE1(fsync__done, spent_ns);
  if (!status.ok()) return status;
  counts_.flush_ns += spent_ns;
  ++counts_.flushes;
  if (options_.on_flush) options_.on_flush(spent_ns);
  return status;
}

Status SegmentWriter::Flush() {
  if (!failure_.ok()) return failure_;
  if (durable_lsn_ == written_lsn_) return {};
  Status status = SeededDefect("log-not-flushed") ? Status() : Sync(*file_);
  if (!status.ok() && SeededDefect("log-flush-tried-again")) status = Sync(*file_);
  if (!status.ok()) return Fail(std::move(status));
  durable_lsn_ = written_lsn_;
  return {};
}

Status SegmentWriter::Seal() {
  VITRINE_RETURN_IF_ERROR(Flush());
  if (sealed_) return {};
  const Result<uint64_t> lsn = Append({FrameKind::kSeal, 0, {}});
  if (!lsn.ok()) return lsn.status();
  VITRINE_RETURN_IF_ERROR(EndGroup());
  return Flush();
}

Status SegmentWriter::RemoveThrough(uint64_t lsn) {
  if (!failure_.ok()) return failure_;
  bool removed = false;
  while (!left_over_.empty()) {
    VITRINE_RETURN_IF_ERROR(files_.Remove(PathOf(SegmentName(left_over_.back()))));
    left_over_.pop_back();
    removed = true;
  }
  while (segments_.size() > 1 &&
         segments_[1].first_lsn <= lsn + (SeededDefect("log-removed-by-one-too-many") ? 2 : 1)) {
    VITRINE_RETURN_IF_ERROR(files_.Remove(PathOf(SegmentName(segments_[0].number))));
    ++counts_.removed_segments;
    counts_.removed_bytes += segments_[0].bytes;
    segments_.erase(segments_.begin());
    removed = true;
  }
  if (!removed) return {};
  Status status = files_.SyncFolderOf(PathOf(SegmentName(1)));
  return status.ok() ? status : Fail(std::move(status));
}

LogCounts SegmentWriter::counts() const {
  LogCounts counts = counts_;
  counts.segments = segments_.size();
  for (const LogEnd::Segment& segment : segments_) counts.segment_bytes += segment.bytes;
  return counts;
}

}  // namespace vitrine
