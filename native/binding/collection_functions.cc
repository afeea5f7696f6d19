// Reading collections.

#include <chrono>
#include <cstring>
#include <utility>

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/vector_copy.h"

namespace vitrine {
namespace {

constexpr IntegerRule kK{"k", 1, kMaxK};
constexpr IntegerRule kEf{"ef", 1, kMaxEf};
constexpr IntegerRule kTimeoutMs{"timeoutMs", 1, uint64_t{1} << 31};
constexpr IntegerRule kScanCount{"count", 1, 100'000};
constexpr uint64_t kMaxSafe = (uint64_t{1} << 53) - 1;

Result<napi_value> MakeKey(napi_env env, const PointKey& key) {
  if (key.is_text) return MakeString(env, key.text);
  if (key.number <= kMaxSafe) return MakeNumber(env, static_cast<double>(key.number));
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, key.number, &value));
  return value;
}

Result<napi_value> MakePayload(napi_env env, const PointRecord::Payload& payload) {
  if (!payload) {
    napi_value value;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_undefined(env, &value));
    return value;
  }
  return MakeString(env, {reinterpret_cast<const char*>(payload->data()),  // NOLINT
                          payload->size()});
}

// Points as lib/ takes them: parallel arrays, of which those that nobody asked for are missing.
class PointArrays {
 public:
  PointArrays(napi_env env, Select select, size_t dimension)
      : env_(env), select_(select), dimension_(dimension) {}

  Status Create(size_t count) {
    VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env_, &object_));
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &keys_));
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &lsns_));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "keys", keys_));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "lsns", lsns_));
    if (select_.payload) {
      VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &payloads_));
      VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "payloads", payloads_));
    }
    if (!select_.vector) return {};
    void* data = nullptr;
    napi_value buffer;
    const size_t components = count * dimension_;
    VITRINE_RETURN_IF_JS_ERROR(
        napi_create_arraybuffer(env_, components * sizeof(float), &data, &buffer));
    napi_value vectors;
    VITRINE_RETURN_IF_JS_ERROR(
        napi_create_typedarray(env_, napi_float32_array, components, buffer, 0, &vectors));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "vectors", vectors));
    vectors_ = static_cast<float*>(data);
    return {};
  }

  //   vector  [dimension], or empty
  Status Set(uint32_t i, const PointRecord& record, std::span<const float> vector) {
    const Result<napi_value> key = MakeKey(env_, record.key());
    if (!key.ok()) return key.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, keys_, i, *key));
    napi_value lsn;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env_, record.lsn(), &lsn));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, lsns_, i, lsn));
    if (select_.payload) {
      const Result<napi_value> payload = MakePayload(env_, record.payload());
      if (!payload.ok()) return payload.status();
      VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, payloads_, i, *payload));
    }
    if (select_.vector && !vector.empty()) {
      std::memcpy(vectors_ + i * dimension_, vector.data(), dimension_ * sizeof(float));
    }
    return {};
  }

  napi_value object() const { return object_; }

 private:
  napi_env env_;
  const Select select_;
  const size_t dimension_;
  napi_value object_ = nullptr;
  napi_value keys_ = nullptr;
  napi_value lsns_ = nullptr;
  napi_value payloads_ = nullptr;
  float* vectors_ = nullptr;
};

// Arguments: payload: boolean, vector: boolean
Result<Select> ReadSelect(Call& call, size_t first) {
  const Result<bool> payload = ReadBool(call.env, call[first], "payload");
  if (!payload.ok()) return payload.status();
  const Result<bool> vector = ReadBool(call.env, call[first + 1], "vector");
  if (!vector.ok()) return vector.status();
  return Select{*payload, *vector};
}

