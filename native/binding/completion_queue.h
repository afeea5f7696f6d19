#pragma once

#include <node_api.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace vitrine {

class Operation;

// The way back from the pool to one environment: operations that have finished or made progress,
// in order, and two thread-safe functions that wake the environment's thread for any number of
// them.
//
// The functions take turns. Node calls one that is called again meanwhile at once, up to 1,000
// times, before timers and sockets have theirs; two of them come one after the other at most.
//
// Thread safety: all functions may be called from any thread.
class CompletionQueue {
 public:
  CompletionQueue() = default;
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  using Wakes = std::array<napi_threadsafe_function, 2>;
  // `wakes` are called, without waiting, until Close or Disconnect. REQUIRES: nothing was queued
  // yet
  void SetWakes(const Wakes& wakes);

  // An operation begins to run; false once the environment is closing. Every Begin that is true is
  // followed by one End.
  [[nodiscard]] bool Begin();
  void End();

  void PushFinished(std::shared_ptr<Operation> operation);
  void PushProgress(std::shared_ptr<Operation> operation);
  // The next of either kind; null when there is none.
  std::shared_ptr<Operation> PopFinished();
  std::shared_ptr<Operation> PopProgress();
  // The environment's thread has ended its turn: what is left, or pushed from here on, wakes it
  // again; while it waits for many searches, a few of them together. Returns whether anything is
  // left.
  //   searches  that wait for the pool or run there
  //   again     wakes it once more in any case
  bool Rest(size_t searches, bool again);
  // A thread of the pool does something else than searches of this environment from now on: what
  // has finished does not wait for more of them.
  void Release();

  // From here on nothing begins, and what is pushed is dropped. Returns when what runs has ended.
  void Close();
  // The same without waiting: the thread-safe function is about to go.
  void Disconnect();

 private:
  // First in, first out, linked through the operations: queueing one cannot fail for lack of
  // memory.
  using Link = std::shared_ptr<Operation> Operation::*;
  struct List {
    std::shared_ptr<Operation> first;
    Operation* last = nullptr;
  };
  static void Push(List& list, Link link, std::shared_ptr<Operation> operation);
  static std::shared_ptr<Operation> Pop(List& list, Link link);
  void Wake();
  bool WaitsForMore();

  std::mutex mutex_;
  std::condition_variable idle_;
  List finished_;
  List progress_;
  Wakes wakes_ = {};
  size_t next_wake_ = 0;
  bool woken_ = false;
  size_t searches_ = 0;  // that the environment's thread waits for, at least
  size_t held_ = 0;      // finished ones that have not woken it
  std::chrono::steady_clock::time_point held_since_;
  bool closed_ = false;
  size_t running_ = 0;
};

}  // namespace vitrine
