#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/page_buffer.h"
#include "base/status.h"
#include "storage/file_system.h"
#include "storage/log_counts.h"
#include "storage/log_end.h"
#include "storage/log_format.h"
#include "storage/segment_supply.h"

namespace vitrine {

// What is put into the log at once, and comes back from it whole or not at all.
struct LogRecord {
  FrameKind kind = FrameKind::kTransaction;
  uint16_t operations = 0;  // for statistics
  std::vector<std::byte> payload;
};

// Writes groups of frames into segments, one behind the other, as docs/formats/log.md says.
//
//   if (FrameBytes(n) > writer.room()) writer.Begin(FrameBytes(n));
//   writer.Append(record) ... writer.EndGroup(); writer.Flush();
//
// A failure to write or flush is final: from then on every call returns it. A segment that cannot
// be had is none, and changes nothing. Thread safety: none.
class SegmentWriter {
 public:
  struct Options {
    DatabaseId database{};
    uint64_t incarnation = 0;
    std::string creator;
    // Hears how many nanoseconds each flush took; may be empty. Does not throw.
    std::function<void(uint64_t)> on_flush;
  };

  // `files` and `supply` outlive the object.
  SegmentWriter(FileSystem& files, SegmentSupply& supply, std::string folder, const LogEnd& end,
                Options options);

  // Removes what a crash left unfinished. To be called before anything else.
  Status Recover();

  // Bytes of frames that the current segment still takes.
  uint64_t room() const;
  // Flushes, and goes over to the next segment, with room for `frame_bytes`.
  Status Begin(uint64_t frame_bytes);
  // The next frame of a group. REQUIRES: room for it
  Result<uint64_t> Append(const LogRecord& record);
  // Ends the group: what comes next begins a page.
  Status EndGroup();
  // Returns when all that was written is on the device.
  Status Flush();
  // Flushes, and attests that. Does nothing when the last frame is a seal.
  Status Seal();
  // Removes segments that only have frames up to `lsn`, but never the current one.
  Status RemoveThrough(uint64_t lsn);

  // Makes `status` the final failure, and returns it.
  Status Fail(Status status);

  uint64_t durable_lsn() const { return durable_lsn_; }
  const Status& failure() const { return failure_; }
  // Of the last frame that was put into a segment, durable or not.
  uint64_t written_lsn() const { return written_lsn_; }
  // The number of the segment in use, or of the last one that was; 0 for none.
  uint64_t segment() const { return segments_.empty() ? 0 : segments_.back().number; }
  // Without what is prepared ahead.
  LogCounts counts() const;

 private:
  static constexpr size_t kBufferBytes = size_t{1} << 20;

  // Flushes a file, and counts that.
  Status Sync(File& file);
  Status Put(std::span<const std::byte> bytes);
  Status WriteBuffer();
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }

  FileSystem& files_;
  SegmentSupply& supply_;
  const std::string folder_;
  const Options options_;
  std::vector<LogEnd::Segment> segments_;  // in use, oldest first
  std::vector<uint64_t> left_over_;
  uint64_t truncated_from_;
  std::unique_ptr<File> file_;  // of the last segment; null before the first is begun
  uint64_t position_ = 0;       // in it, of the first byte of `buffer_`
  PageBuffer buffer_{kBufferBytes};
  uint64_t written_lsn_;
  uint64_t durable_lsn_;
  uint32_t chain_;
  bool sealed_ = true;  // nothing follows the last seal
  Status failure_;
  LogCounts counts_;
};

}  // namespace vitrine
