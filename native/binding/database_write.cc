#include "binding/database_write.h"

#include <type_traits>
#include <utility>

#include "binding/guard.h"
#include "stats/tick_clock.h"

namespace vitrine {
namespace {

// Does what waits to be written to a database.
class DrainTask final : public Task {
 public:
  explicit DrainTask(std::shared_ptr<SharedDatabase> database) : database_(std::move(database)) {}
  void Run() override {
    (void)Guard([this] {
      (**database_).Drain();
      return Status();
    }).ok();
  }

 private:
  const std::shared_ptr<SharedDatabase> database_;
};

}  // namespace

// Its place in the queue of the database.
class DatabaseWrite::Waiting final : public PendingWrite {
 public:
  template <typename What>
  Waiting(What what, std::shared_ptr<DatabaseWrite> operation)
      : PendingWrite(std::move(what)),
        operation_(std::move(operation)),
        watched_(operation_->course_.times.has_value()),
        first_(std::is_same_v<What, Transaction> ? CallPhase::kPlan : CallPhase::kExecute) {}

  void Finished() override {
    const Status status = Guard([this]() -> Status {
      Result<WriteResult> outcome = TakeOutcome();
      if (!outcome.ok()) return outcome.status();
      operation_->result_ = *outcome;
      return {};
    });
    operation_->Finish(status);
    operation_.reset();
  }
  Status TakeTurn() override { return operation_->TakeTurn(first_); }
  bool is_watched() const override { return watched_; }
  void Enter(WritePhase phase) override {
    constexpr CallPhase kPhases[] = {CallPhase::kGraphLink, CallPhase::kWal, CallPhase::kFsync,
                                     CallPhase::kCommit};
    operation_->Enter(kPhases[static_cast<size_t>(phase)]);
  }

 private:
  std::shared_ptr<DatabaseWrite> operation_;
  const bool watched_;
  const CallPhase first_;
};

DatabaseWrite::DatabaseWrite(std::shared_ptr<SharedDatabase> database,
                             std::variant<Transaction, ConfigurationChange> what,
                             ResolveWrite resolve, std::chrono::milliseconds timeout)
    : Operation(Lane::kDatabase, nullptr),
      database_(std::move(database)),
      what_(std::move(what)),
      resolve_(std::move(resolve)) {
  if (timeout.count() > 0) deadline_ = std::chrono::steady_clock::now() + timeout;
}

bool DatabaseWrite::Launch(ThreadPool& pool) {
  if (times() != nullptr) course_.times.emplace(*times());
  auto self = std::static_pointer_cast<DatabaseWrite>(shared_from_this());
  const std::shared_ptr<Waiting> waiting =
      std::holds_alternative<Transaction>(what_)
          ? std::make_shared<Waiting>(std::get<Transaction>(std::move(what_)), std::move(self))
          : std::make_shared<Waiting>(std::get<ConfigurationChange>(std::move(what_)),
                                      std::move(self));
  auto drain = std::make_unique<DrainTask>(database_);
  if (!(**database_).Enqueue(waiting)) return true;
  const Status submitted = Guard([&]() -> Status {
    if (pool.Submit(std::move(drain), ThreadPool::Priority::kBulk)) return {};
    return {ErrorCode::kOverloaded, "the pool is full"};
  });
  // The queue has been promised that somebody will do it, and this thread must not.
  if (!submitted.ok()) (**database_).DrainInBackground();
  return true;
}

// One that waits for its turn has not begun; of one that has, only a timeout does not wait for the
// outcome, which then nobody knows.
std::optional<Status> DatabaseWrite::EndEarly(ErrorCode reason) {
  Turn waits = Turn::kWaits;
  if (turn_.compare_exchange_strong(waits, Turn::kNever, std::memory_order_acq_rel)) {
    return NotApplied(StatusOf(reason));
  }
  if (reason == ErrorCode::kTimeout) return UnknownOutcome(StatusOf(reason));
  return {};
}

Operation::Course DatabaseWrite::course() const {
  const std::lock_guard lock(course_mutex_);
  return course_;
}

Status DatabaseWrite::TakeTurn(CallPhase first) {
  if (turn_.load(std::memory_order_acquire) == Turn::kNever) return StatusOf(reason());
  if (deadline_ && std::chrono::steady_clock::now() >= *deadline_) {
    return StatusOf(ErrorCode::kTimeout);
  }
  // Whoever finds that it has its turn finds since when, too.
  const std::lock_guard lock(course_mutex_);
  Turn waits = Turn::kWaits;
  if (!turn_.compare_exchange_strong(waits, Turn::kTaken, std::memory_order_acq_rel)) {
    return StatusOf(reason());
  }
  if (is_timed()) course_.started = TickClock::Process().Now();
  if (course_.times) course_.times->Enter(first);
  return {};
}

void DatabaseWrite::Enter(CallPhase phase) {
  const std::lock_guard lock(course_mutex_);
  course_.times->Enter(phase);
}

}  // namespace vitrine
