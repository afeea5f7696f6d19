#pragma once

#include <functional>
#include <memory>

#include "base/thread_pool.h"

namespace vitrine {

// One piece of work that a pool does in small steps, behind all other work that waits. Whoever owns
// the object may be used by the steps: none runs any more once it is destroyed.
//
// Thread safety: all functions may be called from any thread; the destructor not from a step.
class BackgroundSteps {
 public:
  // `pool`, which may be null, outlives the object.
  explicit BackgroundSteps(ThreadPool* pool);
  // Waits for the step under way.
  ~BackgroundSteps();
  BackgroundSteps(const BackgroundSteps&) = delete;
  BackgroundSteps& operator=(const BackgroundSteps&) = delete;

  // Has `step` called until it returns false. False, and nothing happens, while other work is under
  // way, without a pool or when its queue is full. A step should take a few milliseconds; one that
  // throws is the last.
  bool Start(std::function<bool()> step);
  bool busy() const;

 private:
  struct State;
  class StepTask;

  const std::shared_ptr<State> state_;
};

}  // namespace vitrine
