#pragma once

#include <node_api.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/status.h"
#include "base/thread_pool.h"
#include "stats/call_times.h"

namespace vitrine {

class CompletionQueue;
class IndexHandle;

// One asynchronous call: what it was given (copies), what it computes on a thread of the pool, and
// how the result becomes a JavaScript value.
//
// It waits until a thread of the pool claims it and runs it, or `Cancel` claims it first and it
// never runs. Either way it reaches the completion queue of its environment once, and the Addon,
// which keeps the promise, settles it. An operation holds nothing of Node's, so it may be destroyed
// on any thread.
class Operation : public std::enable_shared_from_this<Operation> {
 public:
  enum class Lane : uint8_t {
    kSearch,  // interactive: goes before bulk work
    kBulk,
    kWrite,     // bulk, and one at a time per index, in the order of the calls
    kSave,      // bulk, once the writes before it have ended; those after it do not wait
    kDatabase,  // a write of a database, which gathers what waits: see Launch
  };
  struct Progress {
    uint64_t done = 0;
    uint64_t total = 0;
    friend bool operator==(const Progress&, const Progress&) = default;
  };

  // `index` is null for an operation that makes an index.
  Operation(Lane lane, std::shared_ptr<IndexHandle> index);
  virtual ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  Lane lane() const { return lane_; }
  const std::shared_ptr<IndexHandle>& index() const { return index_; }
  // Whether closing the index waits for it instead of cancelling it.
  virtual bool survives_close() const { return false; }

  // Where it goes when it is done. REQUIRES: once, before Run or Cancel
  void Attach(std::shared_ptr<CompletionQueue> completions);
  // Somebody wants to know when it is in which phase: it waits from now on. REQUIRES: before Launch
  void Watch();
  // Hands it to whoever does it; false when there is no room. On the JS thread.
  [[nodiscard]] virtual bool Launch(ThreadPool& pool);
  // Ends it with `reason`: at once if it still waits, else soon; see EndEarly. On the JS thread.
  void Cancel(ErrorCode reason);
  // On a thread of the pool. Does nothing when it was cancelled before.
  void Run();
  // That thread does something else than searches of this environment from now on.
  void LeftLast();
  // Its environment's, for comparison.
  const void* row() const { return completions_.get(); }

  // Once it is done, on the JS thread.
  const Status& status() const { return status_; }
  // The value that the promise resolves with. `outputs` are the arrays that came with the call.
  // REQUIRES: status().ok()
  virtual Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) = 0;
  // It ends with `status`, which is no success. Once, on the JS thread.
  virtual void Failed(const Status& /*status*/) {}
  // What it had done when it failed, for `details.cost` of the error; null: nobody asked. On the JS
  // thread.
  virtual Result<napi_value> Cost(napi_env /*env*/) { return nullptr; }
  // When it was in which phase; null unless it is watched. Once it is done, on the JS thread.
  CallTimes* times() { return times_.get(); }
  // How far it is. Any thread.
  Progress progress() const;

 protected:
  // On a thread of the pool.
  virtual Status Execute() = 0;
  // What it ends with when it is cancelled and does not run; nothing: it goes on, and ends by
  // itself. On the JS thread.
  virtual std::optional<Status> EndEarly(ErrorCode reason) { return StatusOf(reason); }
  // How far one is that is done elsewhere than in Execute.
  struct Course {
    std::optional<uint64_t>
        started;                     // ticks of the clock when it began to run; nothing: it has not
    std::optional<CallTimes> times;  // when it was in which phase; nothing unless it is watched
  };
  // Any thread.
  virtual Course course() const { return {}; }
  // Whether somebody wants to know when it ran. Any thread.
  virtual bool is_timed() const { return false; }
  // It was done elsewhere than in Execute, or is still: it ran from `ticks` of the clock until now.
  // And: it waited until now, and does not run. By whoever claimed it.
  virtual void RanSince(uint64_t /*ticks*/) {}
  virtual void NeverRan() {}
  // Frees what it was given, for it will not run (again).
  virtual void ReleaseInputs() = 0;

  const std::atomic<bool>& cancelled() const { return cancelled_; }
  // Why it was cancelled. REQUIRES: it was
  ErrorCode reason() const { return reason_.load(std::memory_order_relaxed); }
  static Status StatusOf(ErrorCode reason);
  // Ends an operation that was done elsewhere than in Execute. Any thread; once.
  void Finish(Status status);
  // Tells the environment, now and then, how far it is. On the thread that runs it.
  void ReportProgress(uint64_t done, uint64_t total);

 private:
  friend class CompletionQueue;
  friend class PendingCalls;

  enum class Phase : uint8_t { kWaiting, kClaimed };
  bool Claim();
  // It ends as it is done elsewhere. By whoever claimed it.
  void EndCourse();

  const Lane lane_;
  const std::shared_ptr<IndexHandle> index_;
  std::shared_ptr<CompletionQueue> completions_;
  uint32_t place_ = 0;  // of PendingCalls

  // Acquire and release: whoever claims it owns what it holds.
  std::atomic<Phase> phase_{Phase::kWaiting};
  // Relaxed: the engine looks at the flag alone; what set it is read when the engine has stopped.
  std::atomic<bool> cancelled_{false};
  std::atomic<ErrorCode> reason_{ErrorCode::kCancelled};
  Status status_;
  // Belongs to whoever claimed it, and then to the JS thread.
  std::unique_ptr<CallTimes> times_;

  // Relaxed: two numbers for display.
  std::atomic<uint64_t> progress_done_{0};
  std::atomic<uint64_t> progress_total_{0};
  std::chrono::steady_clock::time_point last_progress_ = {};

  // Guarded by the completion queue.
  std::shared_ptr<Operation> next_finished_;
  std::shared_ptr<Operation> next_progress_;
  bool progress_queued_ = false;
};

// Queues `operation`; false when the pool is full. May throw std::bad_alloc.
[[nodiscard]] bool SubmitOperation(ThreadPool& pool, std::shared_ptr<Operation> operation);

}  // namespace vitrine
