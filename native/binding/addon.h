#pragma once

#include <node_api.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/slice_size.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "binding/call_watch.h"
#include "binding/completion_queue.h"
#include "binding/database_handle.h"
#include "binding/handle.h"
#include "binding/index_handle.h"
#include "binding/operation.h"
#include "binding/pending_calls.h"
#include "binding/query_blocks.h"
#include "engine/table.h"
#include "kernels/kernels.h"

namespace vitrine {

// What an asynchronous call hands over besides its operation; all but `outputs` may be null.
struct StartOptions {
  static constexpr size_t kMaxOutputs = PendingCall::kMaxOutputs;

  std::array<napi_value, kMaxOutputs> outputs = {};  // typed arrays, kept until it is settled
  napi_value on_progress = nullptr;                  // function (done, total)
  CancelToken* token = nullptr;
};

// Everything of one Node environment (the main thread, or a worker): its error class, its pending
// promises, its share of the thread pool. On the JS thread only.
//
// When the environment ends, Shutdown cancels what waits and waits for what runs; from then on only
// the objects of JavaScript that are still to be collected hold the Addon.
class Addon {
 public:
  // Makes the Addon of an environment: its instance data.
  static Status Create(napi_env env);
  // Null when the environment has none.
  static Addon* Of(napi_env env);

  explicit Addon(napi_env env) : env_(env) {}
  ~Addon() = default;
  Addon(const Addon&) = delete;
  Addon& operator=(const Addon&) = delete;

  // Takes the class of errors, and chooses the kernels: the best, or those that are named. Before
  // anything else.
  Status Initialize(napi_value error_class, std::string_view instruction_set);
  bool initialized() const { return kernels_ != nullptr; }
  const KernelTable& kernels() const { return *kernels_; }
  ThreadPool& pool();

  // Hands `operation` to the pool. Returns its promise.
  Result<napi_value> Start(std::shared_ptr<Operation> operation, const StartOptions& options = {});
  // Refuses new work, ends pending work and releases the table. Returns a promise of that.
  Result<napi_value> Close(const std::shared_ptr<IndexHandle>& index);
  // Tells V8 how much memory the index takes.
  void ReportMemory(IndexHandle& index);
  // The same of a database, whose environments share it.
  void ReportMemory(DatabaseHandle& database);

  // Lets a database end with the environment, if nobody closes it before. V8 is told of its memory
  // in the next turn of the event loop: it collects garbage when it hears of so much at once, and
  // who opened the database need not wait for that.
  void Own(std::weak_ptr<DatabaseHandle> database);

  // A VitrineError; null when the environment cannot make one.
  //   cost  becomes `details.cost`; null: there is none
  napi_value MakeError(const Status& status, napi_value cost = nullptr);

  // The copy of a query that is searched for away from this thread. May throw std::bad_alloc.
  VectorCopy CopyQuery(const TypedArray& query, VectorType type) {
    return query_blocks_.Copy(query, type, pending_searches_);
  }

  // Who wants to know what calls that begin now spend their time on; null: nobody.
  CallWatch* watch() const { return watch_.get(); }
  void SetWatch(std::shared_ptr<CallWatch> watch) { watch_ = std::move(watch); }

  const std::shared_ptr<Handles>& handles() const { return handles_; }

  // For synchronous searches: the query's copy and its hits.
  std::vector<std::byte>& query_buffer() { return query_buffer_; }
  std::vector<Hit>& hit_buffer() { return hit_buffer_; }

 private:
  class ReleaseTable;

  static void Wake(napi_env env, napi_value callback, void* addon, void* data);
  Status Setup();
  Status CreateWake(napi_threadsafe_function& wake);
  void Shutdown();
  void Drain();
  Status Keep(PendingCall& pending, const StartOptions& options);
  void Forget(PendingCall& pending);
  bool Submit(const std::shared_ptr<Operation>& operation);
  void Queued(const Operation& operation);
  void Settle(Operation& operation);
  void CallProgress(Operation& operation);
  void ReportDatabases();
  void ReleaseWhenIdle(const std::shared_ptr<IndexHandle>& index);
  void Released(IndexHandle& index);
  void SetReferenced(bool referenced);

  napi_env env_;
  napi_ref error_class_ = nullptr;
  const KernelTable* kernels_ = nullptr;
  std::shared_ptr<ThreadPool> pool_;
  const std::shared_ptr<CompletionQueue> completions_ = std::make_shared<CompletionQueue>();
  CompletionQueue::Wakes wakes_ = {};
  // Its promises, and with them the process's wish to stay alive.
  PendingCalls pending_;
  size_t pending_searches_ = 0;  // among them
  QueryBlocks query_blocks_;
  // How many results are settled before the event loop goes on.
  static constexpr std::chrono::milliseconds kSliceTime{1};
  SliceSize slice_{{.time = kSliceTime, .most = 32}};
  std::vector<std::weak_ptr<DatabaseHandle>> databases_;
  // When it is looked again at what databases take.
  std::chrono::steady_clock::time_point look_at_databases_;
  bool owns_more_ = false;  // than were looked at
  bool ended_ = false;
  std::shared_ptr<CallWatch> watch_;
  const std::shared_ptr<Handles> handles_ = std::make_shared<Handles>();
  std::vector<std::byte> query_buffer_;
  std::vector<Hit> hit_buffer_;
};

}  // namespace vitrine
