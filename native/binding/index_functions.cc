// What an index is made of, answers at once, and how it ends.

#include <algorithm>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/option_rules.h"
#include "binding/process_pool.h"

namespace vitrine {
namespace {

constexpr IntegerRule kCapacity{"capacity", 0, kMaxSlots};
constexpr IntegerRule kSeed{"seed", 0, kMaxSafeInteger};
constexpr IntegerRule kReserve{"the number of points", 0, kMaxSlots, ErrorCode::kArgument};

Result<Metric> ReadMetric(napi_env env, napi_value value) {
  const Result<std::string> name = ReadString(env, value, "metric");
  if (name.ok()) {
    for (size_t i = 0; i < std::size(kMetricNames); ++i) {
      if (*name == kMetricNames[i]) return static_cast<Metric>(i);
    }
  }
  return Status(ErrorCode::kOption,
                "metric must be 'l2', 'cosine' or 'ip', or of bits 'hamming' or 'jaccard'");
}

Result<IdType> ReadIdType(napi_env env, napi_value value) {
  const Result<std::string> name = ReadString(env, value, "idType");
  if (name.ok() && *name == "u32") return IdType::kU32;
  if (name.ok() && *name == "u64") return IdType::kU64;
  return Status(ErrorCode::kOption, "idType must be 'u32' or 'u64'");
}

Result<Quantization> ReadQuantization(napi_env env, napi_value value) {
  const Result<std::string> name = ReadString(env, value, "quantization");
  if (name.ok()) {
    for (size_t i = 0; i < std::size(kQuantizationNames); ++i) {
      if (*name == kQuantizationNames[i]) return static_cast<Quantization>(i);
    }
  }
  return Status(ErrorCode::kOption, "quantization must be 'none', 'sq8', 'rq4' or 'auto'");
}

}  // namespace

Result<VectorType> ReadVectorType(napi_env env, napi_value value) {
  const Result<std::string> name = ReadString(env, value, "type");
  if (name.ok()) {
    for (size_t i = 0; i < std::size(kVectorTypeNames); ++i) {
      if (*name == kVectorTypeNames[i]) return static_cast<VectorType>(i);
    }
  }
  return Status(ErrorCode::kOption, "type must be 'f32', 'f16', 'bf16', 'i8', 'u8' or 'bits'");
}

Result<const std::shared_ptr<IndexHandle>*> ReadOpenIndex(Call& call, size_t argument) {
  auto index = ReadHandle<IndexHandle>(call.env, call[argument]);
  if (index.ok() && (**index)->closing()) {
    return Status(ErrorCode::kClosed, "the index has been closed");
  }
  return index;
}

// createIndex(dimension: number, metric: Metric, idType: IdType, m: number | undefined,
//   efConstruction: number | undefined, capacity: number | undefined, seed: number | undefined,
//   threads: number | undefined, quantization: Quantization, type: VectorType): IndexHandle
Result<napi_value> CreateIndex(Call& call) {
  TableOptions options;
  const Result<uint64_t> dimension = ReadInteger(call.env, call[0], kDimension);
  if (!dimension.ok()) return dimension.status();
  options.dimension = *dimension;
  const Result<Metric> metric = ReadMetric(call.env, call[1]);
  if (!metric.ok()) return metric.status();
  options.metric = *metric;
  const Result<IdType> id_type = ReadIdType(call.env, call[2]);
  if (!id_type.ok()) return id_type.status();
  options.id_type = *id_type;
  const Result<uint64_t> m = ReadIntegerOr(call.env, call[3], kM, options.graph.m);
  if (!m.ok()) return m.status();
  options.graph.m = *m;
  const Result<uint64_t> ef_construction =
      ReadIntegerOr(call.env, call[4], kEfConstruction, options.graph.ef_construction);
  if (!ef_construction.ok()) return ef_construction.status();
  options.graph.ef_construction = *ef_construction;
  const Result<uint64_t> capacity = ReadIntegerOr(call.env, call[5], kCapacity, 0);
  if (!capacity.ok()) return capacity.status();
  options.capacity = *capacity;
  const Result<uint64_t> seed = ReadIntegerOr(call.env, call[6], kSeed, options.graph.seed);
  if (!seed.ok()) return seed.status();
  options.graph.seed = *seed;
  const Result<uint64_t> threads = ReadIntegerOr(call.env, call[7], kThreads, ProcessPoolThreads());
  if (!threads.ok()) return threads.status();
  options.threads = *threads;
  const Result<Quantization> quantization = ReadQuantization(call.env, call[8]);
  if (!quantization.ok()) return quantization.status();
  options.quantization = *quantization;
  const Result<VectorType> type = ReadVectorType(call.env, call[9]);
  if (!type.ok()) return type.status();
  options.type = *type;

  Result<std::unique_ptr<Table>> table =
      Table::Create(options, call.addon.kernels(), &call.addon.pool());
  if (!table.ok()) return table.status();
  auto index = std::make_shared<IndexHandle>(std::shared_ptr<Table>(std::move(*table)));
  call.addon.ReportMemory(*index);
  return WrapHandle(call.env, std::move(index));
}

// closeIndex(index: IndexHandle): Promise<void>
Result<napi_value> CloseIndex(Call& call) {
  const auto index = ReadHandle<IndexHandle>(call.env, call[0]);
  if (!index.ok()) return index.status();
  return call.addon.Close(**index);
}

// indexSize(index: IndexHandle): number
Result<napi_value> IndexSize(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return MakeNumber(call.env, static_cast<double>((**index)->table()->size()));
}

// indexIds(index: IndexHandle, out: IdArray | undefined): number
//
// Writes as many ids as fit, in ascending order; returns how many there are.
Result<napi_value> IndexIds(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  const IdType type = (**index)->id_type();
  const Result<TypedArray> out = ReadIdArray(call.env, call[1], type, "out");
  if (!out.ok()) return out.status();
  VITRINE_RETURN_IF_ERROR((**index)->table()->FetchIds());
  const std::vector<PointId> ids = (**index)->table()->Ids();
  StoreIds(std::span(ids).first(std::min(ids.size(), out->length)), type, *out);
  return MakeNumber(call.env, static_cast<double>(ids.size()));
}

namespace {

Result<napi_value> HasNow(Call& call, const IndexHandle& index) {
  const Result<PointId> id = ReadId(call.env, call[1], index.id_type());
  if (!id.ok()) return id.status();
  VITRINE_RETURN_IF_ERROR(index.table()->FetchIds());
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(call.env, index.table()->Has(*id), &value));
  return value;
}

}  // namespace

