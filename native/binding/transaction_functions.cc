// Writes of a database: gathered on the JS thread, done with those of others, and settled when the
// log has them.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "base/siphash.h"
#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/option_rules.h"
#include "stats/tick_clock.h"

namespace vitrine {
namespace {

// Does what waits to be written to a database.
class DrainTask final : public Task {
 public:
  explicit DrainTask(std::shared_ptr<SharedDatabase> database) : database_(std::move(database)) {}
  void Run() override {
    (void)Guard([this] {
      (**database_).Drain();
      return Status();
    }).ok();
  }

 private:
  const std::shared_ptr<SharedDatabase> database_;
};

// A write, from the call until its promise is settled. It waits in the database's own queue: all
// that waits there shares a flush, and takes one thread of the pool.
class DatabaseWrite : public Operation {
 public:
  DatabaseWrite(std::shared_ptr<SharedDatabase> database,
                std::variant<Transaction, ConfigurationChange> what, ResolveWrite resolve,
                std::chrono::milliseconds timeout)
      : Operation(Lane::kDatabase, nullptr),
        database_(std::move(database)),
        what_(std::move(what)),
        resolve_(std::move(resolve)) {
    if (timeout.count() > 0) deadline_ = std::chrono::steady_clock::now() + timeout;
  }
  // What a transaction consists of. REQUIRES: before it is started
  void Holds(size_t points, size_t puts) {
    counted_points_ = points;
    counted_puts_ = puts;
  }

  bool Launch(ThreadPool& pool) override {
    if (times() != nullptr) course_.times.emplace(*times());
    auto self = std::static_pointer_cast<DatabaseWrite>(shared_from_this());
    const std::shared_ptr<Waiting> waiting =
        std::holds_alternative<Transaction>(what_)
            ? std::make_shared<Waiting>(std::get<Transaction>(std::move(what_)), std::move(self))
            : std::make_shared<Waiting>(std::get<ConfigurationChange>(std::move(what_)),
                                        std::move(self));
    auto drain = std::make_unique<DrainTask>(database_);
    if (!(**database_).Enqueue(waiting)) return true;
    const Status submitted = Guard([&]() -> Status {
      if (pool.Submit(std::move(drain), ThreadPool::Priority::kBulk)) return {};
      return {ErrorCode::kOverloaded, "the pool is full"};
    });
    // The queue has been promised that somebody will do it, and this thread must not.
    if (!submitted.ok()) (**database_).DrainInBackground();
    return true;
  }

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
  class Waiting final : public PendingWrite {
   public:
    template <typename What>
    Waiting(What what, std::shared_ptr<DatabaseWrite> operation)
        : PendingWrite(std::move(what)),
          operation_(std::move(operation)),
          watched_(operation_->course_.times.has_value()),
          first_(std::is_same_v<What, Transaction> ? CallPhase::kPlan : CallPhase::kExecute) {}

    void Finished() override {
      const Status status = Guard([this]() -> Status {
        Result<WriteResult> outcome = TakeOutcome();
        if (!outcome.ok()) return outcome.status();
        operation_->result_ = *outcome;
        return {};
      });
      operation_->Finish(status);
      operation_.reset();
    }
    Status TakeTurn() override { return operation_->TakeTurn(first_); }
    bool is_watched() const override { return watched_; }
    void Enter(WritePhase phase) override {
      constexpr CallPhase kPhases[] = {CallPhase::kGraphLink, CallPhase::kWal, CallPhase::kFsync,
                                       CallPhase::kCommit};
      operation_->Enter(kPhases[static_cast<size_t>(phase)]);
    }

   private:
    std::shared_ptr<DatabaseWrite> operation_;
    const bool watched_;
    const CallPhase first_;
  };

