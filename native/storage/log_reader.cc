#include "storage/log_reader.h"

#include <algorithm>
#include <utility>

#include "base/seeded_defect.h"
#include "storage/file_checks.h"

namespace vitrine {

LogReader::LogReader(FileSystem& files, std::string folder, const Options& options)
    : files_(files), folder_(std::move(folder)), options_(options) {}

Result<std::unique_ptr<LogReader>> LogReader::Open(FileSystem& files, std::string folder,
                                                   const Options& options) {
  std::unique_ptr<LogReader> reader(new LogReader(files, std::move(folder), options));
  VITRINE_RETURN_IF_ERROR(reader->FindSegments());
  VITRINE_RETURN_IF_ERROR(reader->CheckLinks());
  VITRINE_RETURN_IF_ERROR(reader->ChooseStart());
  return reader;
}

std::string LogReader::PathOf(uint64_t number) const { return folder_ + "/" + SegmentName(number); }

Status LogReader::Corrupt(uint64_t offset, std::string_view what) const {
  return CorruptFile(PathOf(headers_[position_].number), "log", offset, what);
}

// From the newest back to the first, or to a gap in the numbers.
Status LogReader::FindSegments() {
  const Result<std::vector<std::string>> names = files_.List(folder_);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = SegmentNumber(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end(), std::greater<>());

  // A segment is prepared while the one before is in use, which is never removed then.
  const auto missing_before = [&](uint64_t prepared) {
    return CorruptFile(PathOf(prepared - 1), "log", 0,
                       "it is missing, though a segment was prepared behind it");
  };
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t number = numbers[i];
    const bool all_unused = headers_.empty() && !SeededDefect("log-gap-ignored");
    if (all_unused && i > 0 && number + 1 != numbers[i - 1]) return missing_before(numbers[i - 1]);
    if (!headers_.empty() && number != headers_.back().previous_number) {
      end_.left_over.assign(numbers.begin() + static_cast<ptrdiff_t>(i), numbers.end());
      break;
    }
    const std::string path = PathOf(number);
    if (headers_.empty() && IsPrepared(path, number)) continue;
    // Whatever has a successor in use was on the device before that was begun.
    const auto file =
        headers_.empty() ? OpenLast(path) : files_.OpenForReading(path, FileSystem::Cache::kUse);
    if (!file.ok()) return file.status();
    const Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    if (*size < SegmentHeader::kSmallestSegment || *size % kPageBytes != 0) {
      return CorruptFile(path, "log", *size, "its length is not one that a segment can have");
    }
    std::vector<std::byte> page(kPageBytes);
    VITRINE_RETURN_IF_ERROR((*file)->ReadAt(0, page));
    const Result<SegmentHeader> header = ReadSegmentHeader(page, path, number, *size);
    if (header.ok()) {
      headers_.push_back(*header);
      continue;
    }
    if (!headers_.empty()) return header.status();
    const Result<bool> unused = IsUnused(**file, number, *size, page);
    if (!unused.ok()) return unused.status();
    if (!*unused) return header.status();
  }
  if (headers_.empty() && !numbers.empty() && numbers.back() > 1) {
    return missing_before(numbers.back());
  }
  std::reverse(headers_.begin(), headers_.end());
  for (const SegmentHeader& header : headers_) {
    end_.segments.push_back({header.number, header.first_lsn, header.segment_bytes});
  }
  const uint64_t next = headers_.empty() ? 1 : headers_.back().number + 1;
  if (end_.prepared.number != next) end_.prepared = {};
  return {};
}

Result<std::unique_ptr<File>> LogReader::OpenLast(const std::string& path) {
  if (options_.purpose == Purpose::kInspect) {
    return files_.OpenForReading(path, FileSystem::Cache::kUse);
  }
  auto file = files_.OpenForWriting(path);
  if (!file.ok()) return file.status();
  if (!SeededDefect("replay-not-flushed")) VITRINE_RETURN_IF_ERROR((*file)->SyncData());
  VITRINE_RETURN_IF_ERROR((*file)->Close());
  return files_.OpenForReading(path, FileSystem::Cache::kDrop);
}

// Memory has what was written since the system started, and what the device holds otherwise: a
// write that is not on the device, as after a failed flush, would show here as more than zeros.
bool LogReader::IsPrepared(const std::string& path, uint64_t number) {
  const auto file = files_.OpenForReading(path, FileSystem::Cache::kUse);
  if (!file.ok()) return false;
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok() || *size < SegmentHeader::kSmallestSegment || *size % kPageBytes != 0) {
    return false;
  }
  std::vector<std::byte> page(kPageBytes);
  if (!(*file)->ReadAt(0, page).ok() || !AreZero(page)) return false;
  const Result<bool> unused = IsUnused(**file, number, *size, page);
  return unused.ok() && *unused;
}

