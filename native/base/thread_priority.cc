#include "base/thread_priority.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

namespace vitrine {

#if defined(__linux__)
namespace {

constexpr int kPatience = 3;

}  // namespace
#endif

void MakeThreadIdle() {
#if defined(__linux__)
  // On Linux both count for a thread. ioprio_set(2) has no wrapper; 3 << 13 is the idle class.
  constexpr int kWhoThread = 1;
  constexpr int kIdleClass = 3 << 13;
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
  (void)syscall(SYS_ioprio_set, kWhoThread, 0, kIdleClass);
#elif defined(__APPLE__)
  (void)pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 0);
#elif defined(_WIN32)
  (void)SetThreadPriority(GetCurrentThread(), THREAD_MODE_BACKGROUND_BEGIN);
#endif
}

void MakeThreadPatient() {
#if defined(__linux__)
  // Not with what the C library offers: musl refuses. 0 is the calling thread.
  const sched_param priority = {};
  if (syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER) return;
  (void)syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &priority);
  // Half of the weight. On Linux both are of the calling thread; -1 may be its niceness, and leads
  // nowhere else.
  const int niceness = getpriority(PRIO_PROCESS, 0);
  (void)setpriority(PRIO_PROCESS, 0, niceness + kPatience);
#endif
}

}  // namespace vitrine
