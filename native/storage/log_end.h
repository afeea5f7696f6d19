#pragma once

#include <cstdint>
#include <vector>

namespace vitrine {

// Where a log ends: what its reader found, and its writer goes on from.
struct LogEnd {
  struct Segment {
    uint64_t number = 0;
    uint64_t first_lsn = 0;
    uint64_t bytes = 0;
  };

  // Of the last frame, or what the checkpoint covers when that is more; 0 for neither.
  uint64_t last_lsn = 0;
  // Of the last frame that is there, though the checkpoint may cover more.
  uint64_t read_lsn = 0;
  uint32_t chain = 0;
  // Whether a seal, or the header of a segment, attests that frame: it cannot be lost unseen.
  bool sealed = true;
  // Whether all this is on the device.
  bool recovered = false;
  // The first number that was dropped, when bytes were; else 0.
  uint64_t truncated_from = 0;
  // In use, oldest first.
  std::vector<Segment> segments;
  // A segment behind the last one that was prepared, whole and never used; number 0 for none.
  Segment prepared;
  // Segments that nothing leads to any more: a removal of theirs was undone.
  std::vector<uint64_t> left_over;
};

}  // namespace vitrine
