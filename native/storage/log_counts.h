#pragma once

#include <cstdint>

namespace vitrine {

// What a log has done since it was opened, and what it consists of. Totals only grow.
struct LogCounts {
  // Adds what `other` has done; what it consists of stays its own.
  void AddDone(const LogCounts& other) {
    frames += other.frames;
    payload_bytes += other.payload_bytes;
    written_bytes += other.written_bytes;
    groups += other.groups;
    flushes += other.flushes;
    flush_ns += other.flush_ns;
    seals += other.seals;
    refused += other.refused;
    unknown += other.unknown;
    prepared_segments += other.prepared_segments;
    prepared_bytes += other.prepared_bytes;
    begun_segments += other.begun_segments;
    removed_segments += other.removed_segments;
    removed_bytes += other.removed_bytes;
  }

  uint64_t frames = 0;         // written, seals included
  uint64_t payload_bytes = 0;  // in them
  uint64_t written_bytes = 0;  // into segments: headers of files and frames, and padding too
  uint64_t groups = 0;         // writes of one or more frames behind each other
  uint64_t flushes = 0;        // of segments in use
  uint64_t flush_ns = 0;       // spent in them
  uint64_t seals = 0;
  uint64_t refused = 0;            // records of which nothing is in the log
  uint64_t unknown = 0;            // records that were in flight when the log failed
  uint64_t prepared_segments = 0;  // with prepared_bytes of zeros
  uint64_t prepared_bytes = 0;
  uint64_t begun_segments = 0;
  uint64_t removed_segments = 0;  // with removed_bytes
  uint64_t removed_bytes = 0;

  uint64_t segments = 0;       // in use now, the current one included
  uint64_t segment_bytes = 0;  // their length
  uint64_t spare_bytes = 0;    // length of the segment that is prepared
  uint64_t next_bytes = 0;     // length of the next one that is to be prepared
};

}  // namespace vitrine
