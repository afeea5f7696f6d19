#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "storage/file_system.h"
#include "storage/log_end.h"

namespace vitrine {

// Prepares segments of a log ahead: files full of zeros under their final name, all of it on the
// device, so that writing to one changes nothing but its bytes.
//
// Thread safety: all functions may be called from any thread.
class SegmentSupply {
 public:
  struct Prepared {
    uint64_t number = 0;
    uint64_t bytes = 0;
    std::unique_ptr<File> file;  // open for writing
  };
  struct Totals {
    uint64_t segments = 0;     // prepared so far
    uint64_t bytes = 0;        // of them
    uint64_t spare_bytes = 0;  // of the spare one; 0: there is none
    uint64_t next_bytes = 0;   // of the next one to be made, at least
  };

  // Each segment is twice as long as the one before, within these limits: multiples of kPageBytes.
  struct Lengths {
    uint64_t first;
    uint64_t most;
  };

  // `files` outlives the object.
  //   next   the number of the first segment that it makes
  //   found  a segment with that number that is prepared already; number 0 for none
  SegmentSupply(FileSystem& files, std::string folder, uint64_t next, LogEnd::Segment found,
                Lengths lengths);

  // Sees that there is a spare segment. When this fails there is none, and nothing of it is left
  // but, possibly, a file that can be deleted.
  Status Prepare();
  // Takes the spare one, after making it where it does not exist or has fewer than `bytes`, a
  // multiple of kPageBytes.
  Result<Prepared> Take(uint64_t bytes);
  // Whether the folder could not be flushed: nothing can be relied on any more.
  bool failed() const;
  // Does not wait for a segment that is being made.
  Totals totals() const;

 private:
  // Expect `making_` to be held.
  Status Make(uint64_t bytes);
  Status FillWithZeros(const std::string& path, uint64_t bytes);

  FileSystem& files_;
  const std::string folder_;
  const uint64_t most_bytes_;
  // Held while a file is made, which takes as long as the device takes for a whole segment.
  std::mutex making_;
  uint64_t next_;  // number of the spare segment, or of the one to be made; guarded by `making_`
  // Of what others ask for, and never held for long. `making_` is held too where it is changed.
  mutable std::mutex mutex_;
  Totals totals_;
  bool failed_ = false;
};

}  // namespace vitrine