// Nothing follows a header that never got to the device whole: frames are written only after it was
// flushed.
Result<bool> LogReader::IsUnused(const File& file, uint64_t number, uint64_t bytes,
                                 std::span<const std::byte> page) {
  // Less than memory that the system gives out page by page, and stays in a core's own cache.
  constexpr size_t kPiece = size_t{32} << 10;
  static_assert(kPiece < PageBlock::kOwnPages);
  const PageBlock rest =
      PageBlock::Allocate(static_cast<size_t>(std::min<uint64_t>(bytes, kPiece)));
  if (rest.data() == nullptr)
    return Status(ErrorCode::kOutOfMemory, "memory ran out while the log was read");
  for (uint64_t at = kPageBytes; at < bytes;) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(rest.bytes(), bytes - at));
    VITRINE_RETURN_IF_ERROR(file.ReadAt(at, std::span(rest.data(), size)));
    if (!AreZero(std::span(rest.data(), size))) return false;
    at += size;
  }
  if (AreZero(page)) end_.prepared = {number, 0, bytes};
  return true;
}

Status LogReader::CheckLinks() const {
  for (size_t i = 0; i < headers_.size(); ++i) {
    const SegmentHeader& header = headers_[i];
    if (header.database != options_.database) {
      return CorruptFile(PathOf(header.number), "header", 40, "it belongs to another database");
    }
    // That the segments are in a row is how they were found.
    if (i > 0 && header.first_lsn < headers_[i - 1].first_lsn) {
      return CorruptFile(PathOf(header.number), "header", 72,
                         "it begins before the segment in front of it");
    }
  }
  return {};
}

// The last segment that begins at or before the first frame that is needed.
Status LogReader::ChooseStart() {
  const uint64_t needed = options_.covered_lsn + 1;
  if (headers_.empty()) {
    if (options_.durable_lsn >= needed) {
      return CorruptFile(folder_, "log", 0,
                         "there is no log, but number " + std::to_string(options_.durable_lsn) +
                             " was acknowledged");
    }
    due_lsn_ = needed;
    ended_ = true;
    return Finish();
  }
  while (position_ + 1 < headers_.size() &&
         headers_[position_ + 1].first_lsn <=
             needed + (SeededDefect("log-begun-too-late") ? 1 : 0)) {
    ++position_;
  }
  const SegmentHeader& first = headers_[position_];
  if (first.first_lsn > needed) {
    return CorruptFile(PathOf(first.number), "header", 72,
                       "the log begins at number " + std::to_string(first.first_lsn) + ", number " +
                           std::to_string(needed) + " is missing");
  }
  due_lsn_ = first.first_lsn;
  chain_ = first.previous_chain;
  if (IsLeftOut(position_)) {
    ended_ = true;
    return Finish();
  }
  return LoadSegment(position_);
}

Status LogReader::LoadSegment(size_t position) {
  position_ = position;
  const SegmentHeader& header = headers_[position];
  const auto file = files_.OpenForReading(PathOf(header.number), FileSystem::Cache::kUse);
  if (!file.ok()) return file.status();
  // The length is that of the file, and was found to be so before this.
  segment_ = {};
  segment_ = PageBlock::Allocate(static_cast<size_t>(header.segment_bytes));
  if (segment_.data() == nullptr) {
    return {ErrorCode::kOutOfMemory, "memory ran out while the log was read"};
  }
  offset_ = kPageBytes;
  end_.sealed = true;
  return (*file)->ReadAt(kPageBytes, Segment().subspan(kPageBytes));
}

std::optional<LogReader::Found> LogReader::FrameAt(uint64_t offset) const {
  const uint64_t room = segment_.bytes() - offset;
  if (room < FrameHeader::kBytes) return {};
  const std::byte* const at = segment_.data() + offset;
  Found found{{}, 0, offset};
  const auto header = DecodeFrame(at, headers_[position_].incarnation, found.chain);
  if (!header) return {};
  found.header = *header;
  if (header->durable_lsn >= header->lsn || header->lsn >= kNumberLimit ||
      header->payload_bytes > kMaxPayloadBytes || FrameBytes(header->payload_bytes) > room) {
    return {};
  }
  const std::span<const std::byte> payload(at + FrameHeader::kBytes, header->payload_bytes);
  const size_t padding =
      static_cast<size_t>(FrameBytes(payload.size()) - FrameHeader::kBytes - payload.size());
  if (!AreZero({payload.data() + payload.size(), padding})) return {};
  if (SeededDefect("log-payload-unchecked")) return found;
  if (!kSkipChecksums && PayloadCrc(header->lsn, payload) != header->payload_crc) return {};
  return found;
}

