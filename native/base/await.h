#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace vitrine {

// Waits on `changed` until `holds`, however long that takes.
//   holds  called with `lock` held, at first and whenever `changed` is notified
// In place of std::condition_variable::wait: GCC 12 binds that to GLIBCXX_3.4.30, which the oldest
// systems that the package supports do not have. Waiting with a limit is compiled in instead, and
// the limit only means that a thread which waits for an hour looks again.
template <typename Predicate>
void Await(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Predicate holds) {
  while (!holds()) changed.wait_for(lock, std::chrono::hours(1));
}

}  // namespace vitrine
