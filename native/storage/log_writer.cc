#include "storage/log_writer.h"

#include <algorithm>
#include <utility>

#include "base/await.h"
#include "base/random.h"
#include "base/seeded_defect.h"

namespace vitrine {
namespace {

uint64_t RandomIncarnation() {
  for (;;) {
    const uint64_t incarnation = RandomWord();
    if (incarnation != 0 && IsUsableIncarnation(incarnation)) return incarnation;
  }
}

Status WithOutcome(const Status& why, const char* outcome) {
  Status status = why;
  status.AddDetail("outcome", std::string(outcome));
  return status;
}

Status NotApplied(const Status& why) { return WithOutcome(why, "not_applied"); }
Status Unknown(const Status& why) { return WithOutcome(why, "unknown"); }

Status OutOfMemory() {
  return {ErrorCode::kOutOfMemory, "memory ran out while the log was written"};
}

Status AfterFailure(const Status& failure) {
  Status status(failure.code(), "the log failed before: " + failure.message());
  for (const ErrorDetail& detail : failure.details()) status.AddDetail(detail.name, detail.value);
  return status;
}

}  // namespace

struct LogWriter::Pending {
  LogRecord record;
  Until until;
  Listener* listener = nullptr;
  // The rest is the leader's while it leads, and then guarded by the mutex.
  bool done = false;
  bool abandoned = false;
  Status status;
  Ack ack;
};

// The right to write, and the records that waited then; one thread at a time has it. Taken and
// given back with the mutex held, used without it.
class LogWriter::Leader {
 public:
  enum class Take : uint8_t { kQueue, kNothing };

  Leader(LogWriter& log, std::unique_lock<std::mutex>& lock, Take take) : log_(log), lock_(lock) {
    if (take == Take::kQueue) {
      batch_.swap(log_.queue_);
      log_.queued_bytes_ = 0;
    }
    log_.leading_ = true;
    lock_.unlock();
  }
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  ~Leader() {
    lock_.lock();
    // An exception passes: nothing here may need memory.
    for (const auto& pending : batch_) {
      if (pending->done) continue;
      pending->done = pending->abandoned = log_.abandoned_ = true;
    }
    log_.leading_ = false;
    log_.TakeOver();
    log_.changed_.notify_all();
  }

  const Batch& batch() const { return batch_; }