  // One that waits for its turn has not begun; of one that has, only a timeout does not wait for
  // the outcome, which then nobody knows.
  std::optional<Status> EndEarly(ErrorCode reason) override {
    Turn waits = Turn::kWaits;
    if (turn_.compare_exchange_strong(waits, Turn::kNever, std::memory_order_acq_rel)) {
      return NotApplied(StatusOf(reason));
    }
    if (reason == ErrorCode::kTimeout) return UnknownOutcome(StatusOf(reason));
    return {};
  }
  Course course() const override {
    const std::lock_guard lock(course_mutex_);
    return course_;
  }
  // On the thread that writes; `first` is the phase that it is in from now on.
  Status TakeTurn(CallPhase first) {
    if (turn_.load(std::memory_order_acquire) == Turn::kNever) return StatusOf(reason());
    if (deadline_ && std::chrono::steady_clock::now() >= *deadline_) {
      return StatusOf(ErrorCode::kTimeout);
    }
    // Whoever finds that it has its turn finds since when, too.
    const std::lock_guard lock(course_mutex_);
    Turn waits = Turn::kWaits;
    if (!turn_.compare_exchange_strong(waits, Turn::kTaken, std::memory_order_acq_rel)) {
      return StatusOf(reason());
    }
    if (is_timed()) course_.started = TickClock::Process().Now();
    if (course_.times) course_.times->Enter(first);
    return {};
  }
  // REQUIRES: it is watched
  void Enter(CallPhase phase) {
    const std::lock_guard lock(course_mutex_);
    course_.times->Enter(phase);
  }

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

Result<std::shared_ptr<TransactionHandle>> ReadTransaction(Call& call, size_t argument) {
  const auto handle = ReadHandle<TransactionHandle>(call.env, call[argument]);
  if (!handle.ok()) return handle.status();
  if (!(**handle)->transaction) {
    return Status(ErrorCode::kArgument, "the transaction has been committed already");
  }
  return **handle;
}

// A collection of the transaction's own database.
Result<std::shared_ptr<CollectionHandle>> ReadCollectionOf(Call& call, size_t argument,
                                                           const TransactionHandle& transaction) {
  Result<std::shared_ptr<CollectionHandle>> collection = ReadOpenCollection(call, argument);
  if (!collection.ok() || (*collection)->owner == transaction.owner) return collection;
  return Status(ErrorCode::kArgument, "the collection is of another database");
}

// What a call adds to: the transaction, and the collection that its first two arguments name.
struct Target {
  std::shared_ptr<TransactionHandle> transaction;
  std::shared_ptr<CollectionHandle> collection;

  size_t dimension() const { return collection->collection->dimension(); }
  VectorType vector_type() const { return collection->collection->type(); }
  PointWrite Write(OperationType type) const {
    PointWrite write;
    write.collection = collection->collection->id();
    write.type = type;
    return write;
  }
  Status Add(const PointWrite& write) const { return transaction->transaction->Add(write); }
  void Count(CountedOperation operation, size_t points) const {
    transaction->counted.Add(operation, collection->collection, points);
  }
};

Result<Target> ReadTarget(Call& call) {
  Result<std::shared_ptr<TransactionHandle>> transaction = ReadTransaction(call, 0);
  if (!transaction.ok()) return transaction.status();
  Result<std::shared_ptr<CollectionHandle>> collection = ReadCollectionOf(call, 1, **transaction);
  if (!collection.ok()) return collection.status();
  return Target{std::move(*transaction), std::move(*collection)};
}

// One call that puts operations into a transaction, counted and timed.
Result<napi_value> MeasuredGather(Call& call, CountedOperation operation,
                                  Result<napi_value> (*gather)(Call&, const Target&)) {
  const Result<Target> target = ReadTarget(call);
  if (!target.ok()) return target.status();
  MeasuredCall measured(target->collection->places(), operation);
  return measured.Gathered(gather(call, *target));
}

}  // namespace

Result<napi_value> StartChange(Call& call, const std::shared_ptr<DatabaseHandle>& database,
                               ConfigurationChange change, ResolveWrite resolve,
                               const StartOptions& options, const MeasuredCall& measured) {
  return call.addon.Start(
      MakeMeasured<DatabaseWrite>(measured, database->database, std::move(change),
                                  std::move(resolve), std::chrono::milliseconds(0)),
      options);
}

Result<PointKey> ReadKey(napi_env env, napi_value value, std::string& text) {
  napi_valuetype type;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(env, value, &type));
  if (type != napi_string) {
    const Result<PointId> number = ReadId(env, value, IdType::kU64);
    if (!number.ok()) return number.status();
    return PointKey::Number(*number);
  }
  Result<std::string> read = ReadString(env, value, "an id");
  if (!read.ok()) return read.status();
  if (read->empty() || read->size() > kMaxKeyBytes) {
    return Status(ErrorCode::kId, "an id of text has 1 to " + std::to_string(kMaxKeyBytes) +
                                      " bytes, not " + std::to_string(read->size()));
  }
  text = std::move(*read);
  return PointKey::Text(text);
}

// createTransaction(database: DatabaseHandle): TransactionHandle
Result<napi_value> CreateTransaction(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const auto handle = std::make_shared<TransactionHandle>();
  handle->owner = *owner;
  handle->transaction.emplace();
  return WrapHandle(call.env, handle);
}

namespace {

// By the last argument of putPoints; what is none is refused later.
CountedOperation PutOperation(Call& call) {
  const Result<bool> insert = ReadBool(call.env, call[5], "insert");
  return insert.ok() && *insert ? CountedOperation::kInsert : CountedOperation::kUpsert;
}

Result<napi_value> GatherPuts(Call& call, const Target& target) {
  const Result<uint32_t> count = ReadArrayLength(call.env, call[2], "ids");
  if (!count.ok()) return count.status();
  const bool has_payloads = !IsUndefined(call.env, call[4]);
  if (has_payloads) {
    const Result<uint32_t> payloads = ReadArrayLength(call.env, call[4], "payloads");
    if (!payloads.ok()) return payloads.status();
    if (*payloads != *count) {
      return Status(ErrorCode::kArgument,
                    std::to_string(*count) + " ids for " + std::to_string(*payloads) + " payloads");
    }
  }
  const Result<bool> insert = ReadBool(call.env, call[5], "insert");
  if (!insert.ok()) return insert.status();
  const VectorType type = target.vector_type();
  const size_t elements = ElementsOf(type, target.dimension());
  const size_t bytes = VectorBytes(type, target.dimension());
  const Result<TypedArray> all = ReadVectorArray(call.env, call[3], type, "vectors");
  if (!all.ok()) return all.status();
  if (all->length == *count * elements) {
    target.transaction->transaction->Reserve(*count, *count * bytes);
  }
  PointWrite write = target.Write(OperationType::kPut);
  write.vector_type = type;
  write.condition = *insert ? Condition::kAbsent : Condition::kNone;
  std::string text;
  std::string payload;
  for (uint32_t i = 0; i < *count; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[2], i, &element));
    const Result<PointKey> key = ReadKey(call.env, element, text);
    if (!key.ok()) return key.status();
    write.key = *key;
    write.payload.reset();
    if (has_payloads) {
      VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[4], i, &element));
      if (!IsUndefined(call.env, element)) {
        Result<std::string> read = ReadString(call.env, element, "a payload");
        if (!read.ok()) return read.status();
        payload = std::move(*read);
        write.payload = std::as_bytes(std::span(payload));
      }
    }
    // Read anew each time: an array that is not plain may have run code that detached it.
    const Result<TypedArray> vectors = ReadVectorArray(call.env, call[3], type, "vectors");
    if (!vectors.ok()) return vectors.status();
    if (vectors->length != *count * elements) {
      return Status(ErrorCode::kDimension, std::to_string(vectors->length) + " components for " +
                                               std::to_string(*count) + " vectors of " +
                                               std::to_string(elements));
    }
    write.vector = {vectors->data + i * bytes, bytes};
    VITRINE_RETURN_IF_ERROR(target.Add(write));
  }
  target.Count(PutOperation(call), *count);
  return Undefined();
}

}  // namespace

