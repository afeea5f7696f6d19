#include "binding/completion_queue.h"

#include <utility>

#include "base/await.h"
#include "binding/operation.h"

namespace vitrine {

CompletionQueue::~CompletionQueue() {
  // One by one: a long chain of owners would be destroyed recursively.
  while (PopFinished() != nullptr) continue;
  while (PopProgress() != nullptr) continue;
}

void CompletionQueue::SetWakes(const Wakes& wakes) {
  const std::lock_guard lock(mutex_);
  wakes_ = wakes;
}

bool CompletionQueue::Begin() {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  ++running_;
  return true;
}

void CompletionQueue::End() {
  const std::lock_guard lock(mutex_);
  if (--running_ == 0) idle_.notify_all();
}

void CompletionQueue::PushFinished(std::shared_ptr<Operation> operation) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  Push(finished_, &Operation::next_finished_, std::move(operation));
  Wake();
}

void CompletionQueue::PushProgress(std::shared_ptr<Operation> operation) {
  const std::lock_guard lock(mutex_);
  if (closed_ || operation->progress_queued_) return;
  operation->progress_queued_ = true;
  Push(progress_, &Operation::next_progress_, std::move(operation));
  Wake();
}

std::shared_ptr<Operation> CompletionQueue::PopFinished() {
  const std::lock_guard lock(mutex_);
  return Pop(finished_, &Operation::next_finished_);
}

std::shared_ptr<Operation> CompletionQueue::PopProgress() {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Operation> operation = Pop(progress_, &Operation::next_progress_);
  if (operation != nullptr) operation->progress_queued_ = false;
  return operation;
}

void CompletionQueue::Rest() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  if (finished_.first != nullptr || progress_.first != nullptr) Wake();
}

void CompletionQueue::Close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  wakes_ = {};
  Await(idle_, lock, [this] { return running_ == 0; });
}

void CompletionQueue::Disconnect() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wakes_ = {};
}

void CompletionQueue::Push(List& list, Link link, std::shared_ptr<Operation> operation) {
  Operation* const pushed = operation.get();
  (list.last == nullptr ? list.first : list.last->*link) = std::move(operation);
  list.last = pushed;
}

std::shared_ptr<Operation> CompletionQueue::Pop(List& list, Link link) {
  std::shared_ptr<Operation> popped = std::move(list.first);
  if (popped == nullptr) return nullptr;
  list.first = std::move(popped.get()->*link);
  if (list.first == nullptr) list.last = nullptr;
  return popped;
}

// REQUIRES: mutex_ is held, so that Close cannot release the functions meanwhile.
void CompletionQueue::Wake() {
  if (woken_ || wakes_[next_wake_] == nullptr) return;
  // Refused only when the environment is closing, and then nobody waits for an answer.
  woken_ =
      napi_call_threadsafe_function(wakes_[next_wake_], nullptr, napi_tsfn_nonblocking) == napi_ok;
  next_wake_ = 1 - next_wake_;
}

}  // namespace vitrine