 private:
  LogWriter& log_;
  std::unique_lock<std::mutex>& lock_;
  Batch batch_;
};

LogWriter::LogWriter(FileSystem& files, std::string folder, const LogEnd& end,
                     const Options& options)
    : queue_limit_(options.queue_bytes),
      supply_(files, folder, end.segments.empty() ? 1 : end.segments.back().number + 1,
              end.prepared, options.segment_bytes),
      segments_(
          files, supply_, std::move(folder), end,
          {options.database, options.incarnation != 0 ? options.incarnation : RandomIncarnation(),
           options.creator, options.on_flush}),
      durable_lsn_(end.last_lsn) {}

Result<std::unique_ptr<LogWriter>> LogWriter::Open(FileSystem& files, std::string folder,
                                                   const LogEnd& end, const Options& options) {
  if (!end.recovered) {
    return Status(ErrorCode::kInternal, "a log is written only after it was read to recover it");
  }
  std::unique_ptr<LogWriter> log(new LogWriter(files, std::move(folder), end, options));
  VITRINE_RETURN_IF_ERROR(log->segments_.Recover());
  // A full disk does not keep anybody from reading: whoever writes will see it.
  const Status prepared = log->supply_.Prepare();
  if (!prepared.ok() && log->supply_.failed()) return prepared;
  // Until something attests the last frames, damage to them looks like the end of the log.
  if (!end.sealed || end.truncated_from != 0) {
    const Status begun = log->segments_.Begin(0);
    if (!begun.ok() && !log->segments_.failure().ok()) return begun;
  }
  log->TakeOver();
  return log;
}

// What the last leader left behind, for those who ask. REQUIRES: nobody leads
void LogWriter::TakeOver() {
  durable_lsn_ = segments_.durable_lsn();
  last_lsn_ = segments_.written_lsn() + (segments_.failure().ok() && !abandoned_ ? 0 : 1);
  segment_ = segments_.segment();
  room_ = segments_.room();
  counts_ = segments_.counts();
}

Result<std::shared_ptr<LogWriter::Pending>> LogWriter::MakePending(LogRecord record, Until until) {
  const size_t bytes = record.payload.size();
  if (bytes > kMaxPayloadBytes) {
    return NotApplied({ErrorCode::kTooLarge, "a record of " + std::to_string(bytes) +
                                                 " bytes is more than one transaction may have (" +
                                                 std::to_string(kMaxPayloadBytes) + ")"});
  }
  auto pending = std::make_shared<Pending>();
  pending->record = std::move(record);
  pending->until = until;
  return pending;
}

Status LogWriter::Queue(const Batch& batch) {
  size_t bytes = 0;
  for (const auto& pending : batch) bytes += pending->record.payload.size();
  const std::lock_guard lock(mutex_);
  if (closed_) return NotApplied({ErrorCode::kClosed, "the log is closed"});
  if (abandoned_) return NotApplied(OutOfMemory());
  if (!failure_.ok()) return NotApplied(AfterFailure(failure_));
  // Something always fits, however large.
  if (!queue_.empty() && queued_bytes_ + bytes > queue_limit_) {
    return NotApplied({ErrorCode::kOverloaded, "too much waits to be written to the log"});
  }
  queue_.insert(queue_.end(), batch.begin(), batch.end());
  queued_bytes_ += bytes;
  return {};
}

Result<LogWriter::Ticket> LogWriter::Enqueue(LogRecord record, Until until) {
  Result<std::shared_ptr<Pending>> pending = MakePending(std::move(record), until);
  if (!pending.ok()) return pending.status();
  VITRINE_RETURN_IF_ERROR(Queue({*pending}));
  return Ticket(std::move(*pending));
}

Result<LogWriter::Ack> LogWriter::AppendAll(std::vector<LogRecord> records, Until until,
                                            Listener* listener) {
  Batch batch;
  batch.reserve(records.size());
  for (LogRecord& record : records) {
    Result<std::shared_ptr<Pending>> pending = MakePending(std::move(record), until);
    if (!pending.ok()) return pending.status();
    batch.push_back(std::move(*pending));
  }
  if (!batch.empty()) batch.back()->listener = listener;
  VITRINE_RETURN_IF_ERROR(Queue(batch));
  Ack last;
  for (std::shared_ptr<Pending>& pending : batch) {
    const Result<Ack> ack = Wait(Ticket(std::move(pending)));
    if (!ack.ok()) return ack.status();
    last = *ack;
  }
  return last;
}

Result<LogWriter::Ack> LogWriter::Wait(const Ticket& ticket) {
  const Pending& pending = *ticket.pending_;
  std::unique_lock lock(mutex_);
  while (!pending.done) {
    if (leading_) {
      Await(changed_, lock, [&] { return pending.done || !leading_; });
      continue;
    }
    const Leader leader(*this, lock, Leader::Take::kQueue);
    Commit(leader.batch());
  }
  if (pending.abandoned) return Unknown(OutOfMemory());
  if (!pending.status.ok()) return pending.status;
  return pending.ack;
}

Result<LogWriter::Ack> LogWriter::Append(LogRecord record, Until until) {
  const Result<Ticket> ticket = Enqueue(std::move(record), until);
  if (!ticket.ok()) return ticket.status();
  return Wait(*ticket);
}

void LogWriter::Commit(std::span<const std::shared_ptr<Pending>> batch) {
  while (!batch.empty()) {
    uint64_t room = segments_.room();
    size_t count = 0;
    for (; count < batch.size(); ++count) {
      const uint64_t bytes = FrameBytes(batch[count]->record.payload.size());
      if (bytes > room) break;
      room -= bytes;
    }
    if (count == 0) {
      const Status begun = segments_.Begin(FrameBytes(batch[0]->record.payload.size()));
      if (!begun.ok()) return Refuse(batch, begun);
      continue;
    }
    const auto group = batch.first(count);
    batch = batch.subspan(count);
    const Status status = CommitGroup(group);
    if (!status.ok()) {
      Lose(group, status);
      return Refuse(batch, status);
    }
  }
}

Status LogWriter::CommitGroup(std::span<const std::shared_ptr<Pending>> group) {
  bool flush = false;
  for (const auto& pending : group) {
    const Result<uint64_t> lsn = segments_.Append(pending->record);
    if (!lsn.ok()) return lsn.status();
    pending->ack.lsn = *lsn;
    flush = flush || pending->until == Until::kDurable;
  }
  VITRINE_RETURN_IF_ERROR(segments_.EndGroup());
  if (flush) {
    for (const auto& pending : group) {
      if (pending->listener != nullptr) pending->listener->Flushing();
    }
    VITRINE_RETURN_IF_ERROR(segments_.Flush());
  }
  const std::lock_guard lock(mutex_);
  for (const auto& pending : group) {
    pending->ack.durable = flush || SeededDefect("durable-said-too-early");
    pending->done = true;
    pending->record = {};
  }
  return {};
}

void LogWriter::Refuse(std::span<const std::shared_ptr<Pending>> batch, const Status& why) {
  const std::lock_guard lock(mutex_);
  if (!segments_.failure().ok()) failure_ = why;
  for (const auto& pending : batch) {
    pending->status = NotApplied(why);
    pending->done = true;
  }
  refused_ += batch.size();
}

void LogWriter::Lose(std::span<const std::shared_ptr<Pending>> group, const Status& why) {
  const std::lock_guard lock(mutex_);
  failure_ = why;
  for (const auto& pending : group) {
    pending->status = Unknown(why);
    pending->done = true;
  }
  unknown_ += group.size();
}

// Writes what waits, then does `last` with the segments.
template <typename Last>
Status LogWriter::Lead(std::unique_lock<std::mutex>& lock, Last last) {
  const Leader leader(*this, lock, Leader::Take::kQueue);
  Commit(leader.batch());
  for (const auto& pending : leader.batch()) VITRINE_RETURN_IF_ERROR(pending->status);
  return Remember(last(segments_));
}

Status LogWriter::Remember(Status status) {
  const std::lock_guard lock(mutex_);
  if (!segments_.failure().ok()) failure_ = segments_.failure();
  return status;
}

std::unique_lock<std::mutex> LogWriter::LockWithoutLeader() {
  std::unique_lock lock(mutex_);
  Await(changed_, lock, [&] { return !leading_; });
  return lock;
}

Status LogWriter::Flush() {
  std::unique_lock<std::mutex> lock = LockWithoutLeader();
  return Lead(lock, [](SegmentWriter& segments) { return segments.Flush(); });
}

Status LogWriter::Seal() {
  std::unique_lock<std::mutex> lock = LockWithoutLeader();
  if (!queue_.empty() || closed_) return {};
  const Leader leader(*this, lock, Leader::Take::kNothing);
  return Remember(segments_.Seal());
}

Status LogWriter::PrepareNext() {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return AfterFailure(failure_);
  }
  Status status = supply_.Prepare();
  if (status.ok() || !supply_.failed()) return status;
  std::unique_lock<std::mutex> lock = LockWithoutLeader();
  const Leader leader(*this, lock, Leader::Take::kNothing);
  return Remember(segments_.Fail(std::move(status)));
}

