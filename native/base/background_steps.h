#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/thread_pool.h"

namespace vitrine {

// One piece of work that a pool does in small steps, behind all other work that waits. Whoever owns
// the object may be used by the steps: none runs any more once it is destroyed.
//
// Thread safety: all functions may be called from any thread; the destructor not from a step.
class BackgroundSteps {
 public:
  using Step = std::function<bool()>;

  // `pool`, which may be null, outlives the object.
  explicit BackgroundSteps(ThreadPool* pool);
  // Waits for the step under way.
  ~BackgroundSteps();
  BackgroundSteps(const BackgroundSteps&) = delete;
  BackgroundSteps& operator=(const BackgroundSteps&) = delete;

  // Has `step` called until it returns false. False, and nothing happens, while other work is under
  // way, without a pool or when its queue is full. A step should take a few milliseconds; one
  // that throws is the last.
  bool Start(Step step) { return Begin(std::move(step)) == Beginning::kStarted; }

  enum class Beginning : uint8_t {
    kStarted,
    kRefused,   // as Start says, or there was no step
    kNoMemory,  // for the step, or for its place in the queue
  };
  // The same of what `make()` returns, on the calling thread, which goes on when that gets no
  // memory.
  template <typename Make>
  Beginning StartMade(Make make) {
    return BeginMade([](void* context) { return (*static_cast<Make*>(context))(); }, &make);
  }
  bool busy() const;

 private:
  struct State;
  class StepTask;

  Beginning Begin(Step step);
  Beginning BeginMade(Step (*make)(void* context), void* context);

  const std::shared_ptr<State> state_;
};

}  // namespace vitrine
