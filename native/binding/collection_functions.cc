// Reading collections.

#include <atomic>
#include <optional>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/point_arrays.h"

namespace vitrine {
namespace {

constexpr IntegerRule kScanCount{"count", 1, 100'000};

class ScanStart : public Operation {
 public:
  ScanStart(const CollectionHandle& handle, std::optional<Filter> filter)
      : Operation(Lane::kBulk, nullptr),
        scan_(std::make_shared<ScanHandle>()),
        filter_(std::move(filter)) {
    scan_->collection = handle.collection;
  }

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return WrapHandle(env, scan_);
  }

 protected:
  Status Execute() override {
    const Filter* const filter = filter_ ? &*filter_ : nullptr;
    // Reading them goes on in JavaScript's thread, which must not wait for the device.
    VITRINE_RETURN_IF_ERROR(scan_->collection->table().FetchEverything());
    auto image = std::make_unique<Collection::Image>(*scan_->collection, filter);
    scan_->points.reserve(filter == nullptr ? image->size() : 0);
    for (uint32_t point = 0; point < image->size(); ++point) {
      if (image->Admits(point)) scan_->points.push_back(point);
    }
    scan_->image = std::move(image);
    return {};
  }
  void ReleaseInputs() override {}

 private:
  const std::shared_ptr<ScanHandle> scan_;
  const std::optional<Filter> filter_;
};

class PointCount : public Operation {
 public:
  PointCount(const CollectionHandle& handle, Filter filter)
      : Operation(Lane::kBulk, nullptr),
        database_(handle.owner->database),
        collection_(handle.collection),
        filter_(std::move(filter)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return MakeNumber(env, static_cast<double>(count_));
  }

 protected:
  Status Execute() override {
    count_ = collection_->Count(filter_);
    return {};
  }
  void ReleaseInputs() override {
    collection_.reset();
    database_.reset();
  }

 private:
  std::shared_ptr<SharedDatabase> database_;  // outlives what it lent
  std::shared_ptr<Collection> collection_;
  const Filter filter_;
  size_t count_ = 0;
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

Status ReadWhere(Call& call, size_t argument, const Collection& collection,
                 std::optional<Filter>& filter) {
  if (IsUndefined(call.env, call[argument])) return {};
  const Result<std::string> text = ReadString(call.env, call[argument], "where");
  if (!text.ok()) return text.status();
  Result<Filter> parsed = Filter::Parse(*text, collection.fields());
  if (!parsed.ok()) return parsed.status();
  filter.emplace(std::move(*parsed));
  return {};
}

// collectionState(collection: CollectionHandle): { name: string, metric: string,
//   quantization: string, type: string, vectors: string, dimension: number, m: number,
//   efConstruction: number, size: number,
//   fields: Record<string, FieldType> }
Result<napi_value> CollectionState(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  const Collection& collection = *(*handle)->collection;
  const CollectionConfig config = collection.config();
  napi_value state;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &state));
  const Result<napi_value> name = MakeString(call.env, collection.name());
  if (!name.ok()) return name.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "name", *name));
  const Result<napi_value> metric =
      MakeString(call.env, kMetricNames[static_cast<size_t>(config.metric)]);
  if (!metric.ok()) return metric.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "metric", *metric));
  const Result<napi_value> quantization =
      MakeString(call.env, kQuantizationNames[static_cast<size_t>(config.quantization)]);
  if (!quantization.ok()) return quantization.status();
  VITRINE_RETURN_IF_JS_ERROR(
      napi_set_named_property(call.env, state, "quantization", *quantization));
  const Result<napi_value> type = MakeString(call.env, NameOf(config.type));
  if (!type.ok()) return type.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "type", *type));
  const Result<napi_value> vectors =
      MakeString(call.env, kVectorPlaceNames[static_cast<size_t>(config.vectors)]);
  if (!vectors.ok()) return vectors.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "vectors", *vectors));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(call.env, state,
                 {{"dimension", static_cast<double>(config.dimension)},
                  {"m", static_cast<double>(config.m)},
                  {"efConstruction", static_cast<double>(config.ef_construction)},
                  {"size", static_cast<double>(collection.size())}}));
  const Result<napi_value> fields = MakeFields(call.env, config.fields);
  if (!fields.ok()) return fields.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, state, "fields", *fields));
  return state;
}

namespace {

template <typename Maker>
Result<napi_value> StartCount(Call& call, const CollectionHandle& handle, const Maker& maker) {
  std::optional<Filter> filter;
  VITRINE_RETURN_IF_ERROR(ReadWhere(call, 1, *handle.collection, filter));
  if (!filter) return Status(ErrorCode::kArgument, "where must be a string, not undefined");
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 2, options));
  return call.addon.Start(maker.template Make<PointCount>(handle, std::move(*filter)), options);
}

}  // namespace

// countPoints(collection: CollectionHandle, where: string, token: CancelToken | undefined):
//   Promise<number>
Result<napi_value> CountPoints(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return StartCounted((*handle)->places(), CountedOperation::kCount,
                      [&](const auto& maker) { return StartCount(call, **handle, maker); });
}

namespace {

class CollectionOptimization : public Operation {
 public:
  explicit CollectionOptimization(const CollectionHandle& handle)
      : Operation(Lane::kBulk, nullptr),
        database_(handle.owner->database),
        collection_(handle.collection) {}

  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override { return Undefined(); }