class CollectionSearch final : public Operation {
 public:
  CollectionSearch(const CollectionHandle& handle, SearchParameters parameters, Select select,
                   VectorCopy query)
      : Operation(Lane::kSearch, nullptr),
        database_(handle.owner->database),
        collection_(handle.collection),
        parameters_(parameters),
        select_(select),
        dimension_(collection_->config().dimension),
        query_(std::move(query)) {
    parameters_.control.cancelled = &cancelled();
  }

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    PointArrays points(env, select_, dimension_);
    VITRINE_RETURN_IF_ERROR(points.Create(hits_.size()));
    napi_value distances;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env, hits_.size(), &distances));
    for (uint32_t i = 0; i < hits_.size(); ++i) {
      const CollectionHit& hit = hits_[i];
      VITRINE_RETURN_IF_ERROR(points.Set(i, hit.point.view(), hit.point.vector));
      const Result<napi_value> distance = MakeNumber(env, hit.distance);
      if (!distance.ok()) return distance.status();
      VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env, distances, i, *distance));
    }
    VITRINE_RETURN_IF_JS_ERROR(
        napi_set_named_property(env, points.object(), "distances", distances));
    return points.object();
  }

 private:
  Status Execute() override {
    const SearchControl& control = parameters_.control;
    if (control.has_deadline && std::chrono::steady_clock::now() >= control.deadline) {
      return {ErrorCode::kTimeout, "the search waited longer than timeoutMs allows"};
    }
    Result<std::vector<CollectionHit>> hits =
        collection_->Search(query_.data(), parameters_, select_);
    if (!hits.ok()) return hits.status();
    hits_ = std::move(*hits);
    return {};
  }
  void ReleaseInputs() override {
    collection_.reset();
    database_.reset();
    query_ = {};
  }

  std::shared_ptr<SharedDatabase> database_;  // outlives what it lent
  std::shared_ptr<Collection> collection_;
  SearchParameters parameters_;
  const Select select_;
  const size_t dimension_;
  VectorCopy query_;
  std::vector<CollectionHit> hits_;
};

class ScanStart final : public Operation {
 public:
  explicit ScanStart(const CollectionHandle& handle)
      : Operation(Lane::kBulk, nullptr), scan_(std::make_shared<ScanHandle>()) {
    scan_->collection = handle.collection;
  }

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return WrapHandle(env, scan_);
  }

 private:
  Status Execute() override {
    scan_->image = std::make_unique<Collection::Image>(*scan_->collection);
    return {};
  }
  void ReleaseInputs() override {}

  const std::shared_ptr<ScanHandle> scan_;
};

}  // namespace

Result<std::shared_ptr<CollectionHandle>> ReadOpenCollection(Call& call, size_t argument) {
  const auto handle = ReadHandle<CollectionHandle>(call.env, call[argument]);
  if (!handle.ok()) return handle.status();
  if ((**handle)->owner->closing) {
    return Status(ErrorCode::kClosed, "the database has been closed");
  }
  return **handle;
}

// collectionState(collection: CollectionHandle): { name: string, metric: string,
//   dimension: number, m: number, efConstruction: number, size: number }
Result<napi_value> CollectionState(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  const Collection& collection = *(*handle)->collection;
  const CollectionConfig& config = collection.config();
  napi_value state;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &state));
  const Result<napi_value> name = MakeString(call.env, collection.name());
  if (!name.ok()) return name.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "name", *name));
  const Result<napi_value> metric =
      MakeString(call.env, kMetricNames[static_cast<size_t>(config.metric)]);
  if (!metric.ok()) return metric.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "metric", *metric));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(call.env, state,
                 {{"dimension", static_cast<double>(config.dimension)},
                  {"m", static_cast<double>(config.m)},
                  {"efConstruction", static_cast<double>(config.ef_construction)},
                  {"size", static_cast<double>(collection.size())}}));
  return state;
}

// hasPoint(collection: CollectionHandle, key: string | number | bigint): boolean
Result<napi_value> HasPoint(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  std::string text;
  const Result<PointKey> key = ReadKey(call.env, call[1], text);
  if (!key.ok()) return key.status();
  napi_value has;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(call.env, (*handle)->collection->Has(*key), &has));
  return has;
}

// getPoints(collection: CollectionHandle, keys: readonly (string | number | bigint)[],
//   payload: boolean, vector: boolean): { keys: (string | number | bigint)[], lsns: bigint[],
//   payloads?: (string | undefined)[], vectors?: Float32Array }
//
// All of one moment; where there is no point, `keys` has a hole.
Result<napi_value> GetPoints(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  bool is_array = false;
  uint32_t count = 0;
  VITRINE_RETURN_IF_JS_ERROR(napi_is_array(call.env, call[1], &is_array));
  if (!is_array) {
    return Status(ErrorCode::kArgument, "ids must be an array, not " + Describe(call.env, call[1]));
  }
  VITRINE_RETURN_IF_JS_ERROR(napi_get_array_length(call.env, call[1], &count));
  if (count > kMaxTransactionPoints) {
    return Status(ErrorCode::kTooLarge, std::to_string(count) + " ids at a time, more than " +
                                            std::to_string(kMaxTransactionPoints));
  }
  const Result<Select> select = ReadSelect(call, 2);
  if (!select.ok()) return select.status();
  std::vector<std::string> texts(count);
  std::vector<PointKey> keys;
  keys.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[1], i, &element));
    const Result<PointKey> key = ReadKey(call.env, element, texts[i]);
    if (!key.ok()) return key.status();
    keys.push_back(*key);
  }
  const Collection& collection = *(*handle)->collection;
  const auto points = collection.GetMany(keys, *select);
  PointArrays arrays(call.env, *select, collection.config().dimension);
  VITRINE_RETURN_IF_ERROR(arrays.Create(count));
  for (uint32_t i = 0; i < count; ++i) {
    if (!points[i]) continue;
    VITRINE_RETURN_IF_ERROR(arrays.Set(i, points[i]->view(), points[i]->vector));
  }
  return arrays.object();
}

