#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/pages.h"
#include "base/status.h"
#include "storage/file_system.h"
#include "storage/log_end.h"
#include "storage/log_format.h"

namespace vitrine {

// A frame as it was appended.
struct LogFrame {
  uint64_t lsn;
  FrameKind kind;
  uint16_t operations;
  std::span<const std::byte> payload;  // until the next call of the reader
};

// Replays a log of which every byte may be wrong: hands out whole frames in their order, tells a
// tail that a crash tore, which is the end, from damage, which is kCorrupt, and changes no byte.
// Holds one segment in memory.
//
// Fails with kCorrupt (path and offset in the details), kFormat (a newer version's) or kIo; after
// that the reader is of no more use.
class LogReader {
 public:
  enum class Purpose : uint8_t {
    kInspect,  // nothing is written
    // To go on writing: what a crash left in memory alone is flushed first, and then read as the
    // device holds it. After a failed flush memory may show what the device does not have.
    kRecover,
  };
  enum class Segments : uint8_t {
    kAll,
    kClosed,  // all but the last, which somebody may be writing
  };
  struct Options {
    Purpose purpose = Purpose::kInspect;
    // Of the database that the log must belong to.
    DatabaseId database{};
    // Everything up to here is in a checkpoint: such frames are not handed out, and it does not
    // matter whether they are whole.
    uint64_t covered_lsn = 0;
    // What is known from elsewhere to have been acknowledged.
    uint64_t durable_lsn = 0;
    Segments segments = Segments::kAll;
  };

  // `files` outlives the reader.
  static Result<std::unique_ptr<LogReader>> Open(FileSystem& files, std::string folder,
                                                 const Options& options);
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // The next frame, seals left out; nothing at the end.
  Result<std::optional<LogFrame>> Next();
  // REQUIRES: Next has returned nothing
  const LogEnd& end() const { return end_; }

 private:
  struct Found {
    FrameHeader header;
    uint32_t chain;
    uint64_t offset;
  };

  LogReader(FileSystem& files, std::string folder, const Options& options);

  std::string PathOf(uint64_t number) const;
  Status FindSegments();
  // Opens a segment behind which no other is in use.
  Result<std::unique_ptr<File>> OpenLast(const std::string& path);
  // Whether memory shows nothing but zeros in a segment behind which no other is in use: then it
  // is only prepared, and noted. What cannot be read here is looked at again.
  bool IsPrepared(const std::string& path, uint64_t number);
  // Whether the file behind all segments in use was never used.
  Result<bool> IsUnused(const File& file, uint64_t number, uint64_t bytes,
                        std::span<const std::byte> page);
  Status CheckLinks() const;
  Status ChooseStart();
  Status LoadSegment(size_t position);

  // The frame that begins at `offset`, if it is whole.
  std::optional<Found> FrameAt(uint64_t offset) const;
  // The same if it is the one that is due, here or on the next page.
  std::optional<Found> DueFrame() const;
  // The first whole frame behind here whose number is above the one due and at most `last`.
  std::optional<Found> LaterFrame(uint64_t last) const;
  // Whether a frame behind here says that the number `lsn` was durable.
  bool IsAttested(uint64_t lsn) const;
  // There is no frame where one is due. Sets `ended_`, or finds a place to go on, or fails.
  Status Resume();
  Status Finish();

  // Whether the one at `position` is not to be read.
  bool IsLeftOut(size_t position) const {
    return options_.segments == Segments::kClosed && position + 1 == headers_.size();
  }
  bool is_last_segment() const { return position_ + 1 == headers_.size(); }
  // The last number that the segment must hold; of the last one none.
  uint64_t last_due() const {
    return is_last_segment() ? UINT64_MAX : headers_[position_ + 1].previous_last;
  }
  Status Corrupt(uint64_t offset, std::string_view what) const;
  std::span<std::byte> Segment() const { return {segment_.data(), segment_.bytes()}; }

  FileSystem& files_;
  const std::string folder_;
  const Options options_;
  std::vector<SegmentHeader> headers_;  // of segments in use, oldest first
  LogEnd end_;
  size_t position_ = 0;   // in headers_
  PageBlock segment_;     // given back whole: the heap would keep it for each thread that opens
  uint64_t offset_ = 0;   // in segment_
  uint64_t due_lsn_ = 1;  // of the next frame
  uint32_t chain_ = 0;
  bool ended_ = false;
};

}  // namespace vitrine
