#include "binding/addon.h"

#include <string>
#include <utility>

#include "binding/guard.h"
#include "binding/js_value.h"
#include "binding/process_pool.h"

namespace vitrine {
namespace {

// Smaller changes are not worth a call: V8 only needs the magnitude.
constexpr int64_t kReportStep = int64_t{1} << 16;
// What an index with few points takes besides what it counts: whole pages, and the memory of its
// writer. Measured; without it V8 would let thousands of forgotten indexes lie around.
constexpr int64_t kIndexOverhead = int64_t{128} << 10;
constexpr std::chrono::milliseconds kDatabaseInterval{50};

class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    open_ = napi_open_handle_scope(env, &scope_) == napi_ok;
  }
  ~HandleScope() {
    if (open_) napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
  bool open_ = false;
};

napi_value ValueOf(napi_env env, napi_ref reference) {
  napi_value value = nullptr;
  return napi_get_reference_value(env, reference, &value) == napi_ok ? value : nullptr;
}

std::string KernelNames() {
  std::string names;
  for (const KernelTable* table : KernelTables()) {
    if (!table->supported()) continue;
    if (!names.empty()) names += ", ";
    names += table->name;
  }
  return names;
}

// `{ details: { name: value } }`, the last argument of the error class; false when there are none.
bool MakeDetails(napi_env env, const Status& status, napi_value cost, napi_value& options) {
  napi_value details = nullptr;
  if ((status.details().empty() && cost == nullptr) ||
      napi_create_object(env, &options) != napi_ok ||
      napi_create_object(env, &details) != napi_ok) {
    return false;
  }
  if (cost != nullptr && napi_set_named_property(env, details, "cost", cost) != napi_ok) {
    return false;
  }
  for (const ErrorDetail& detail : status.details()) {
    napi_value value = nullptr;
    const std::string* const text = std::get_if<std::string>(&detail.value);
    const napi_status made =
        text != nullptr ? napi_create_string_utf8(env, text->data(), text->size(), &value)
                        : napi_create_double(
                              env, static_cast<double>(std::get<uint64_t>(detail.value)), &value);
    if (made != napi_ok ||
        napi_set_named_property(env, details, detail.name.c_str(), value) != napi_ok) {
      return false;
    }
  }
  return napi_set_named_property(env, options, "details", details) == napi_ok;
}

}  // namespace

// Frees the memory of a closed index away from the event loop, and then settles its close().
class Addon::ReleaseTable final : public Operation {
 public:
  ReleaseTable(std::shared_ptr<IndexHandle> index, std::shared_ptr<Table> table)
      : Operation(Lane::kBulk, std::move(index)), table_(std::move(table)) {}
  bool survives_close() const override { return true; }

  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override {
    return static_cast<napi_value>(nullptr);
  }

 private:
  Status Execute() override { return {}; }
  void ReleaseInputs() override { table_.reset(); }

  std::shared_ptr<Table> table_;
};

Status Addon::Create(napi_env env) {
  auto addon = std::make_unique<Addon>(env);
  VITRINE_RETURN_IF_ERROR(addon->Setup());
  // Removed with the environment, after the cleanup hook and in no certain order with the objects
  // of JavaScript.
  VITRINE_RETURN_IF_JS_ERROR(napi_set_instance_data(
      env, addon.get(),
      [](napi_env, void* data, void*) {
        std::unique_ptr<Addon>(static_cast<Addon*>(data)).reset();
      },
      nullptr));
  Addon* const kept = addon.release();
  VITRINE_RETURN_IF_JS_ERROR(napi_add_env_cleanup_hook(
      env, [](void* data) { static_cast<Addon*>(data)->Shutdown(); }, kept));
  return {};
}

Addon* Addon::Of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok) return nullptr;
  return static_cast<Addon*>(data);
}

Status Addon::Setup() {
  // Before the cleanup hook: hooks run in reverse order, and Shutdown still needs the functions.
  for (napi_threadsafe_function& wake : wakes_) VITRINE_RETURN_IF_ERROR(CreateWake(wake));
  completions_->SetWakes(wakes_);
  return {};
}

Status Addon::CreateWake(napi_threadsafe_function& wake) {
  napi_value name;
  VITRINE_RETURN_IF_JS_ERROR(
      napi_create_string_utf8(env_, "vitrine completions", NAPI_AUTO_LENGTH, &name));
  // The queue outlives the function's finalizer: it is destroyed with it.
  auto queue = std::make_unique<std::shared_ptr<CompletionQueue>>(completions_);
  VITRINE_RETURN_IF_JS_ERROR(napi_create_threadsafe_function(
      env_, nullptr, nullptr, name, 0, 1, queue.get(),
      [](napi_env, void* data, void*) {
        const std::unique_ptr<std::shared_ptr<CompletionQueue>> queue(
            static_cast<std::shared_ptr<CompletionQueue>*>(data));
        (*queue)->Disconnect();
      },
      this, Wake, &wake));
  static_cast<void>(queue.release());
  VITRINE_RETURN_IF_JS_ERROR(napi_unref_threadsafe_function(env_, wake));
  return {};
}

