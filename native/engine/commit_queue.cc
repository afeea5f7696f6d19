#include "engine/commit_queue.h"

#include <utility>

namespace vitrine {
namespace {

// What may wait. Beyond that writes are refused.
constexpr size_t kMostWrites = 65'536;
constexpr size_t kMostBytes = size_t{256} << 20;

}  // namespace

CommitQueue::Place CommitQueue::Push(const std::shared_ptr<PendingWrite>& write) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Place::kClosed;
  const size_t bytes = write->bytes();
  if (waiting_.size() >= kMostWrites || (!waiting_.empty() && bytes_ + bytes > kMostBytes)) {
    ++refused_;
    return Place::kFull;
  }
  waiting_.push_back(write);
  bytes_ += bytes;
  if (!std::exchange(taken_, true)) return Place::kFirst;
  if (waiting_.size() == returning_.expected()) complete_.notify_all();
  return Place::kBehind;
}

bool CommitQueue::Take(Batch& batch) {
  std::unique_lock lock(mutex_);
  const auto complete = [this] { return closed_ || waiting_.size() >= returning_.expected(); };
  while (!waiting_.empty() && !closed_) {
    const auto pause = returning_.PauseFor(waiting_.size(), ReturningWriters::Clock::now());
    if (pause <= pause.zero()) break;
    complete_.wait_for(lock, pause, complete);
  }
  batch.swap(waiting_);
  bytes_ = 0;
  if (batch.empty()) taken_ = false;
  return !batch.empty();
}

void CommitQueue::Acknowledge(size_t writes, std::chrono::steady_clock::duration flush) {
  const std::lock_guard lock(mutex_);
  returning_.Acknowledge(writes, waiting_.size(), flush, ReturningWriters::Clock::now());
}

void CommitQueue::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  complete_.notify_all();
}

CommitQueue::Counts CommitQueue::counts() const {
  const std::lock_guard lock(mutex_);
  return {.refused = refused_, .writes = waiting_.size(), .bytes = bytes_};
}

bool CommitQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace vitrine
