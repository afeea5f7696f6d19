#include "base/thread_pool.h"

#include <atomic>
#include <exception>
#include <utility>

#include "base/await.h"
#include "base/thread_priority.h"

namespace vitrine {
namespace {

// `last` is null where no interactive task was the last thing that was done.
void LeaveUnlessNext(Task* last, const Task& next) {
  if (last != nullptr && last->row() != next.row()) last->LeftLast();
}

}  // namespace

ThreadPool::ThreadPool(NoThreads options) : queue_limit_(options.queue_limit) {}

// Delegates, so that the destructor ends the threads there are when another cannot be made.
ThreadPool::ThreadPool(size_t threads, size_t queue_limit) : ThreadPool(NoThreads{queue_limit}) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  std::deque<std::unique_ptr<Task>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(interactive_);
    for (auto& task : bulk_) dropped.push_back(std::move(task));
    bulk_.clear();
    interactive_waiting_.store(0, std::memory_order_relaxed);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::Submit(std::unique_ptr<Task> task, Priority priority) {
  {
    const std::lock_guard lock(mutex_);
    auto& queue = priority == Priority::kInteractive ? interactive_ : bulk_;
    if (stopping_ || queue.size() >= queue_limit_) return false;
    queue.push_back(std::move(task));
    interactive_waiting_.store(interactive_.size(), std::memory_order_relaxed);
  }
  wake_.notify_one();
  return true;
}

void ThreadPool::RunInteractive() {
  std::unique_ptr<Task> last;
  for (size_t done = 0; done < kMostBetween; ++done) {
    std::unique_ptr<Task> task = TakeInteractive();
    if (task == nullptr) break;
    LeaveUnlessNext(last.get(), *task);
    task->Run();
    last = std::move(task);
  }
  if (last != nullptr) last->LeftLast();
}

std::unique_ptr<Task> ThreadPool::TakeInteractive() {
  if (interactive_waiting_.load(std::memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  return interactive_.empty() ? nullptr : Pop(interactive_);
}

bool ThreadPool::IsInteractiveNext() const {
  return !interactive_.empty() && (bulk_.empty() || ahead_ < kMostAhead);
}

std::unique_ptr<Task> ThreadPool::Pop(std::deque<std::unique_ptr<Task>>& queue) {
  std::unique_ptr<Task> task = std::move(queue.front());
  queue.pop_front();
  interactive_waiting_.store(interactive_.size(), std::memory_order_relaxed);
  return task;
}

size_t ThreadPool::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return interactive_.size() + bulk_.size();
}

void ThreadPool::Work() {
  MakeThreadPatient();
  std::unique_ptr<Task> last;  // interactive, and the last thing that was done
  for (;;) {
    std::unique_ptr<Task> task;
    bool interactive = false;
    {
      std::unique_lock lock(mutex_);
      if (last != nullptr && !IsInteractiveNext()) {
        lock.unlock();
        last->LeftLast();
        last.reset();
        lock.lock();
      }
      Await(wake_, lock, [this] { return stopping_ || !interactive_.empty() || !bulk_.empty(); });
      if (stopping_) return;
      interactive = IsInteractiveNext();
      ahead_ = interactive ? ahead_ + 1 : 0;
      task = Pop(interactive ? interactive_ : bulk_);
    }
    LeaveUnlessNext(last.get(), *task);
    task->Run();
    if (interactive) last = std::move(task);
  }
}

namespace {

// What the threads of one ParallelFor share. Helpers may start late, when all is done and the
// caller has gone: then `closed` keeps them from touching `body`.
struct Loop {
  size_t count;
  const std::function<void(size_t, size_t)>* body;
  ThreadPool* pool;
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};

  std::mutex mutex;
  std::condition_variable idle;
  bool closed = false;
  size_t running = 0;
  size_t workers = 1;
  std::exception_ptr error;

  void Run(size_t worker) {
    try {
      for (;;) {
        const size_t i = next.fetch_add(1, std::memory_order_relaxed);
        if (i >= count || failed.load(std::memory_order_relaxed)) return;
        (*body)(worker, i);
        pool->RunInteractive();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed.store(true, std::memory_order_relaxed);
    }
  }
};

class LoopHelper final : public Task {
 public:
  explicit LoopHelper(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}

  void Run() override {
    size_t worker = 0;
    {
      const std::lock_guard lock(loop_->mutex);
      if (loop_->closed) return;
      ++loop_->running;
      worker = loop_->workers++;
    }
    loop_->Run(worker);
    const std::lock_guard lock(loop_->mutex);
    if (--loop_->running == 0) loop_->idle.notify_all();
  }

 private:
  const std::shared_ptr<Loop> loop_;
};

}  // namespace

void ParallelFor(ThreadPool* pool, size_t parallelism, size_t count,
                 const std::function<void(size_t worker, size_t i)>& body) {
  if (pool == nullptr || parallelism <= 1 || count <= 1) {
    for (size_t i = 0; i < count; ++i) {
      body(0, i);
      if (pool != nullptr) pool->RunInteractive();
    }
    return;
  }
  const auto loop = std::make_shared<Loop>();
  loop->count = count;
  loop->body = &body;
  loop->pool = pool;
  for (size_t i = 1; i < parallelism && i < count; ++i) {
    // A full queue only means fewer helpers.
    if (!pool->Submit(std::make_unique<LoopHelper>(loop), ThreadPool::Priority::kBulk)) break;
  }
  loop->Run(0);
  std::unique_lock lock(loop->mutex);
  loop->closed = true;
  Await(loop->idle, lock, [&] { return loop->running == 0; });
  // Taken out: a helper that comes late must not be the one to destroy it.
  if (const std::exception_ptr error = std::exchange(loop->error, nullptr)) {
    std::rethrow_exception(error);
  }
}

}  // namespace vitrine