// hasId(index: IndexHandle, id: number | bigint): boolean
Result<napi_value> HasId(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  if (!(**index)->statistics().on()) [[likely]]
    return HasNow(call, ***index);
  MeasuredCall measured((**index)->statistics(), CountedOperation::kGet);
  return measured.End(HasNow(call, ***index));
}

namespace {

Result<napi_value> GetNow(Call& call, const IndexHandle& index, OperationRecord& record) {
  const Result<std::vector<PointId>> ids = CopyIds(call.env, call[1], index.id_type());
  if (!ids.ok()) return ids.status();
  record.vectors = ids->size();
  const Result<TypedArray> out = ReadVectorArray(call.env, call[2], index.type(), "out");
  if (!out.ok()) return out.status();
  if (out->length != ids->size() * index.elements()) {
    return Status(ErrorCode::kDimension, "out must have room for a vector of each id");
  }
  if (ids->empty()) return Undefined();
  const size_t bytes = out->length * ElementBytes(index.type());
  VITRINE_RETURN_IF_ERROR(index.table()->Get(*ids, std::span(out->data, bytes)));
  return Undefined();
}

}  // namespace

// getVectors(index: IndexHandle, ids: IdArray, out: VectorArray): void
Result<napi_value> GetVectors(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  MeasuredCall measured((**index)->statistics(), CountedOperation::kGet);
  OperationRecord record;
  Result<napi_value> result = GetNow(call, ***index, record);
  return measured.End(std::move(result), record);
}

namespace {

// A `reserve` that has to wait for the writes before it.
class ReserveOperation : public Operation {
 public:
  ReserveOperation(const std::shared_ptr<IndexHandle>& index, size_t count)
      : Operation(Lane::kWrite, index), table_(index->table()), count_(count) {}

  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override { return Undefined(); }

 protected:
  // Without room the next write asks for it again, and fails if there still is none.
  Status Execute() override {
    static_cast<void>(table_->Reserve(count_));
    return {};
  }
  void ReleaseInputs() override { table_.reset(); }

 private:
  std::shared_ptr<Table> table_;
  const size_t count_;
};

Result<napi_value> ReserveNow(Call& call, IndexHandle& index, size_t count) {
  VITRINE_RETURN_IF_ERROR(index.table()->Reserve(count));
  call.addon.ReportMemory(index);
  return Undefined();
}

}  // namespace

// reserveRoom(index: IndexHandle, count: number): Promise<void> | undefined
//
// At once, unless a write is pending: then after it, and the promise tells when.
Result<napi_value> ReserveRoom(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  MeasuredCall measured((**index)->statistics(), CountedOperation::kMaintain);
  const Result<uint64_t> count = ReadInteger(call.env, call[1], kReserve);
  if (!count.ok()) return measured.End(count.status());
  if ((**index)->pending_writes() > 0) {
    return measured.Started(
        call.addon.Start(MakeMeasured<ReserveOperation>(measured, **index, *count)));
  }
  return measured.End(ReserveNow(call, ***index, *count));
}

// memoryUsage(index: IndexHandle): MemoryUsage
Result<napi_value> MemoryUsage(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  const TableMemory memory = (**index)->memory();
  napi_value usage;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &usage));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(call.env, usage,
                 {{"total", static_cast<double>(memory.total())},
                  {"vectors", static_cast<double>(memory.vectors)},
                  {"graph", static_cast<double>(memory.graph)},
                  {"codes", static_cast<double>(memory.codes)},
                  {"ids", static_cast<double>(memory.ids)},
                  {"other", static_cast<double>(memory.buffers + memory.other)}}));
  return usage;
}

// createIdSet(index: IndexHandle, ids: IdArray): IdSetHandle
Result<napi_value> CreateIdSet(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  Result<std::vector<PointId>> ids = CopyIds(call.env, call[1], (**index)->id_type());
  if (!ids.ok()) return ids.status();
  const std::shared_ptr<Table>& table = (**index)->table();
  Result<std::shared_ptr<IdSet>> set = table->MakeIdSet(std::move(*ids));
  if (!set.ok()) return set.status();
  const auto handle = std::make_shared<IdSetHandle>(IdSetHandle{*set, table});
  Result<napi_value> value = WrapHandle(call.env, handle);
  if (value.ok()) handle->ReportMemory(call.env, 1);
  return value;
}

}  // namespace vitrine
