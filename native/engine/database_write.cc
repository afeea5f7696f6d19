// The life of a write: queued, gathered with others, logged, shown, acknowledged.

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/await.h"
#include "base/elapsed.h"
#include "base/seeded_defect.h"
#include "engine/database.h"
#include "engine/filtered_removal.h"
#include "engine/watched_writes.h"
#include "engine/write_group.h"

namespace vitrine {
namespace {

// Transactions that are logged and shown together: enough to share a flush among all who wait, few
// enough that nobody waits long for the others' points to be linked.
constexpr size_t kGroupBytes = size_t{16} << 20;
constexpr size_t kGroupOperations = 4096;
// The time of a flush is the mean of about so many.
constexpr int kFlushesInMean = 4;

}  // namespace

// Somebody who waits on the calling thread.
class Database::Waiter final : public PendingWrite {
 public:
  using PendingWrite::PendingWrite;

  void Finished() override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    Await(changed_, lock, [&] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

// The right to write what is queued. When memory runs out all that waits hears of it.
class Database::Draining {
 public:
  explicit Draining(Database& database) : database_(database) {}
  Draining(const Draining&) = delete;
  Draining& operator=(const Draining&) = delete;
  ~Draining() {
    if (ended_) return;
    // Left before the queue was empty: an exception passes.
    do {
      FinishBatch();
    } while (TakeBatch());
  }

  // The next batch; false, and somebody else may drain, when there is none.
  bool TakeBatch() {
    ended_ = !database_.queue_.Take(batch_);
    return !ended_;
  }
  void FinishBatch() {
    for (const auto& write : batch_) write->Finish();
    batch_.clear();
  }
  std::span<const std::shared_ptr<PendingWrite>> batch() const { return batch_; }

 private:
  Database& database_;
  CommitQueue::Batch batch_;
  bool ended_ = false;
};

bool Database::Enqueue(const std::shared_ptr<PendingWrite>& write) {
  switch (queue_.Push(write)) {
    case CommitQueue::Place::kFirst:
      return true;
    case CommitQueue::Place::kBehind:
      return false;
    case CommitQueue::Place::kClosed:
      write->Done(NotApplied({ErrorCode::kClosed, "the database is closed"}));
      break;
    case CommitQueue::Place::kFull:
      write->Done(NotApplied({ErrorCode::kOverloaded, "too many writes wait for their turn"}));
      break;
  }
  write->Finish();
  return false;
}

void Database::Drain() {
  Draining draining(*this);
  for (;;) {
    {
      // Taken with it held: Close may drain beside another thread, and what comes later must not
      // be written before.
      const std::lock_guard commit(commit_mutex_);
      if (!draining.TakeBatch()) return;
      Commit(draining.batch());
    }
    draining.FinishBatch();
    WakeBackground();
  }
}

void Database::DrainInBackground() {
  drain_asked_.store(true, std::memory_order_relaxed);
  WakeBackground();
}

Result<WriteResult> Database::Write(Transaction transaction) {
  const auto write = std::make_shared<Waiter>(std::move(transaction));
  if (Enqueue(write)) Drain();
  write->Wait();
  return write->TakeOutcome();
}

Result<WriteResult> Database::WriteChange(ConfigurationChange change) {
  const auto write = std::make_shared<Waiter>(std::move(change));
  if (Enqueue(write)) Drain();
  write->Wait();
  return write->TakeOutcome();
}

Status Database::WriteFailure() const {
  if (shut_.load(std::memory_order_acquire)) {
    return {ErrorCode::kClosed, "the database is closed"};
  }
  if (options_.read_only) {
    return {ErrorCode::kReadOnly, "the database was opened for reading only"};
  }
  const std::shared_ptr<LogWriter> log = Log();
  if (log != nullptr && log->failed()) {
    return {ErrorCode::kIo,
            "the log failed before: nothing is written until a checkpoint to new files succeeds"};
  }
  return {};
}

void Database::Commit(std::span<const std::shared_ptr<PendingWrite>> batch) {
  while (!batch.empty()) {
    size_t count = 1;
    if (batch[0]->change_) {
      CommitChange(*batch[0]);
    } else {
      while (count < batch.size() && !batch[count]->change_) ++count;
      CommitTransactions(batch.first(count));
    }
    batch = batch.subspan(count);
  }
}

void Database::CommitTransactions(std::span<const std::shared_ptr<PendingWrite>> batch) {
  while (!batch.empty()) {
    const std::shared_ptr<LogWriter> log = Log();
    // With a page to end the group, and one for a seal that comes in between: the group is in one
    // segment, and so is there as a whole or not at all.
    const uint64_t room = log == nullptr ? UINT64_MAX : log->room();
    uint64_t bytes = 2 * kPageBytes;
    size_t operations = 0;
    size_t count = 0;
    // A removal by filter looks at what all writes before it have left: it begins a group, and
    // ends it.
    const bool by_filter = !batch[0]->transaction_.removals().empty();
    if (by_filter && !ResolveFilters(*batch[0])) {
      batch = batch.subspan(1);
      continue;
    }
    for (; count < batch.size(); ++count) {
      const Transaction& transaction = batch[count]->transaction_;
      if (count > 0 && (by_filter || !transaction.removals().empty())) break;
      bytes += FrameBytes(transaction.bytes().size());
      operations += transaction.operations();
      if (count > 0 && (bytes > room || bytes > kGroupBytes || operations > kGroupOperations)) {
        break;
      }
    }
    const auto group = batch.first(count);
    if (!CommitGroup(group)) {
      // There was no memory for all of them: perhaps for some.
      for (size_t i = 0; i < count; ++i) (void)CommitGroup(group.subspan(i, 1));
    }
    batch = batch.subspan(count);
  }
}

// Whether the write goes on.
bool Database::ResolveFilters(PendingWrite& write) {
  Result<Transaction> resolved = ResolveRemovals(std::move(write.transaction_),
                                                 [&](uint32_t id) { return FindCollection(id); });
  if (resolved.ok()) {
    write.transaction_ = std::move(*resolved);
  } else {
    write.Done(NotApplied(resolved.status()));
  }
  return resolved.ok();
}

Status Database::CheckLimits(uint64_t memory_bytes, uint64_t disk_bytes) const {
  if (memory_bytes > options_.max_memory_bytes && !SeededDefect("memory-limit-ignored")) {
    return {ErrorCode::kOutOfMemory, "the write would take " + std::to_string(memory_bytes) +
                                         " bytes of memory in all, more than maxMemoryBytes"};
  }
  if (disk_bytes > options_.max_disk_bytes) {
    return {ErrorCode::kTooLarge, "the write would take " + std::to_string(disk_bytes) +
                                      " bytes of disk in all, more than maxDiskBytes"};
  }
  return {};
}

// On a full disk the segment in use is the last one: it is kept for what makes room.
Status Database::CheckReserve() {
  if (!reserve_missing_.load(std::memory_order_relaxed) || Log() == nullptr) return {};
  VITRINE_RETURN_IF_ERROR(PrepareSegment());
  reserve_missing_.store(false, std::memory_order_relaxed);
  return {};
}

// Unless the disk, or what may be used of it, is full.
Status Database::PrepareSegment() {
  const std::shared_ptr<LogWriter> log = Log();
  if (log == nullptr) return {};
  const LogCounts counts = log->counts();
  if (counts.spare_bytes > 0) return {};
  VITRINE_RETURN_IF_ERROR(CheckLimits(0, disk().total() + counts.next_bytes));
  return log->PrepareNext();
}

// Of the disk, what a record would take that the files there are do not have.
uint64_t Database::DiskBytesFor(uint64_t record_bytes) const {
  const std::shared_ptr<LogWriter> log = Log();
  if (log == nullptr || FrameBytes(record_bytes) + 2 * kPageBytes <= log->room()) return 0;
  const LogCounts counts = log->counts();
  const uint64_t needed = RoundUp(FrameBytes(record_bytes), kPageBytes) + 3 * kPageBytes;
  if (counts.spare_bytes >= needed) return 0;
  // One that is too short is made anew.
  return std::max(needed, counts.next_bytes) - counts.spare_bytes;
}

namespace {

// What a transaction has, beside removals.
struct Parts {
  bool adds = false;   // anything that takes room
  bool links = false;  // vectors
};

Parts PartsOf(const Transaction& transaction) {
  TransactionReader reader(transaction.bytes());
  Parts parts;
  while (const std::optional<PointWrite> operation = reader.Next()) {
    if (operation->type == OperationType::kDelete) continue;
    parts.adds = true;
    parts.links = parts.links || operation->type == OperationType::kPut;
  }
  return parts;
}

}  // namespace

void Database::Count(const DatabaseCounts& more) {
  const std::lock_guard lock(counts_mutex_);
  counts_.groups += more.groups;
  counts_.transactions += more.transactions;
  counts_.operations += more.operations;
  counts_.changes += more.changes;
  counts_.repeated += more.repeated;
  counts_.refused += more.refused;
  counts_.refused_for_memory += more.refused_for_memory;
  counts_.refused_for_disk += more.refused_for_disk;
  counts_.refused_for_deadline += more.refused_for_deadline;
  counts_.unknown += more.unknown;
}

Result<uint64_t> Database::Append(std::vector<LogRecord> records, bool& durable,
                                  LogWriter::Listener* listener) {
  const uint64_t count = records.size();
  uint64_t bytes = 0;
  for (const LogRecord& record : records) bytes += FrameBytes(record.payload.size());
  const std::shared_ptr<LogWriter> log = Log();
  if (log == nullptr) {
    durable = false;
    unlogged_.store(true, std::memory_order_relaxed);
    return last_lsn_.load(std::memory_order_relaxed) + 1;
  }
  const LogWriter::Until until = options_.durability == Durability::kCommit
                                     ? LogWriter::Until::kDurable
                                     : LogWriter::Until::kWritten;
  const auto start = std::chrono::steady_clock::now();
  const Result<LogWriter::Ack> ack = log->AppendAll(std::move(records), until, listener);
  if (!ack.ok()) return ack.status();
  durable = ack->durable;
  const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - start;
  flush_time_ = durable ? flush_time_ + (taken - flush_time_) / kFlushesInMean : taken.zero();
  // Each group begins a page.
  logged_bytes_.fetch_add(RoundUp(bytes, kPageBytes), std::memory_order_relaxed);
  writes_.fetch_add(1, std::memory_order_relaxed);
  return ack->lsn - count + 1;
}

namespace {

// Idempotency keys of a group that is not done yet.
class BegunKeys {
 public:
  explicit BegunKeys(IdempotencyWindow& window) : window_(window) {}
  BegunKeys(const BegunKeys&) = delete;
  BegunKeys& operator=(const BegunKeys&) = delete;
  ~BegunKeys() {
    for (; !keys_.empty(); keys_.pop_back()) window_.Cancel(keys_.back());
  }
  bool Has(const Digest128& key) const {
    return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
  }
  void Begin(const Digest128& key) {
    keys_.push_back(key);
    window_.Begin(key);
  }
  void Keep() { keys_.clear(); }

 private:
  IdempotencyWindow& window_;
  std::vector<Digest128> keys_;
};

}  // namespace

// False when there was no memory for the group as a whole; then nothing was done.
bool Database::CommitGroup(std::span<const std::shared_ptr<PendingWrite>> batch) {
  using State = PendingWrite::State;
  struct Accepted {
    PendingWrite* write;
    Digest128 key;
    uint64_t deleted;
  };
  const Status writable = WriteFailure();
  WriteGroup group([&](uint32_t id, uint64_t) { return FindCollection(id); },
                   CollectionWrite::Conditions::kCheck);
  BegunKeys keys(window_);
  std::vector<Accepted> accepted;
  std::vector<LogRecord> records;
  std::vector<uint64_t> lsns;
  accepted.reserve(batch.size());
  records.reserve(batch.size());
  lsns.reserve(batch.size());
  DatabaseCounts counted;
  const uint64_t now = NowMs();
  uint64_t record_bytes = 0;
  const bool limited =
      options_.max_memory_bytes != UINT64_MAX || options_.max_disk_bytes != UINT64_MAX;
  const uint64_t memory_before = limited ? memory().total() : 0;
  const DatabaseDisk disk = limited ? this->disk() : DatabaseDisk{};
  bool repeated = false;
  WatchedWrites watched;
  bool any_links = false;

  for (const auto& write : batch) {
    if (write->state_ != State::kWaiting) continue;
    const TransactionReader reader(write->transaction_.bytes());
    const Digest128 key = reader.idempotency_key();
    if (reader.has_idempotency_key()) {
      if (keys.Has(key)) {
        repeated = true;  // it waits for the outcome of the first
        continue;
      }
      if (const IdempotencyWindow::Done* const done = window_.Find(key)) {
        write->Done(WriteResult{done->lsn, done->lsn <= durable_lsn(), done->deleted});
        ++counted.repeated;
        continue;
      }
    }
    Status status = writable;
    if (status.ok()) {
      status = write->StartTurn();
      if (!status.ok() && status.code() == ErrorCode::kTimeout) ++counted.refused_for_deadline;
    }
    // What only deletes is let through: it is how room is made.
    const Parts parts = PartsOf(write->transaction_);
    if (status.ok() && parts.adds) status = CheckReserve();
    uint64_t deleted = 0;
    const uint64_t frame_bytes = FrameBytes(write->transaction_.bytes().size());
    const auto fits = [&]() -> Status {
      if (!parts.adds || !limited) return {};
      const uint64_t memory = memory_before + group.memory_bytes();
      // What there is with the record, and what there will be: two checkpoints of it all.
      Status within = CheckLimits(
          memory,
          std::max(disk.total() + DiskBytesFor(record_bytes + frame_bytes), disk.log + 2 * memory));
      if (!within.ok()) {
        const bool of_memory = within.code() == ErrorCode::kOutOfMemory;
        ++(of_memory ? counted.refused_for_memory : counted.refused_for_disk);
      }
      return within;
    };
    if (status.ok()) {
      const Result<uint64_t> added = group.Add(write->transaction_.bytes(), 0, fits);
      if (added.ok()) {
        deleted = *added;
        record_bytes += frame_bytes;
      } else {
        status = added.status();
      }
    }
    if (!status.ok()) {
      write->Done(NotApplied(std::move(status)));
      ++counted.refused;
      continue;
    }
    counted.operations += write->transaction_.operations();
    any_links = any_links || parts.links;
    accepted.push_back({write.get(), key, deleted});
    watched.AddIfWatched(*write);
    if (reader.has_idempotency_key()) keys.Begin(key);
  }
  if (accepted.empty()) {
    Count(counted);
    return true;
  }

  watched.Enter(WritePhase::kLink);
  const auto start = std::chrono::steady_clock::now();
  Status prepared = group.Prepare();
  if (Statistics* const counting = statistics_.counting();
      counting != nullptr && any_links && prepared.ok()) {
    counting->Observe(Family::kIndexBuildDuration, SeriesOf(BuildCause::kWrite),
                      NanosecondsSince(start));
  }
  if (!prepared.ok()) {
    counted.operations = 0;
    counted.refused += batch.size() > 1 ? 0 : 1;
    Count(counted);
    if (batch.size() > 1) return false;
    accepted[0].write->Done(NotApplied(std::move(prepared)));
    return true;
  }
  for (const Accepted& one : accepted) {
    one.write->transaction_.SetTime(now);
    records.push_back(
        {FrameKind::kTransaction,
         static_cast<uint16_t>(std::min<size_t>(one.write->transaction_.operations(), UINT16_MAX)),
         one.write->transaction_.Take()});
  }
  // From here on an exception leaves the outcome open.
  for (const Accepted& one : accepted) one.write->state_ = State::kNoMemoryInFlight;
  bool durable = false;
  const auto show = [&](uint64_t first_lsn) {
    for (size_t i = 0; i < accepted.size(); ++i) lsns.push_back(first_lsn + i);
    group.Publish(lsns);
  };
  const bool too_early = SeededDefect("shown-before-durable");
  if (too_early) show(last_lsn() + 1);
  if (Log() != nullptr) watched.Enter(WritePhase::kLog);
  const Result<uint64_t> first = Append(std::move(records), durable, &watched);
  if (!first.ok()) {
    counted.operations = 0;
    const bool refused = IsNotApplied(first.status());
    (refused ? counted.refused : counted.unknown) += accepted.size();
    Count(counted);
    for (const Accepted& one : accepted) one.write->Done(first.status());
    for (const auto& write : batch) {
      if (write->state_ == State::kWaiting) write->Done(first.status());
    }
    return true;
  }
  watched.Enter(WritePhase::kPublish);
  if (!too_early) show(*first);
  keys.Keep();
  for (size_t i = 0; i < accepted.size(); ++i) {
    if (accepted[i].key != Digest128{} && !SeededDefect("key-forgotten")) {
      window_.Finish(accepted[i].key, {lsns[i], now, accepted[i].deleted});
      window_lsn_ = lsns[i];
    }
    accepted[i].write->Done(WriteResult{lsns[i], durable, accepted[i].deleted});
  }
  last_lsn_.store(lsns.back(), std::memory_order_release);
  counted.groups = 1;
  counted.transactions = accepted.size();
  Count(counted);
  queue_.Acknowledge(accepted.size(), flush_time_);
  for (const Accepted& one : accepted) one.write->Finish();
  if (repeated) (void)CommitGroup(batch);  // what waited finds its key in the window
  group.Tidy();
  return true;
}

}  // namespace vitrine
