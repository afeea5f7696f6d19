#include "binding/operation.h"

#include <utility>

#include "binding/completion_queue.h"
#include "binding/guard.h"

namespace vitrine {
namespace {

// Between two reports of progress: often enough for a bar that moves.
constexpr std::chrono::milliseconds kProgressInterval{40};

class OperationTask final : public Task {
 public:
  explicit OperationTask(std::shared_ptr<Operation> operation) : operation_(std::move(operation)) {}
  void Run() override { operation_->Run(); }
  void LeftLast() override { operation_->LeftLast(); }
  const void* row() const override { return operation_->row(); }

 private:
  const std::shared_ptr<Operation> operation_;
};

}  // namespace

Operation::Operation(Lane lane, std::shared_ptr<IndexHandle> index)
    : lane_(lane), index_(std::move(index)) {}

Operation::~Operation() = default;

void Operation::Attach(std::shared_ptr<CompletionQueue> completions) {
  completions_ = std::move(completions);
}

void Operation::Watch() {
  times_ = std::make_unique<CallTimes>();
  times_->Enter(CallPhase::kQueue);
}

bool Operation::Claim() {
  Phase waiting = Phase::kWaiting;
  return phase_.compare_exchange_strong(waiting, Phase::kClaimed, std::memory_order_acq_rel);
}

void Operation::Cancel(ErrorCode reason) {
  if (cancelled_.load(std::memory_order_relaxed)) return;
  reason_.store(reason, std::memory_order_relaxed);
  cancelled_.store(true, std::memory_order_relaxed);
  std::optional<Status> end = EndEarly(reason);
  if (!end || !Claim()) return;
  ReleaseInputs();
  EndCourse();
  if (times_ != nullptr) times_->Enter(CallPhase::kSettle);
  status_ = std::move(*end);
  completions_->PushFinished(shared_from_this());
}

void Operation::Run() {
  if (!completions_->Begin()) return;
  if (Claim()) {
    if (times_ != nullptr) times_->Enter(CallPhase::kExecute);
    status_ = Guard([this] { return Execute(); });
    if (!status_.ok() && status_.code() == ErrorCode::kCancelled) {
      status_ = StatusOf(reason_.load(std::memory_order_relaxed));
    }
    ReleaseInputs();
    if (times_ != nullptr) times_->Enter(CallPhase::kSettle);
    completions_->PushFinished(shared_from_this());
  }
  completions_->End();
}

void Operation::LeftLast() { completions_->Release(); }

void Operation::EndCourse() {
  const Course course = this->course();
  if (course.started) {
    RanSince(*course.started);
  } else {
    NeverRan();
  }
  if (times_ != nullptr && course.times) *times_ = *course.times;
}

void Operation::Finish(Status status) {
  if (!completions_->Begin()) return;
  if (Claim()) {
    EndCourse();
    status_ = std::move(status);
    ReleaseInputs();
    if (times_ != nullptr) times_->Enter(CallPhase::kSettle);
    completions_->PushFinished(shared_from_this());
  }
  completions_->End();
}

bool Operation::Launch(ThreadPool& pool) { return SubmitOperation(pool, shared_from_this()); }

Status Operation::StatusOf(ErrorCode reason) {
  switch (reason) {
    case ErrorCode::kClosed:
      return {reason, "the index has been closed"};
    case ErrorCode::kTimeout:
      return {reason, "the operation took longer than timeoutMs"};
    default:
      return {reason, "the operation was cancelled"};
  }
}

void Operation::ReportProgress(uint64_t done, uint64_t total) {
  progress_done_.store(done, std::memory_order_relaxed);
  progress_total_.store(total, std::memory_order_relaxed);
  // The end of the operation tells of the last of it, and comes at once: waking the environment's
  // thread twice takes a fifth of the time of adding a point.
  if (done == total) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_progress_ < kProgressInterval) return;
  last_progress_ = now;
  completions_->PushProgress(shared_from_this());
}

Operation::Progress Operation::progress() const {
  return {progress_done_.load(std::memory_order_relaxed),
          progress_total_.load(std::memory_order_relaxed)};
}

bool SubmitOperation(ThreadPool& pool, std::shared_ptr<Operation> operation) {
  const auto priority = operation->lane() == Operation::Lane::kSearch
                            ? ThreadPool::Priority::kInteractive
                            : ThreadPool::Priority::kBulk;
  return pool.Submit(std::make_unique<OperationTask>(std::move(operation)), priority);
}

}  // namespace vitrine
