#include "base/background_steps.h"

#include <condition_variable>
#include <mutex>
#include <new>
#include <utility>

#include "base/await.h"

namespace vitrine {

// Outlives the object while a task of it waits in the pool.
struct BackgroundSteps::State {
  explicit State(ThreadPool* its_pool) : pool(its_pool) {}

  ThreadPool* const pool;
  std::mutex mutex;
  std::condition_variable idle;
  bool closed = false;
  bool running = false;
  Step step;  // empty: no work
};

class BackgroundSteps::StepTask final : public Task {
 public:
  explicit StepTask(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void Run() override {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->closed) return;
      state_->running = true;
    }
    bool more = false;
    try {
      more = state_->step();
    } catch (...) {
      more = false;
    }
    Step done;
    if (!more) {
      const std::lock_guard lock(state_->mutex);
      done = std::exchange(state_->step, nullptr);
    }
    // What the step holds goes while the owner still waits for it.
    done = nullptr;
    {
      const std::lock_guard lock(state_->mutex);
      state_->running = false;
      state_->idle.notify_all();
      if (!more || state_->closed) return;
    }
    // From here on the owner may be gone; then the next task does nothing.
    if (Submit(state_) != Beginning::kStarted) Drop();
  }

  static Beginning Submit(const std::shared_ptr<State>& state) {
    try {
      const bool submitted =
          state->pool->Submit(std::make_unique<StepTask>(state), ThreadPool::Priority::kBulk);
      return submitted ? Beginning::kStarted : Beginning::kRefused;
    } catch (const std::bad_alloc&) {
      return Beginning::kNoMemory;
    }
  }

 private:
  // What the step holds goes while the owner waits, unless it takes the step itself.
  void Drop() {
    Step done;
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->closed) return;
      state_->running = true;
      done.swap(state_->step);
    }
    done = nullptr;
    const std::lock_guard lock(state_->mutex);
    state_->running = false;
    state_->idle.notify_all();
  }

  const std::shared_ptr<State> state_;
};

BackgroundSteps::BackgroundSteps(ThreadPool* pool) : state_(std::make_shared<State>(pool)) {}

BackgroundSteps::~BackgroundSteps() {
  Step dropped;
  std::unique_lock lock(state_->mutex);
  state_->closed = true;
  Await(state_->idle, lock, [this] { return !state_->running; });
  dropped.swap(state_->step);
}

BackgroundSteps::Beginning BackgroundSteps::Begin(Step step) {
  if (state_->pool == nullptr || !step) return Beginning::kRefused;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->closed || state_->step || state_->running) return Beginning::kRefused;
    state_->step = std::move(step);
  }
  const Beginning beginning = StepTask::Submit(state_);
  if (beginning == Beginning::kStarted) return beginning;
  Step dropped;
  const std::lock_guard lock(state_->mutex);
  dropped.swap(state_->step);
  return beginning;
}

BackgroundSteps::Beginning BackgroundSteps::BeginMade(Step (*make)(void*), void* context) {
  try {
    return Begin(make(context));
  } catch (const std::bad_alloc&) {
    return Beginning::kNoMemory;
  }
}

bool BackgroundSteps::busy() const {
  const std::lock_guard lock(state_->mutex);
  return state_->running || state_->step != nullptr;
}

}  // namespace vitrine