 protected:
  Status Execute() override {
    // Ends soon when the database is closed meanwhile: who closes it does not wait for this.
    Status writable = (**database_).WriteFailure();
    std::atomic<bool> ends{cancelled() || !writable.ok()};
    Status status = collection_->table().Optimize(
        {.cancelled = &ends, .on_progress = [&](size_t done, size_t total) {
           writable = (**database_).WriteFailure();
           ends = cancelled() || !writable.ok();
           ReportProgress(done, total);
         }});
    return writable.ok() ? status : writable;
  }
  void ReleaseInputs() override {
    collection_.reset();
    database_.reset();
  }

 private:
  std::shared_ptr<SharedDatabase> database_;  // outlives what it lent
  std::shared_ptr<Collection> collection_;
};

template <typename Maker>
Result<napi_value> StartOptimization(Call& call, const CollectionHandle& handle,
                                     const Maker& maker) {
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 1, options));
  VITRINE_RETURN_IF_ERROR(ReadProgress(call, 2, options));
  return call.addon.Start(maker.template Make<CollectionOptimization>(handle), options);
}

}  // namespace

// optimizeCollection(collection: CollectionHandle, token: CancelToken | undefined,
//   onProgress: Progress | undefined): Promise<void>
Result<napi_value> OptimizeCollection(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return StartCounted((*handle)->places(), CountedOperation::kMaintain,
                      [&](const auto& maker) { return StartOptimization(call, **handle, maker); });
}

namespace {

Result<napi_value> HasNow(Call& call, const Collection& collection) {
  std::string text;
  const Result<PointKey> key = ReadKey(call.env, call[1], text);
  if (!key.ok()) return key.status();
  napi_value has;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(call.env, collection.Has(*key), &has));
  return has;
}

}  // namespace

// hasPoint(collection: CollectionHandle, key: string | number | bigint): boolean
Result<napi_value> HasPoint(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  MeasuredCall measured((*handle)->places(), CountedOperation::kGet);
  return measured.End(HasNow(call, *(*handle)->collection));
}

namespace {

Result<napi_value> GetPointsNow(Call& call, const CollectionHandle& handle,
                                OperationRecord& record) {
  const Result<uint32_t> length = ReadArrayLength(call.env, call[1], "ids");
  if (!length.ok()) return length.status();
  const uint32_t count = *length;
  record.vectors = count;
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
  const Collection& collection = *handle.collection;
  const auto found = collection.GetMany(keys, *select);
  if (!found.ok()) return found.status();
  const std::vector<std::optional<StoredPoint>>& points = *found;
  PointArrays arrays(call.env, *select, collection.dimension(), collection.type());
  VITRINE_RETURN_IF_ERROR(arrays.Create(count));
  napi_value lsns;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(call.env, count, &lsns));
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, arrays.object(), "lsns", lsns));
  for (uint32_t i = 0; i < count; ++i) {
    if (!points[i]) continue;
    VITRINE_RETURN_IF_ERROR(arrays.Set(i, points[i]->view(), points[i]->vector));
    napi_value lsn;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(call.env, points[i]->view().lsn(), &lsn));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(call.env, lsns, i, lsn));
  }
  return arrays.object();
}

}  // namespace

// getPoints(collection: CollectionHandle, keys: readonly (string | number | bigint)[],
//   payload: boolean, vector: boolean): { keys: (string | number | bigint)[], lsns: bigint[],
//   payloads?: (string | undefined)[], vectors?: VectorArray }
//
// All of one moment; where there is no point, `keys` has a hole.
Result<napi_value> GetPoints(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  MeasuredCall measured((*handle)->places(), CountedOperation::kGet);
  OperationRecord record;
  Result<napi_value> points = GetPointsNow(call, **handle, record);
  return measured.End(std::move(points), record);
}

namespace {

template <typename Maker>
Result<napi_value> StartScan(Call& call, const CollectionHandle& handle, const Maker& maker) {
  std::optional<Filter> filter;
  VITRINE_RETURN_IF_ERROR(ReadWhere(call, 1, *handle.collection, filter));
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 2, options));
  return call.addon.Start(maker.template Make<ScanStart>(handle, std::move(filter)), options);
}

}  // namespace

// openScan(collection: CollectionHandle, where: string | undefined,
//   token: CancelToken | undefined): Promise<ScanHandle>
Result<napi_value> OpenScan(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return StartCounted((*handle)->places(), CountedOperation::kScan,
                      [&](const auto& maker) { return StartScan(call, **handle, maker); });
}

// readScan(scan: ScanHandle, count: number, payload: boolean, vector: boolean):
//   { keys, payloads?, vectors? }
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
  const Collection& collection = *scan.collection;
  const size_t count = std::min<size_t>(*most, scan.points.size() - scan.next);
  PointArrays arrays(call.env, *select, collection.dimension(), collection.type());
  VITRINE_RETURN_IF_ERROR(arrays.Create(count));
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t point = scan.points[scan.next + i];
    const Result<const std::byte*> vector = scan.image->Vector(point);
    if (!vector.ok()) return vector.status();
    VITRINE_RETURN_IF_ERROR(
        arrays.Set(i, scan.image->Record(point), {*vector, collection.table().vector_bytes()}));
  }
  scan.next += count;
  return arrays.object();
}

// closeScan(scan: ScanHandle): void
Result<napi_value> CloseScan(Call& call) {
  const auto handle = ReadHandle<ScanHandle>(call.env, call[0]);
  if (!handle.ok()) return handle.status();
  ScanHandle& scan = ***handle;
  scan.image.reset();
  scan.collection.reset();
  scan.points = {};
  return Undefined();
}

}  // namespace vitrine
