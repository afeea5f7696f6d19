#include "binding/write_queue.h"

#include <utility>

#include "binding/guard.h"

namespace vitrine {
namespace {

constexpr size_t kWriteLimit = 65'536;

// Whether `submit` returns true, and does not fail for lack of memory.
template <typename Submit>
bool Submitted(Submit submit) {
  bool submitted = false;
  const Status status = Guard([&] {
    submitted = submit();
    return Status();
  });
  return status.ok() && submitted;
}

}  // namespace

// One write's stay in the pool.
class WriteQueue::Turn final : public Task {
 public:
  Turn(std::shared_ptr<WriteQueue> queue, ThreadPool& pool)
      : queue_(std::move(queue)), pool_(pool) {}
  void Run() override { queue_->RunNext(pool_); }

 private:
  const std::shared_ptr<WriteQueue> queue_;
  ThreadPool& pool_;
};

bool WriteQueue::Push(std::shared_ptr<Operation> operation, ThreadPool& pool) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWriteLimit) return false;
  waiting_.push_back(std::move(operation));
  if (in_pool_) return true;
  in_pool_ = SubmitTurn(pool);
  if (!in_pool_) waiting_.pop_back();
  return in_pool_;
}

bool WriteQueue::SubmitTurn(ThreadPool& pool) {
  return Submitted([&] {
    return pool.Submit(std::make_unique<Turn>(shared_from_this(), pool),
                       ThreadPool::Priority::kBulk);
  });
}

bool WriteQueue::Forward(ThreadPool& pool, const std::shared_ptr<Operation>& operation) {
  return Submitted([&] { return SubmitOperation(pool, operation); });
}

void WriteQueue::RunNext(ThreadPool& pool) {
  for (;;) {
    std::shared_ptr<Operation> operation;
    {
      const std::lock_guard lock(mutex_);
      operation = std::move(waiting_.front());
      waiting_.pop_front();
    }
    // A save only waits for its turn: its work is done beside the writes that follow.
    if (operation->lane() != Operation::Lane::kSave || !Forward(pool, operation)) operation->Run();
    operation.reset();
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      in_pool_ = false;
      return;
    }
    // Back of the line, after the bulk work of others; where the pool is full, the next goes now.
    if (SubmitTurn(pool)) return;
  }
}

}  // namespace vitrine
