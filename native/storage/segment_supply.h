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
    uint64_t segments = 0;
    uint64_t bytes = 0;
    uint64_t spare_bytes = 0;
    uint64_t next_bytes = 0;
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
  Totals totals() const;

 private:
  // Expect `mutex_` to be held.
  Status PrepareLocked(uint64_t bytes);
  Status FillWithZeros(const std::string& path, uint64_t bytes);

  FileSystem& files_;
  const std::string folder_;
  const uint64_t most_bytes_;
  mutable std::mutex mutex_;
  uint64_t next_;         // number of the spare segment, or of the one to be made
  uint64_t next_bytes_;   // how long it is made
  uint64_t spare_bytes_;  // how long it is; 0: there is none
  bool failed_ = false;
  Totals totals_;
};

}  // namespace vitrine