// putPoints(transaction: TransactionHandle, collection: CollectionHandle,
//   keys: readonly (string | number | bigint)[], vectors: VectorArray,
//   payloads: readonly (string | undefined)[] | undefined, insert: boolean): void
//
// `vectors` are as many as there are keys. A transaction of which a call failed must not be
// committed: it may have a part of the points.
Result<napi_value> PutPoints(Call& call) {
  return MeasuredGather(call, PutOperation(call), GatherPuts);
}

namespace {

Result<napi_value> GatherPayload(Call& call, const Target& target) {
  std::string text;
  const Result<PointKey> key = ReadKey(call.env, call[2], text);
  if (!key.ok()) return key.status();
  const Result<std::string> payload = ReadString(call.env, call[3], "a payload");
  if (!payload.ok()) return payload.status();
  const Result<PointId> expected = ReadId(call.env, call[4], IdType::kU64);
  if (!expected.ok()) return expected.status();
  PointWrite write = target.Write(OperationType::kSetPayload);
  write.condition = Condition::kUnchanged;
  write.expected_lsn = *expected;
  write.key = *key;
  write.payload = std::as_bytes(std::span(*payload));
  VITRINE_RETURN_IF_ERROR(target.Add(write));
  target.Count(CountedOperation::kUpdate, 1);
  return Undefined();
}

}  // namespace

// setPayload(transaction: TransactionHandle, collection: CollectionHandle,
//   key: string | number | bigint, payload: string, expectedLsn: bigint): void
//
// ERR_CONFLICT at the commit when the point was written by another record meanwhile.
Result<napi_value> SetPayload(Call& call) {
  return MeasuredGather(call, CountedOperation::kUpdate, GatherPayload);
}