Status Addon::Initialize(napi_value error_class, std::string_view instruction_set) {
  napi_ref reference;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_reference(env_, error_class, 1, &reference));
  if (error_class_ != nullptr) napi_delete_reference(env_, error_class_);
  error_class_ = reference;
  const KernelTable* const kernels = SelectKernels(instruction_set);
  if (kernels == nullptr) {
    return {ErrorCode::kOption, "VITRINE_ISA is '" + std::string(instruction_set) +
                                    "'; this processor runs: " + KernelNames()};
  }
  kernels_ = kernels;
  return {};
}

ThreadPool& Addon::pool() {
  if (pool_ == nullptr) pool_ = AcquireProcessPool();
  return *pool_;
}

Result<napi_value> Addon::Start(std::shared_ptr<Operation> operation, const StartOptions& options) {
  if (ended_) return Status(ErrorCode::kClosed, "the environment is closing");
  if (options.token != nullptr) {
    if (options.token->cancelled) {
      return Status(ErrorCode::kCancelled, "the operation was cancelled");
    }
    options.token->operation = operation;
  }
  pool();
  operation->Attach(completions_);
  PendingCall& pending = pending_.Add(operation);
  napi_value promise = nullptr;
  const Status status = Guard([&]() -> Status {
    VITRINE_RETURN_IF_ERROR(Keep(pending, options));
    VITRINE_RETURN_IF_JS_ERROR(napi_create_promise(env_, &pending.deferred, &promise));
    if (watch_ != nullptr) {
      pending.watch = watch_;
      operation->Watch();
    }
    if (Submit(operation)) return {};
    return {ErrorCode::kOverloaded, "too many operations are waiting; try again later"};
  });
  if (status.ok()) {
    Queued(*operation);
    return promise;
  }
  Forget(pending);
  napi_deferred deferred = pending_.Take(pending).deferred;
  if (deferred == nullptr) return status;
  // A promise that nobody settles would never be freed.
  napi_value error = MakeError(status);
  if (error == nullptr) return status;
  napi_reject_deferred(env_, deferred, error);
  operation->Failed(status);
  return promise;
}

void Addon::Queued(const Operation& operation) {
  if (pending_.size() == 1) SetReferenced(true);
  if (operation.lane() == Operation::Lane::kSearch) ++pending_searches_;
  if (operation.index() == nullptr) return;
  ++operation.index()->pending_;
  if (operation.lane() == Operation::Lane::kWrite) ++operation.index()->pending_writes_;
}

// Keeps what the call came with until it is settled.
Status Addon::Keep(PendingCall& pending, const StartOptions& options) {
  for (size_t i = 0; i < options.outputs.size() && options.outputs[i] != nullptr; ++i) {
    VITRINE_RETURN_IF_JS_ERROR(
        napi_create_reference(env_, options.outputs[i], 1, &pending.outputs[i]));
  }
  if (options.on_progress != nullptr) {
    VITRINE_RETURN_IF_JS_ERROR(
        napi_create_reference(env_, options.on_progress, 1, &pending.on_progress));
  }
  return {};
}

void Addon::Forget(PendingCall& pending) {
  for (napi_ref& output : pending.outputs) {
    if (output != nullptr) napi_delete_reference(env_, std::exchange(output, nullptr));
  }
  if (pending.on_progress != nullptr) {
    napi_delete_reference(env_, std::exchange(pending.on_progress, nullptr));
  }
}

bool Addon::Submit(const std::shared_ptr<Operation>& operation) {
  const Operation::Lane lane = operation->lane();
  if (lane == Operation::Lane::kWrite ||
      (lane == Operation::Lane::kSave && operation->index()->pending_writes() > 0)) {
    return operation->index()->writes()->Push(operation, *pool_);
  }
  return operation->Launch(*pool_);
}

void Addon::Wake(napi_env env, napi_value /*callback*/, void* addon, void* /*data*/) {
  // Without an environment the function is being torn down, and the Addon may be gone.
  if (env == nullptr) return;
  static_cast<Addon*>(addon)->Drain();
}

// A slice of what has finished, in its order; then what awaits it runs, which takes longer than
// settling it, and the event loop has its turn.
void Addon::Drain() {
  if (ended_) return;
  if (std::exchange(owns_more_, false)) {
    look_at_databases_ = {};
    ReportDatabases();
  }
  while (const auto operation = completions_->PopProgress()) CallProgress(*operation);
  const auto begin = std::chrono::steady_clock::now();
  const size_t most = slice_.Begin(begin);
  size_t settled = 0;
  while (settled < most) {
    const auto operation = completions_->PopFinished();
    if (operation == nullptr || ended_) break;
    Settle(*operation);
    ++settled;
    if (std::chrono::steady_clock::now() >= begin + kSliceTime) break;
  }
  slice_.End(settled, completions_->Rest(pending_searches_, owns_more_));
}

