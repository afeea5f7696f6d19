#include "binding/completion_queue.h"

#include <algorithm>
#include <utility>

#include "base/await.h"
#include "binding/operation.h"

namespace vitrine {
namespace {

// To wake a thread and to run its event loop takes about as long as a search: when many are to
// follow, some of them wake it together, a share of those that it waits for. None waits for
// anything but the next search that finishes.
constexpr size_t kManySearches = 64;
constexpr size_t kShareTogether = 8;  // one in so many
constexpr size_t kMostTogether = 16;
constexpr std::chrono::milliseconds kLongestHeld{1};

}  // namespace

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
  const bool is_search = operation->lane() == Operation::Lane::kSearch;
  Push(finished_, &Operation::next_finished_, std::move(operation));
  if (woken_ || (is_search && WaitsForMore())) return;
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

bool CompletionQueue::Rest(size_t searches, bool again) {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  searches_ = searches;
  held_ = 0;
  const bool more = finished_.first != nullptr || progress_.first != nullptr;
  if (more || again) Wake();
  return more;
}

void CompletionQueue::Release() {
  const std::lock_guard lock(mutex_);
  if (held_ > 0) Wake();
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

// A search has finished. REQUIRES: mutex_ is held
bool CompletionQueue::WaitsForMore() {
  if (searches_ > 0) --searches_;
  if (searches_ < kManySearches) return false;
  const auto now = std::chrono::steady_clock::now();
  if (held_++ == 0) held_since_ = now;
  const size_t together = std::min(searches_ / kShareTogether, kMostTogether);
  return held_ < together && now - held_since_ < kLongestHeld;
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
