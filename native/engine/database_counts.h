#pragma once

#include <cstdint>

#include "storage/counted_files.h"
#include "storage/log_counts.h"

namespace vitrine {

// What a database has done since it was opened, in totals that only grow, and at the end what it
// consists of now. In the words of a tree of levels: log segments are level 0, the newest
// checkpoint is level 1, the one before level 2; a checkpoint is a compaction, and what is visible
// and in no checkpoint is the table in memory.
struct DatabaseCounts {
  LogCounts log;  // those before it was revived included

  IoCounts io;  // of all files, those of backups too

  // Writes.
  uint64_t groups = 0;              // that went to the log together
  uint64_t transactions = 0;        // done
  uint64_t operations = 0;          // of them
  uint64_t changes = 0;             // of the configuration, done
  uint64_t repeated = 0;            // found done already, by their idempotency key
  uint64_t refused = 0;             // of which nothing was done
  uint64_t refused_for_memory = 0;  // of them, by maxMemoryBytes
  uint64_t refused_for_disk = 0;    // and by maxDiskBytes
  // Changes included: whose caller did not want to wait so long for their turn, and for which there
  // was no room to wait.
  uint64_t refused_for_deadline = 0;
  uint64_t refused_for_concurrency = 0;
  uint64_t unknown = 0;  // that were in flight when the device failed

  // Checkpoints.
  uint64_t checkpoints = 0;
  uint64_t failed_checkpoints = 0;
  uint64_t checkpoint_ns = 0;
  uint64_t checkpointed_log_bytes = 0;    // of records that went into them
  uint64_t checkpoint_written_bytes = 0;  // parts
  uint64_t written_parts = 0;
  uint64_t written_files = 0;  // of them
  uint64_t kept_parts = 0;     // unchanged: the files that were there are named again
  uint64_t removed_files = 0;  // of older checkpoints; segments are counted by the log
  uint64_t removed_bytes = 0;
  uint64_t reclaims = 0;        // after which there were fewer files, segments included
  uint64_t last_backup_ns = 0;  // since 1970, when it had succeeded; 0: there was none

  // Opening.
  uint64_t open_ns = 0;
  uint64_t replayed_records = 0;
  uint64_t replayed_bytes = 0;

  // Scrubbing.
  uint64_t scrub_passes = 0;  // that came to their end
  uint64_t scrubbed_bytes = 0;
  uint64_t damages = 0;      // found in files that count
  uint64_t quarantined = 0;  // files that were put aside

  // Now.
  uint64_t pending_bytes = 0;  // of records behind the newest checkpoint
  uint64_t queued_writes = 0;  // that wait for their turn
  uint64_t queued_bytes = 0;
};

}  // namespace vitrine