void Addon::CallProgress(Operation& operation) {
  PendingCall* const pending = pending_.Find(operation);
  if (pending == nullptr || pending->on_progress == nullptr) return;
  const Operation::Progress progress = operation.progress();
  if (progress == pending->reported) return;
  pending->reported = progress;
  const HandleScope scope(env_);
  napi_value callback = ValueOf(env_, pending->on_progress);
  napi_value receiver = nullptr;
  napi_value arguments[2] = {};
  if (callback == nullptr || napi_get_undefined(env_, &receiver) != napi_ok ||
      napi_create_double(env_, static_cast<double>(progress.done), &arguments[0]) != napi_ok ||
      napi_create_double(env_, static_cast<double>(progress.total), &arguments[1]) != napi_ok) {
    return;
  }
  napi_value ignored = nullptr;
  if (napi_call_function(env_, receiver, callback, 2, arguments, &ignored) == napi_ok) return;
  // lib/ never lets one through: whoever throws here does not want the rest.
  bool thrown = false;
  if (napi_is_exception_pending(env_, &thrown) == napi_ok && thrown) {
    napi_get_and_clear_last_exception(env_, &ignored);
  }
  operation.Cancel(ErrorCode::kCancelled);
}

void Addon::Settle(Operation& operation) {
  const HandleScope scope(env_);
  if (operation.status().ok()) CallProgress(operation);
  PendingCall* const found = pending_.Find(operation);
  if (found == nullptr) return;
  PendingCall pending = pending_.Take(*found);
  if (pending_.empty()) SetReferenced(false);
  if (operation.lane() == Operation::Lane::kSearch) --pending_searches_;
  const std::shared_ptr<IndexHandle> index = operation.index();
  if (index != nullptr) {
    --index->pending_;
    if (operation.lane() == Operation::Lane::kWrite) --index->pending_writes_;
  }

  napi_value value = nullptr;
  Status status = operation.status();
  if (status.ok()) {
    std::array<napi_value, StartOptions::kMaxOutputs> outputs = {};
    for (size_t i = 0; i < outputs.size() && pending.outputs[i] != nullptr; ++i) {
      outputs[i] = ValueOf(env_, pending.outputs[i]);
    }
    status = Guard([&] {
      const Result<napi_value> resolved = operation.Resolve(env_, outputs);
      if (!resolved.ok()) return resolved.status();
      value = *resolved;
      return Status();
    });
  }
  Forget(pending);
  if (pending.watch != nullptr && operation.times() != nullptr) {
    operation.times()->Leave();
    pending.watch->times.Merge(*operation.times());
  }
  if (!status.ok()) operation.Failed(status);
  if (pending.deferred != nullptr) {
    if (status.ok()) {
      if (value == nullptr) napi_get_undefined(env_, &value);
      napi_resolve_deferred(env_, pending.deferred, value);
    } else {
      const Result<napi_value> cost = operation.Cost(env_);
      napi_value error = MakeError(status, cost.ok() ? *cost : nullptr);
      if (error != nullptr) napi_reject_deferred(env_, pending.deferred, error);
    }
  }
  if (operation.lane() == Operation::Lane::kDatabase) ReportDatabases();
  if (index == nullptr) return;
  if (!index->closing_) {
    if (operation.lane() == Operation::Lane::kWrite) ReportMemory(*index);
  } else if (index->pending_ == 0) {
    ReleaseWhenIdle(index);
  }
}

Result<napi_value> Addon::Close(const std::shared_ptr<IndexHandle>& index) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_promise(env_, &deferred, &promise));
  index->close_promises_.push_back(deferred);
  if (index->released_) {
    Released(*index);
    return promise;
  }
  if (index->closing_) return promise;
  index->closing_ = true;
  // Cancelling queues completions but settles nothing yet: no call comes or goes meanwhile.
  pending_.ForEach([&](const PendingCall& pending) {
    if (pending.operation->index() == index && !pending.operation->survives_close()) {
      pending.operation->Cancel(ErrorCode::kClosed);
    }
  });
  if (index->pending_ == 0) ReleaseWhenIdle(index);
  return promise;
}

