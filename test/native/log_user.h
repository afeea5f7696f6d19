#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fault_files.h"
#include "log_support.h"

namespace vitrine {

// Somebody who uses a log on a disk that fails, remembers what it was told about every record, and
// holds the log to it: after any crash the log has a beginning of what was issued, with everything
// that was acknowledged, nothing that was refused, and every byte as it was.
class LogUser {
 public:
  // What may have happened between two lives.
  enum class Gap : uint8_t { kProcess, kPower };

  LogUser(FaultFiles& files, uint64_t seed) : files_(files), random_(seed) {}

  // Replays the log and holds it to what is known, then goes on with `steps` random steps. Returns
  // early where the disk refuses to replay or open it.
  enum class End : uint8_t { kClose, kLeave };
  void Live(size_t steps, End end, Gap gap_before);
  // Replays the log on a disk that does not fail any more.
  void Check(Gap gap);

  size_t issued() const { return next_index_; }
  size_t durable() const { return durable_; }
  // Where in the trace of calls each open log began and ended.
  struct Span {
    uint64_t begin;
    uint64_t end;
  };
  const std::vector<Span>& spans() const { return spans_; }

 private:
  struct Record {
    uint64_t index;
    size_t bytes;
    uint64_t lsn = 0;  // 0: not known
    bool written = false;
    bool durable = false;
  };

  void Hold(const Replay& replay);
  void Step(LogWriter& log);
  void Flushed(const Status& status);
  void Append(LogWriter& log, size_t count);
  void Judge(Record& record, const Result<LogWriter::Ack>& result);
  void RemoveSome(LogWriter& log);

  FaultFiles& files_;
  std::mt19937_64 random_;
  uint64_t life_ = 0;
  uint64_t next_index_ = 1;
  uint64_t covered_ = 0;         // as by a checkpoint
  std::vector<Record> records_;  // issued, not refused, above `covered_`; in order
  std::vector<Span> spans_;
  size_t durable_ = 0;
  // Since the last replay: the power was cut, or a flush failed.
  bool unflushed_may_be_lost_ = false;
  bool failed_ = false;  // in this life a record's outcome was unknown
};

}  // namespace vitrine
