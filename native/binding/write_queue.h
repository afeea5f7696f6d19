#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "base/thread_pool.h"
#include "binding/operation.h"

namespace vitrine {

// The writes of one index, one after the other: at most one of them is in the pool, so that no
// thread of the pool ever waits for another's write to end. Saves wait among them for their turn.
//
// Thread safety: all functions may be called from any thread.
class WriteQueue : public std::enable_shared_from_this<WriteQueue> {
 public:
  // False when the queue, or the pool's, is full.
  [[nodiscard]] bool Push(std::shared_ptr<Operation> operation, ThreadPool& pool);

 private:
  class Turn;
  [[nodiscard]] bool SubmitTurn(ThreadPool& pool);
  [[nodiscard]] static bool Forward(ThreadPool& pool, const std::shared_ptr<Operation>& operation);
  void RunNext(ThreadPool& pool);

  std::mutex mutex_;
  std::deque<std::shared_ptr<Operation>> waiting_;
  bool in_pool_ = false;
};

}  // namespace vitrine