// The last operation of a closing index has ended: its table can go.
void Addon::ReleaseWhenIdle(const std::shared_ptr<IndexHandle>& index) {
  if (index->table_ == nullptr) {
    Released(*index);
    return;
  }
  auto release = std::make_shared<ReleaseTable>(index, std::move(index->table_));
  release->Attach(completions_);
  PendingCall& pending = pending_.Add(release);
  const Status status = Guard([&]() -> Status {
    if (Submit(release)) return {};
    return {ErrorCode::kOverloaded, "no room in the pool"};
  });
  if (status.ok()) {
    Queued(*release);
    return;
  }
  // Then it is freed here and now.
  pending_.Take(pending);
  release.reset();
  Released(*index);
}

void Addon::Released(IndexHandle& index) {
  index.released_ = true;
  ReportMemory(index);
  std::vector<napi_deferred> promises = std::exchange(index.close_promises_, {});
  for (napi_deferred deferred : promises) {
    napi_value undefined = nullptr;
    if (napi_get_undefined(env_, &undefined) == napi_ok) {
      napi_resolve_deferred(env_, deferred, undefined);
    }
  }
}

void Addon::ReportMemory(IndexHandle& index) {
  if (index.collected_) return;
  int64_t bytes = 0;
  if (index.table_ != nullptr) {
    const size_t used = index.memory().total();
    index.stats().peak()->Note(used);
    bytes = kIndexOverhead + static_cast<int64_t>(used);
  }
  const int64_t change = bytes - index.reported_bytes_;
  if (bytes != 0 && change < kReportStep && change > -kReportStep) return;
  int64_t all = 0;
  if (napi_adjust_external_memory(env_, change, &all) == napi_ok) index.reported_bytes_ = bytes;
}

void Addon::ReportMemory(DatabaseHandle& database) {
  if (database.closing || database.collected) return;
  const auto shares = static_cast<int64_t>(database.database->shares());
  const size_t used = (**database.database).memory().total();
  database.stats.peak()->Note(used);
  const int64_t bytes = kIndexOverhead + static_cast<int64_t>(used) / shares;
  const int64_t change = bytes - database.reported_bytes;
  if (change < kReportStep && change > -kReportStep) return;
  database.ReportMemory(env_, bytes);
}

// Now and then: it looks at every collection.
void Addon::ReportDatabases() {
  const auto now = std::chrono::steady_clock::now();
  if (now < look_at_databases_) return;
  look_at_databases_ = now + kDatabaseInterval;
  for (const auto& weak : databases_) {
    if (const auto database = weak.lock()) ReportMemory(*database);
  }
}

void Addon::Own(std::weak_ptr<DatabaseHandle> database) {
  std::erase_if(databases_, [](const auto& one) { return one.expired(); });
  databases_.push_back(std::move(database));
  owns_more_ = true;
}

napi_value Addon::MakeError(const Status& status, napi_value cost) {
  const std::string_view code = ErrorCodeName(status.code());
  napi_value error_class = error_class_ == nullptr ? nullptr : ValueOf(env_, error_class_);
  napi_value arguments[3] = {};
  if (napi_create_string_utf8(env_, code.data(), code.size(), &arguments[0]) != napi_ok ||
      napi_create_string_utf8(env_, status.message().data(), status.message().size(),
                              &arguments[1]) != napi_ok) {
    return nullptr;
  }
  napi_value error = nullptr;
  if (error_class == nullptr) {
    return napi_create_error(env_, arguments[0], arguments[1], &error) == napi_ok ? error : nullptr;
  }
  const size_t count = MakeDetails(env_, status, cost, arguments[2]) ? 3 : 2;
  return napi_new_instance(env_, error_class, count, arguments, &error) == napi_ok ? error
                                                                                   : nullptr;
}

void Addon::SetReferenced(bool referenced) {
  // Keeps the process alive while something is pending, and only then.
  // One of the functions suffices.
  if (referenced) {
    napi_ref_threadsafe_function(env_, wakes_[0]);
  } else {
    napi_unref_threadsafe_function(env_, wakes_[0]);
  }
}

void Addon::Shutdown() {
  ended_ = true;
  pending_.ForEach(
      [](const PendingCall& pending) { pending.operation->Cancel(ErrorCode::kClosed); });
  completions_->Close();
  for (napi_threadsafe_function wake : wakes_) {
    napi_release_threadsafe_function(wake, napi_tsfn_abort);
  }
  // Their promises stay as they are: nobody is left to hear of them.
  pending_.ForEach([this](PendingCall& pending) {
    pending.operation->Failed({ErrorCode::kClosed, "the environment has ended"});
    Forget(pending);
  });
  pending_.Clear();
  if (error_class_ != nullptr) napi_delete_reference(env_, std::exchange(error_class_, nullptr));
  // Their threads use the pool.
  for (const auto& weak : databases_) {
    const std::shared_ptr<DatabaseHandle> database = weak.lock();
    if (database == nullptr) continue;
    database->StopEvents();
    database->GiveUp();
  }
  pool_.reset();
}

}  // namespace vitrine
