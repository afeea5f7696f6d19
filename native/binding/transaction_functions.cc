// Writes of a database, as they are gathered on the JS thread.

#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "base/siphash.h"
#include "binding/counted_operation.h"
#include "binding/database_write.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/option_rules.h"

namespace vitrine {
namespace {

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

// Points that are put, as a call has them: four of its arguments from `first` on.
struct PutArguments {
  PutArguments(const Call& call, size_t first)
      : keys(call[first]),
        vectors(call[first + 1]),
        payloads(call[first + 2]),
        insert(call[first + 3]) {}

  // What is no boolean is refused later.
  CountedOperation operation(napi_env env) const {
    const Result<bool> inserts = ReadBool(env, insert, "insert");
    return inserts.ok() && *inserts ? CountedOperation::kInsert : CountedOperation::kUpsert;
  }

  napi_value keys;
  napi_value vectors;
  napi_value payloads;
  napi_value insert;
};

Result<napi_value> GatherPuts(napi_env env, const PutArguments& points, const Target& target) {
  const Result<uint32_t> count = ReadArrayLength(env, points.keys, "ids");
  if (!count.ok()) return count.status();
  const bool has_payloads = !IsUndefined(env, points.payloads);
  if (has_payloads) {
    const Result<uint32_t> payloads = ReadArrayLength(env, points.payloads, "payloads");
    if (!payloads.ok()) return payloads.status();
    if (*payloads != *count) {
      return Status(ErrorCode::kArgument,
                    std::to_string(*count) + " ids for " + std::to_string(*payloads) + " payloads");
    }
  }
  const Result<bool> insert = ReadBool(env, points.insert, "insert");
  if (!insert.ok()) return insert.status();
  const VectorType type = target.vector_type();
  const size_t elements = ElementsOf(type, target.dimension());
  const size_t bytes = VectorBytes(type, target.dimension());
  const Result<TypedArray> all = ReadVectorArray(env, points.vectors, type, "vectors");
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
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, points.keys, i, &element));
    const Result<PointKey> key = ReadKey(env, element, text);
    if (!key.ok()) return key.status();
    write.key = *key;
    write.payload.reset();
    if (has_payloads) {
      VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, points.payloads, i, &element));
      if (!IsUndefined(env, element)) {
        Result<std::string> read = ReadString(env, element, "a payload");
        if (!read.ok()) return read.status();
        payload = std::move(*read);
        write.payload = std::as_bytes(std::span(payload));
      }
    }
    // Read anew each time: an array that is not plain may have run code that detached it.
    const Result<TypedArray> vectors = ReadVectorArray(env, points.vectors, type, "vectors");
    if (!vectors.ok()) return vectors.status();
    if (vectors->length != *count * elements) {
      return Status(ErrorCode::kDimension, std::to_string(vectors->length) + " components for " +
                                               std::to_string(*count) + " vectors of " +
                                               std::to_string(elements));
    }
    write.vector = {vectors->data + i * bytes, bytes};
    VITRINE_RETURN_IF_ERROR(target.Add(write));
  }
  target.Count(points.operation(env), *count);
  return Undefined();
}

Result<napi_value> MeasuredPuts(Call& call, const PutArguments& points, const Target& target) {
  MeasuredCall measured(target.collection->places(), points.operation(call.env));
  return measured.Gathered(GatherPuts(call.env, points, target));
}

}  // namespace

