#pragma once

#include <node_api.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <variant>

#include "binding/operation.h"
#include "binding/process_databases.h"
#include "engine/pending_write.h"

namespace vitrine {

// What the promise of a write becomes.
using ResolveWrite = std::function<Result<napi_value>(napi_env env, const WriteResult& result)>;

// A write of a database, from the call until its promise is settled. It waits in the database's own
// queue: all that waits there shares a flush, and takes one thread of the pool.
class DatabaseWrite : public Operation {
 public:
  DatabaseWrite(std::shared_ptr<SharedDatabase> database,
                std::variant<Transaction, ConfigurationChange> what, ResolveWrite resolve,
                std::chrono::milliseconds timeout);
  // What a transaction consists of. REQUIRES: before it is started
  void Holds(size_t points, size_t puts) {
    counted_points_ = points;
    counted_puts_ = puts;
  }

  bool Launch(ThreadPool& pool) override;
  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return resolve_(env, result_);
  }

 protected:
  void Describe(OperationRecord& record) const {
    record.vectors = counted_points_;
    if (status().ok()) record.indexed = counted_puts_;
  }
  Status Execute() override {
    return {ErrorCode::kInternal, "a write of a database does not run by itself"};
  }
  void ReleaseInputs() override { database_.reset(); }

 private:
  class Waiting;

  std::optional<Status> EndEarly(ErrorCode reason) override;
  Course course() const override;
  // On the thread that writes; `first` is the phase that it is in from now on.
  Status TakeTurn(CallPhase first);
  // REQUIRES: it is watched
  void Enter(CallPhase phase);

  enum class Turn : uint8_t { kWaits, kTaken, kNever };
  // Acquire and release: who moves it away from kWaits decides, the JS thread or who writes.
  std::atomic<Turn> turn_{Turn::kWaits};
  // Its own times are those of whoever settles it, which may be while it is still written.
  mutable std::mutex course_mutex_;
  Course course_;  // guarded by it once it is launched
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::shared_ptr<SharedDatabase> database_;
  std::variant<Transaction, ConfigurationChange> what_;
  const ResolveWrite resolve_;
  WriteResult result_;
  std::optional<size_t> counted_points_;  // of a transaction
  size_t counted_puts_ = 0;
};

}  // namespace vitrine