std::optional<LogReader::Found> LogReader::DueFrame() const {
  const auto is_due = [&](const std::optional<Found>& found) {
    return found && found->header.lsn == due_lsn_ &&
           (found->header.previous_crc == chain_ || SeededDefect("log-chain-unchecked"));
  };
  std::optional<Found> found = FrameAt(offset_);
  if (is_due(found)) return found;
  // The group ended, and the next one begins a page.
  const uint64_t page = RoundUp(offset_, kPageBytes);
  if (page == offset_ || page >= segment_.bytes()) return {};
  found = FrameAt(page);
  return is_due(found) ? found : std::nullopt;
}

std::optional<LogReader::Found> LogReader::LaterFrame(uint64_t last) const {
  for (uint64_t at = offset_; at + FrameHeader::kBytes <= segment_.bytes(); at += 8) {
    const std::optional<Found> found = FrameAt(at);
    if (found && found->header.lsn > due_lsn_ && found->header.lsn <= last) return found;
  }
  return {};
}

bool LogReader::IsAttested(uint64_t lsn) const {
  if (options_.durable_lsn >= lsn) return true;
  uint32_t chain = 0;
  for (uint64_t at = offset_; at + FrameHeader::kBytes <= segment_.bytes(); at += 8) {
    const auto header = DecodeFrame(segment_.data() + at, headers_[position_].incarnation, chain);
    if (header && header->durable_lsn >= lsn && header->lsn > header->durable_lsn) return true;
  }
  return false;
}

Status LogReader::Resume() {
  const uint64_t needed = options_.covered_lsn + 1;
  // Damage to what the checkpoint covers: on to the first frame behind it.
  if (due_lsn_ < needed) {
    if (const auto found = LaterFrame(std::min(needed, last_due()))) {
      offset_ = found->offset;
      due_lsn_ = found->header.lsn;
      chain_ = found->header.previous_crc;
      return {};
    }
    if (last_due() < needed) {
      due_lsn_ = last_due() + 1;
      chain_ = headers_[position_ + 1].previous_chain;
      return {};
    }
  }
  const uint64_t missing = std::max(due_lsn_, needed);
  if ((!is_last_segment() || IsAttested(missing)) && !SeededDefect("log-damage-cut-off")) {
    return Corrupt(offset_,
                   "number " + std::to_string(missing) + " was acknowledged, but is not whole");
  }
  if (!AreZero(Segment().subspan(static_cast<size_t>(offset_)))) {
    end_.truncated_from = missing;
  }
  ended_ = true;
  return Finish();
}

Status LogReader::Finish() {
  end_.read_lsn = headers_.empty() ? 0 : due_lsn_ - 1;
  end_.last_lsn = std::max(due_lsn_ - 1, options_.covered_lsn);
  end_.chain = chain_;
  end_.recovered = options_.purpose == Purpose::kRecover;
  segment_ = {};
  return {};
}

Result<std::optional<LogFrame>> LogReader::Next() {
  while (!ended_) {
    if (due_lsn_ > last_due()) {
      const SegmentHeader& next = headers_[position_ + 1];
      if (due_lsn_ != next.first_lsn || chain_ != next.previous_chain) {
        return Corrupt(offset_, "the next segment follows another frame");
      }
      if (IsLeftOut(position_ + 1)) {
        ended_ = true;
        VITRINE_RETURN_IF_ERROR(Finish());
        continue;
      }
      VITRINE_RETURN_IF_ERROR(LoadSegment(position_ + 1));
      continue;
    }
    const std::optional<Found> found = DueFrame();
    if (!found) {
      VITRINE_RETURN_IF_ERROR(Resume());
      continue;
    }
    const FrameHeader& header = found->header;
    if (header.flags != 0 || header.kind == 0 || header.kind > kLastFrameKind) {
      Status status(ErrorCode::kFormat,
                    PathOf(headers_[position_].number) + " holds a frame of kind " +
                        std::to_string(header.kind) + " with flags " +
                        std::to_string(header.flags) + ", which this version does not know");
      status.AddDetail("path", PathOf(headers_[position_].number));
      return status;
    }
    offset_ = found->offset + FrameBytes(header.payload_bytes);
    chain_ = found->chain;
    due_lsn_ = header.lsn + 1;
    end_.sealed = header.kind == static_cast<uint8_t>(FrameKind::kSeal);
    if (header.lsn <= options_.covered_lsn) continue;
    const auto kind = static_cast<FrameKind>(header.kind);
    if (kind == FrameKind::kSeal) continue;
    return std::optional<LogFrame>(
        LogFrame{header.lsn, kind, header.operations,
                 Segment().subspan(static_cast<size_t>(found->offset + FrameHeader::kBytes),
                                   header.payload_bytes)});
  }
  return std::optional<LogFrame>();
}

}  // namespace vitrine
