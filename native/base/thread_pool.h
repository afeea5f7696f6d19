#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace vitrine {

// A unit of work. `Run` is called once, on a thread of the pool, and does not throw.
class Task {
 public:
  virtual ~Task() = default;
  virtual void Run() = 0;
  // Of an interactive task that has run: the thread that ran it goes on with something else than
  // another one of its row. Does not throw.
  virtual void LeftLast() {}
  // What it is of; null: of nothing.
  virtual const void* row() const { return nullptr; }
};

// A bounded pool of threads with two queues: interactive work (one search) goes before bulk work
// (a build, a batch). Bulk work that runs long calls `RunInteractive` now and then, so that a
// search waits for a point to be inserted, not for a million. Both give way only so often: searches
// that come without end do not keep a write from being done.
//
// Thread safety: all functions may be called from any thread.
class ThreadPool {
 public:
  enum class Priority : unsigned char { kInteractive, kBulk };

  // REQUIRES: threads >= 1. `queue_limit` tasks may wait per queue. May throw std::system_error
  // where the operating system refuses a thread.
  explicit ThreadPool(size_t threads, size_t queue_limit = 65'536);
  // Finishes what runs and drops what waits; a dropped task is destroyed without having run.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Queues `task`; false, and the task is destroyed, when the queue is full.
  [[nodiscard]] bool Submit(std::unique_ptr<Task> task, Priority priority);
  // Interactive tasks that go before bulk work that waits, and that run between two steps of it.
  static constexpr size_t kMostAhead = 64;
  static constexpr size_t kMostBetween = 8;

  // Runs interactive tasks that wait on the calling thread, at most kMostBetween.
  void RunInteractive();

  size_t threads() const { return threads_.size(); }
  // Tasks that wait, in both queues.
  size_t queue_depth() const;

 private:
  struct NoThreads {
    size_t queue_limit;
  };
  explicit ThreadPool(NoThreads options);
  void Work();
  std::unique_ptr<Task> TakeInteractive();
  // REQUIRES: mutex_ is held
  bool IsInteractiveNext() const;
  std::unique_ptr<Task> Pop(std::deque<std::unique_ptr<Task>>& queue);

  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Task>> interactive_;
  std::deque<std::unique_ptr<Task>> bulk_;
  // Read without the mutex by RunInteractive, which is called after every inserted point.
  std::atomic<size_t> interactive_waiting_{0};
  size_t ahead_ = 0;  // interactive tasks that were taken since bulk work last was
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Calls `body(worker, i)` once for each i in [0, count), on the calling thread and up to
// `parallelism - 1` threads of the pool; `worker` is below `parallelism` and belongs to one thread
// at a time. Returns when all calls have ended. With parallelism 1 the calls come in order.
// Between calls the workers serve interactive tasks. An exception of a call is passed on to the
// caller once the others have stopped.
void ParallelFor(ThreadPool* pool, size_t parallelism, size_t count,
                 const std::function<void(size_t worker, size_t i)>& body);

}  // namespace vitrine