Status LogWriter::RemoveThrough(uint64_t lsn) {
  std::unique_lock<std::mutex> lock = LockWithoutLeader();
  const Leader leader(*this, lock, Leader::Take::kNothing);
  return Remember(segments_.RemoveThrough(lsn));
}

Status LogWriter::Close() {
  std::unique_lock<std::mutex> lock = LockWithoutLeader();
  if (std::exchange(closed_, true)) return closed_with_;
  closed_with_ = Lead(lock, [](SegmentWriter& segments) {
    return SeededDefect("log-not-sealed") ? segments.Flush() : segments.Seal();
  });
  return closed_with_;
}

uint64_t LogWriter::durable_lsn() const {
  const std::lock_guard lock(mutex_);
  return durable_lsn_;
}

uint64_t LogWriter::last_lsn() const {
  const std::lock_guard lock(mutex_);
  return last_lsn_;
}

uint64_t LogWriter::segment() const {
  const std::lock_guard lock(mutex_);
  return segment_;
}

bool LogWriter::failed() const {
  const std::lock_guard lock(mutex_);
  return abandoned_ || !failure_.ok();
}

uint64_t LogWriter::room() const {
  const std::lock_guard lock(mutex_);
  return room_;
}

LogCounts LogWriter::counts() const {
  const SegmentSupply::Totals prepared = supply_.totals();
  const std::lock_guard lock(mutex_);
  LogCounts counts = counts_;
  counts.prepared_segments = prepared.segments;
  counts.prepared_bytes = prepared.bytes;
  counts.spare_bytes = prepared.spare_bytes;
  counts.next_bytes = prepared.next_bytes;
  counts.refused = refused_;
  counts.unknown = unknown_;
  return counts;
}

}  // namespace vitrine