namespace {

Result<napi_value> GatherDeletions(Call& call, const Target& target) {
  const Result<uint32_t> count = ReadArrayLength(call.env, call[2], "ids");
  if (!count.ok()) return count.status();
  PointWrite write = target.Write(OperationType::kDelete);
  std::string text;
  for (uint32_t i = 0; i < *count; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[2], i, &element));
    const Result<PointKey> key = ReadKey(call.env, element, text);
    if (!key.ok()) return key.status();
    write.key = *key;
    VITRINE_RETURN_IF_ERROR(target.Add(write));
  }
  target.Count(CountedOperation::kDelete, *count);
  return Undefined();
}

}  // namespace

// deletePoints(transaction: TransactionHandle, collection: CollectionHandle,
//   keys: readonly (string | number | bigint)[]): void
Result<napi_value> DeletePoints(Call& call) {
  return MeasuredGather(call, CountedOperation::kDelete, GatherDeletions);
}

namespace {

Result<napi_value> GatherRemoval(Call& call, const Target& target) {
  const Collection& collection = *target.collection->collection;
  std::optional<Filter> filter;
  VITRINE_RETURN_IF_ERROR(ReadWhere(call, 2, collection, filter));
  if (!filter) return Status(ErrorCode::kArgument, "where must be a string, not undefined");
  VITRINE_RETURN_IF_ERROR(target.transaction->transaction->AddRemoval(collection.id(), *filter));
  // How many points it removes is not known yet.
  target.Count(CountedOperation::kDelete, 0);
  return Undefined();
}

}  // namespace

// deletePointsWhere(transaction: TransactionHandle, collection: CollectionHandle, where: string):
//   void
Result<napi_value> DeletePointsWhere(Call& call) {
  return MeasuredGather(call, CountedOperation::kDelete, GatherRemoval);
}

// setIdempotencyKey(transaction: TransactionHandle, key: string): void
Result<napi_value> SetIdempotencyKey(Call& call) {
  const auto transaction = ReadTransaction(call, 0);
  if (!transaction.ok()) return transaction.status();
  const Result<std::string> key = ReadString(call.env, call[1], "idempotencyKey");
  if (!key.ok()) return key.status();
  SipHash128 hash;
  hash.Append(std::as_bytes(std::span(*key)));
  Digest128 digest = hash.Finish();
  if (digest == Digest128{}) digest[0] = std::byte{1};
  (*transaction)->transaction->SetIdempotencyKey(digest);
  return Undefined();
}

namespace {

template <typename Maker>
Result<napi_value> Commit(Call& call, TransactionHandle& transaction, const Maker& maker) {
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 1, options));
  const Result<uint64_t> timeout = ReadIntegerOr(call.env, call[2], kTimeoutMs, 0);
  if (!timeout.ok()) return timeout.status();
  Transaction what = std::move(*transaction.transaction);
  transaction.transaction.reset();
  auto write = maker.template Make<DatabaseWrite>(
      transaction.owner->database, std::move(what),
      [](napi_env env, const WriteResult& result) -> Result<napi_value> {
        napi_value ack;
        napi_value lsn;
        napi_value durable;
        VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &ack));
        VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, result.lsn, &lsn));
        VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(env, result.durable, &durable));
        VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, ack, "lsn", lsn));
        VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, ack, "durable", durable));
        VITRINE_RETURN_IF_ERROR(
            SetNumbers(env, ack, {{"deleted", static_cast<double>(result.deleted)}}));
        return ack;
      },
      std::chrono::milliseconds(*timeout));
  write->Holds(transaction.counted.points, transaction.counted.puts);
  return call.addon.Start(std::move(write), options);
}

}  // namespace

// commitTransaction(transaction: TransactionHandle, token: CancelToken | undefined,
//   timeoutMs: number | undefined): Promise<{ lsn: bigint, durable: boolean, deleted: number }>
//
// Cancelling it before its turn comes leaves everything as it is. It is not begun `timeoutMs` from
// now or later; to have its promise end then, expire the token.
Result<napi_value> CommitTransaction(Call& call) {
  const auto transaction = ReadTransaction(call, 0);
  if (!transaction.ok()) return transaction.status();
  const TransactionHandle& handle = **transaction;
  if (handle.owner->closing) return Status(ErrorCode::kClosed, "the database has been closed");
  const std::shared_ptr<Collection> collection = handle.counted.collection.lock();
  std::array<LazyStatistics*, 2> places = {&(**handle.owner->database).statistics(), nullptr};
  if (collection != nullptr) places[1] = &collection->statistics();
  const std::span<LazyStatistics* const> where(places.data(), collection == nullptr ? 1 : 2);
  return StartCounted(where, handle.counted.operation.value_or(CountedOperation::kTransaction),
                      [&](const auto& maker) { return Commit(call, **transaction, maker); });
}

}  // namespace vitrine
