#include "binding/process_pool.h"

#include <algorithm>
#include <mutex>
#include <thread>

namespace vitrine {

size_t ProcessPoolThreads() { return std::max<size_t>(1, std::thread::hardware_concurrency()); }

std::shared_ptr<ThreadPool> AcquireProcessPool() {
  // The one thing that environments share: threads are a resource of the process. Threads of the
  // pool never touch the registry, so it may be destroyed before they end when the process exits.
  struct Registry {
    std::mutex mutex;
    std::weak_ptr<ThreadPool> pool;
  };
  static Registry registry;
  const std::lock_guard lock(registry.mutex);
  std::shared_ptr<ThreadPool> pool = registry.pool.lock();
  if (pool == nullptr) {
    pool = std::make_shared<ThreadPool>(ProcessPoolThreads());
    registry.pool = pool;
  }
  return pool;
}

}  // namespace vitrine