// searchCollection(collection: CollectionHandle, query: Float32Array, k: number,
//   ef: number | undefined, exact: boolean, payload: boolean, vector: boolean,
//   timeoutMs: number | undefined, token: CancelToken | undefined):
//   Promise<{ keys, lsns, payloads?, vectors?, distances: number[] }>
Result<napi_value> SearchCollection(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  const Result<TypedArray> query = ReadFloats(call.env, call[1], "query");
  if (!query.ok()) return query.status();
  const size_t dimension = (*handle)->collection->config().dimension;
  if (query->length != dimension) {
    return Status(ErrorCode::kDimension, "the query has " + std::to_string(query->length) +
                                             " components, not " + std::to_string(dimension));
  }
  SearchParameters parameters;
  const Result<uint64_t> k = ReadInteger(call.env, call[2], kK);
  if (!k.ok()) return k.status();
  parameters.k = *k;
  const Result<uint64_t> ef = ReadIntegerOr(call.env, call[3], kEf, 0);
  if (!ef.ok()) return ef.status();
  parameters.ef = *ef;
  const Result<bool> exact = ReadBool(call.env, call[4], "exact");
  if (!exact.ok()) return exact.status();
  parameters.exact = *exact;
  const Result<Select> select = ReadSelect(call, 5);
  if (!select.ok()) return select.status();
  if (!IsUndefined(call.env, call[7])) {
    const Result<uint64_t> timeout = ReadInteger(call.env, call[7], kTimeoutMs);
    if (!timeout.ok()) return timeout.status();
    parameters.control.has_deadline = true;
    parameters.control.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(*timeout);
  }
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 8, options));
  return call.addon.Start(
      std::make_shared<CollectionSearch>(**handle, parameters, *select, VectorCopy(*query)),
      options);
}

// openScan(collection: CollectionHandle): Promise<ScanHandle>
Result<napi_value> OpenScan(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return call.addon.Start(std::make_shared<ScanStart>(**handle));
}

// readScan(scan: ScanHandle, count: number, payload: boolean, vector: boolean):
//   { keys, lsns, payloads?, vectors? }
//
// The next points; fewer than `count`, or none, at the end.
Result<napi_value> ReadScan(Call& call) {
  const auto handle = ReadHandle<ScanHandle>(call.env, call[0]);
  if (!handle.ok()) return handle.status();
  ScanHandle& scan = ***handle;
  if (scan.image == nullptr) return Status(ErrorCode::kClosed, "the scan has been closed");
  const Result<uint64_t> most = ReadInteger(call.env, call[1], kScanCount);
  if (!most.ok()) return most.status();
  const Result<Select> select = ReadSelect(call, 2);
  if (!select.ok()) return select.status();
  const size_t dimension = scan.collection->config().dimension;
  const size_t count = std::min<size_t>(*most, scan.image->size() - scan.next);
  PointArrays arrays(call.env, *select, dimension);
  VITRINE_RETURN_IF_ERROR(arrays.Create(count));
  for (uint32_t i = 0; i < count; ++i) {
    const size_t point = scan.next + i;
    VITRINE_RETURN_IF_ERROR(
        arrays.Set(i, scan.image->Record(point), {scan.image->Vector(point), dimension}));
  }
  scan.next += count;
  return arrays.object();
}

// closeScan(scan: ScanHandle): void
Result<napi_value> CloseScan(Call& call) {
  const auto handle = ReadHandle<ScanHandle>(call.env, call[0]);
  if (!handle.ok()) return handle.status();
  (**handle)->image.reset();
  return Undefined();
}

}  // namespace vitrine
