#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/file_system.h"
#include "storage/log_counts.h"
#include "storage/log_end.h"
#include "storage/log_format.h"
#include "storage/segment_supply.h"
#include "storage/segment_writer.h"

namespace vitrine {

// The log of a database, open for writing. Records are numbered in the order in which they were
// queued. Whoever waits first leads: it writes all that is queued as one group, flushes once, and
// wakes the others, so that many writers share each flush and nobody waits for a timer.
//
// A failed write or flush is final, and what was in flight has an unknown outcome. Every failure
// has the detail "outcome": "not_applied" (nothing is in the log; to try again is safe) or
// "unknown".
//
// Thread safety: all functions may be called from any thread.
class LogWriter {
 public:
  struct Options {
    DatabaseId database{};
    std::string creator;
    SegmentSupply::Lengths segment_bytes = {uint64_t{4} << 20, uint64_t{64} << 20};
    // Payloads that may wait; beyond that records are refused.
    size_t queue_bytes = size_t{256} << 20;
    // 0: a random one. Each life of a log needs another.
    uint64_t incarnation = 0;
    // Hears how many nanoseconds each flush took; may be empty. Does not throw.
    std::function<void(uint64_t)> on_flush;
  };

  enum class Until : uint8_t {
    kWritten,  // outlives the process
    kDurable,  // outlives the power supply
  };
  struct Ack {
    uint64_t lsn = 0;
    bool durable = false;
  };
  // A record that is queued.
  class Ticket;
  // Whoever wants to know what an append waits for.
  class Listener {
   public:
    // The records are written, and the flush that they wait for begins. Once at most, on whichever
    // thread flushes, before the append returns. Does not throw.
    virtual void Flushing() = 0;

   protected:
    ~Listener() = default;
  };

  // Goes on where a reader of the same folder, whose purpose was to recover, found the end.
  // `files` outlives the writer.
  static Result<std::unique_ptr<LogWriter>> Open(FileSystem& files, std::string folder,
                                                 const LogEnd& end, const Options& options);
  // Without Close this is like the end of the process. REQUIRES: no other call runs
  ~LogWriter() = default;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Queues a record, which is written at the latest when somebody waits for it or flushes.
  // kTooLarge, kOverloaded, kClosed, or kIo after a failure.
  Result<Ticket> Enqueue(LogRecord record, Until until);
  Result<Ack> Wait(const Ticket& ticket);
  // Both at once.
  Result<Ack> Append(LogRecord record, Until until);
  // Several records with successive numbers; the last one's is returned. Whole or not at all as
  // long as their frames and two pages fit into `room()`, and nobody else appends.
  //   listener  of the last one, until this returns; may be null
  Result<Ack> AppendAll(std::vector<LogRecord> records, Until until, Listener* listener = nullptr);
  // Returns when everything that was queued before is on the device; fails if some of it is not.
  Status Flush();
  // Attests the last group, unless something waits to be written. To be called when nothing was
  // written for 50 ms: until then damage to that group looks like the end of the log.
  Status Seal();
  // Prepares the next segment if there is none: on some other thread than those that append, and
  // before the current one is full. A full disk shows here.
  Status PrepareNext();
  // Removes segments that only have frames up to `lsn`.
  Status RemoveThrough(uint64_t lsn);
  // Writes what is queued, flushes and seals. Later calls return the same.
  Status Close();

  uint64_t durable_lsn() const;
  // Bytes of frames that the current segment still takes.
  uint64_t room() const;
  // The highest number that a record may have which was written or in flight when the log failed.
  uint64_t last_lsn() const;
  // The number of the segment in use, or of the last one that was; 0 for none.
  uint64_t segment() const;
  // Whether nothing can be written any more.
  bool failed() const;
  LogCounts counts() const;

 private:
  struct Pending;
  using Batch = std::vector<std::shared_ptr<Pending>>;
  static Result<std::shared_ptr<Pending>> MakePending(LogRecord record, Until until);
  Status Queue(const Batch& batch);
  void TakeOver();
  class Leader;

  LogWriter(FileSystem& files, std::string folder, const LogEnd& end, const Options& options);

  void Commit(std::span<const std::shared_ptr<Pending>> batch);
  Status CommitGroup(std::span<const std::shared_ptr<Pending>> group);
  template <typename Last>
  Status Lead(std::unique_lock<std::mutex>& lock, Last last);
  // Passes `status` on, and publishes the failure of the segments, if there is one.
  Status Remember(Status status);
  std::unique_lock<std::mutex> LockWithoutLeader();
  void Refuse(std::span<const std::shared_ptr<Pending>> batch, const Status& why);
  void Lose(std::span<const std::shared_ptr<Pending>> group, const Status& why);

  const size_t queue_limit_;
  SegmentSupply supply_;
  // Belongs to the leader.
  SegmentWriter segments_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Batch queue_;
  size_t queued_bytes_ = 0;
  bool leading_ = false;
  bool closed_ = false;
  // As the last leader left it.
  Status failure_;
  Status closed_with_;
  // A leader ended without saying what became of its records: memory ran out.
  bool abandoned_ = false;
  uint64_t durable_lsn_ = 0;
  uint64_t last_lsn_ = 0;
  uint64_t segment_ = 0;
  uint64_t room_ = 0;
  uint64_t refused_ = 0;
  uint64_t unknown_ = 0;
  LogCounts counts_;
};

class LogWriter::Ticket {
 private:
  friend class LogWriter;
  explicit Ticket(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
  std::shared_ptr<Pending> pending_;
};

}  // namespace vitrine