// putPoints(transaction: TransactionHandle, collection: CollectionHandle,
//   keys: readonly (string | number | bigint)[], vectors: VectorArray,
//   payloads: readonly (string | undefined)[] | undefined, insert: boolean): void
//
// `vectors` are as many as there are keys. A transaction of which a call failed must not be
// committed: it may have a part of the points.
Result<napi_value> PutPoints(Call& call) {
  const Result<Target> target = ReadTarget(call);
  if (!target.ok()) return target.status();
  return MeasuredPuts(call, PutArguments(call, 2), *target);
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

namespace {

Status ReadIdempotencyKey(napi_env env, napi_value value, Transaction& transaction) {
  const Result<std::string> key = ReadString(env, value, "idempotencyKey");
  if (!key.ok()) return key.status();
  SipHash128 hash;
  hash.Append(std::as_bytes(std::span(*key)));
  Digest128 digest = hash.Finish();
  if (digest == Digest128{}) digest[0] = std::byte{1};
  transaction.SetIdempotencyKey(digest);
  return {};
}

}  // namespace

// setIdempotencyKey(transaction: TransactionHandle, key: string): void
Result<napi_value> SetIdempotencyKey(Call& call) {
  const auto transaction = ReadTransaction(call, 0);
  if (!transaction.ok()) return transaction.status();
  VITRINE_RETURN_IF_ERROR(ReadIdempotencyKey(call.env, call[1], *(**transaction).transaction));
  return Undefined();
}

namespace {

Result<napi_value> MakeAck(napi_env env, const WriteResult& result) {
  napi_value ack;
  std::array<napi_value, 3> members;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env, members.size(), &ack));
  VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, result.lsn, &members[0]));
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(env, result.durable, &members[1]));
  VITRINE_RETURN_IF_JS_ERROR(
      napi_create_double(env, static_cast<double>(result.deleted), &members[2]));
  for (uint32_t i = 0; i < members.size(); ++i) {
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env, ack, i, members[i]));
  }
  return ack;
}

template <typename Maker>
Result<napi_value> StartCommit(Call& call, size_t token, TransactionHandle& handle,
                               const Maker& maker) {
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, token, options));
  const Result<uint64_t> timeout = ReadIntegerOr(call.env, call[token + 1], kTimeoutMs, 0);
  if (!timeout.ok()) return timeout.status();
  Transaction transaction = std::move(*handle.transaction);
  handle.transaction.reset();
  auto write = maker.template Make<DatabaseWrite>(handle.owner->database, std::move(transaction),
                                                  MakeAck, std::chrono::milliseconds(*timeout));
  write->Holds(handle.counted.points, handle.counted.puts);
  return call.addon.Start(std::move(write), options);
}

// The arguments from `token` on are a token and a timeout.
Result<napi_value> Commit(Call& call, size_t token, TransactionHandle& handle) {
  if (handle.owner->closing) return Status(ErrorCode::kClosed, "the database has been closed");
  const std::shared_ptr<Collection> collection = handle.counted.collection.lock();
  std::array<LazyStatistics*, 2> places = {&(**handle.owner->database).statistics(), nullptr};
  if (collection != nullptr) places[1] = &collection->statistics();
  const std::span<LazyStatistics* const> where(places.data(), collection == nullptr ? 1 : 2);
  return StartCounted(where, handle.counted.operation.value_or(CountedOperation::kTransaction),
                      [&](const auto& maker) { return StartCommit(call, token, handle, maker); });
}

}  // namespace

// commitTransaction(transaction: TransactionHandle, token: CancelToken | undefined,
//   timeoutMs: number | undefined): Promise<[lsn: bigint, durable: boolean, deleted: number]>
//
// Cancelling it before its turn comes leaves everything as it is. It is not begun `timeoutMs` from
// now or later; to have its promise end then, expire the token.
Result<napi_value> CommitTransaction(Call& call) {
  const auto transaction = ReadTransaction(call, 0);
  if (!transaction.ok()) return transaction.status();
  return Commit(call, 1, **transaction);
}

// writePoints(collection: CollectionHandle, keys: readonly (string | number | bigint)[],
//   vectors: VectorArray, payloads: readonly (string | undefined)[] | undefined, insert: boolean,
//   idempotencyKey: string | undefined, token: CancelToken | undefined,
//   timeoutMs: number | undefined): Promise<[lsn: bigint, durable: boolean, deleted: number]>
//
// A transaction that only puts points, in one call: most writes are that, and what JavaScript keeps
// a transaction in costs as much as the rest of a small one.
Result<napi_value> WritePoints(Call& call) {
  const auto collection = ReadOpenCollection(call, 0);
  if (!collection.ok()) return collection.status();
  const auto handle = std::make_shared<TransactionHandle>();
  handle->owner = (*collection)->owner;
  handle->transaction.emplace();
  if (!IsUndefined(call.env, call[5])) {
    VITRINE_RETURN_IF_ERROR(ReadIdempotencyKey(call.env, call[5], *handle->transaction));
  }
  const Result<napi_value> gathered =
      MeasuredPuts(call, PutArguments(call, 1), Target{handle, *collection});
  if (!gathered.ok()) return gathered.status();
  return Commit(call, 6, *handle);
}

}  // namespace vitrine
