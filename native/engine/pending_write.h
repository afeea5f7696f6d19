#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/status.h"
#include "engine/collection_config.h"
#include "engine/transaction.h"

namespace vitrine {

class Collection;

struct WriteResult {
  uint64_t lsn = 0;
  bool durable = false;
  uint64_t deleted = 0;
  std::shared_ptr<Collection> collection = nullptr;  // that a creation made, or found
};

// The failure of a write of which nothing was done: to try again is safe.
Status NotApplied(Status why);
// One that may or may not have been done: the device failed while it was in flight.
Status UnknownOutcome(Status why);
// Whether it says that nothing was done.
bool IsNotApplied(const Status& status);

// What a transaction goes through, from its turn on, with the others of its group. Before the first
// it is looked at whether it may be done.
enum class WritePhase : uint8_t {
  kLink,     // its points become nodes of graphs, which nobody sees yet
  kLog,      // its record is written
  kFlush,    // the log is flushed
  kPublish,  // its points become visible
};

// A write that waits for its turn, and then for the log.
class PendingWrite {
 public:
  explicit PendingWrite(Transaction transaction) : transaction_(std::move(transaction)) {}
  explicit PendingWrite(ConfigurationChange change) : change_(std::move(change)) {}
  virtual ~PendingWrite() = default;
  PendingWrite(const PendingWrite&) = delete;
  PendingWrite& operator=(const PendingWrite&) = delete;

  // Called once, on the thread that wrote, when the outcome is known. Does not throw.
  virtual void Finished() = 0;
  // Its turn has come: from now on it is done, unless this fails because the caller gave up, and
  // then nothing is. Called once, on the thread that writes.
  virtual Status TakeTurn() { return {}; }
  // Whether somebody wants to know when it enters its phases, and that it enters one: after its
  // turn was taken and before it is finished, one call at a time. Does not throw.
  virtual bool is_watched() const { return false; }
  virtual void Enter(WritePhase /*phase*/) {}

  // Of its record. REQUIRES: its turn has not come
  size_t bytes() const { return transaction_.bytes().size(); }

  // REQUIRES: Finished was called; called once
  Result<WriteResult> TakeOutcome();

 private:
  friend class Database;

  enum class State : uint8_t { kWaiting, kDone, kNoMemory, kNoMemoryInFlight };

  void Done(Result<WriteResult> outcome) {
    outcome_ = std::move(outcome);
    state_ = State::kDone;
  }

  void Finish() {
    if (std::exchange(finished_, true)) return;
    // Nobody got to it before memory ran out.
    if (state_ == State::kWaiting) state_ = State::kNoMemory;
    Finished();
  }

  // A group that is tried anew asks once.
  Status StartTurn() { return std::exchange(has_turn_, true) ? Status() : TakeTurn(); }

  Transaction transaction_;
  std::optional<ConfigurationChange> change_;
  State state_ = State::kWaiting;
  bool has_turn_ = false;
  bool finished_ = false;
  Result<WriteResult> outcome_ = WriteResult{};
};

}  // namespace vitrine
