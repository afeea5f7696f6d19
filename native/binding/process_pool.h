#pragma once

#include <memory>

#include "base/thread_pool.h"

namespace vitrine {

// As many threads as the processor runs at once.
size_t ProcessPoolThreads();

// The pool that all environments (the main thread and workers) of this process share. Made for the
// first that asks; its threads end when the last lets go, which must not happen on one of them.
std::shared_ptr<ThreadPool> AcquireProcessPool();

}  // namespace vitrine
