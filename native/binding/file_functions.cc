// An index as a file.

#include <chrono>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/process_pool.h"
#include "engine/table_file.h"

namespace vitrine {
namespace {

class SaveOperation : public Operation {
 public:
  SaveOperation(const std::shared_ptr<IndexHandle>& index, std::string path, std::string creator)
      : Operation(Lane::kSave, index),
        table_(index->table()),
        path_(std::move(path)),
        creator_(std::move(creator)) {}
  // Who closes an index after `save` wants the file.
  bool survives_close() const override { return true; }

  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override { return Undefined(); }

 protected:
  Status Execute() override {
    return SaveTable(*table_, path_, {.cancelled = &cancelled(), .creator = creator_});
  }
  void ReleaseInputs() override { table_.reset(); }

 private:
  std::shared_ptr<const Table> table_;
  const std::string path_;
  const std::string creator_;
};

class LoadOperation final : public Operation {
 public:
  LoadOperation(std::string path, VectorPlace vectors, size_t threads, Addon& addon)
      : Operation(Lane::kBulk, nullptr),
        path_(std::move(path)),
        vectors_(vectors),
        threads_(threads),
        kernels_(addon.kernels()),
        pool_(&addon.pool()) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    const auto index = std::make_shared<IndexHandle>(std::move(table_), load_ns_);
    const TableOptions& options = index->table()->options();
    napi_value loaded;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &loaded));
    const Result<napi_value> handle = WrapHandle(env, index);
    if (!handle.ok()) return handle.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, loaded, "handle", *handle));
    const Result<napi_value> metric =
        MakeString(env, kMetricNames[static_cast<size_t>(options.metric)]);
    if (!metric.ok()) return metric.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, loaded, "metric", *metric));
    const Result<napi_value> id_type =
        MakeString(env, options.id_type == IdType::kU64 ? "u64" : "u32");
    if (!id_type.ok()) return id_type.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, loaded, "idType", *id_type));
    const Result<napi_value> type = MakeString(env, NameOf(options.type));
    if (!type.ok()) return type.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, loaded, "type", *type));
    VITRINE_RETURN_IF_ERROR(
        SetNumbers(env, loaded, {{"dimension", static_cast<double>(options.dimension)}}));
    if (Addon* const addon = Addon::Of(env)) addon->ReportMemory(*index);
    return loaded;
  }

 private:
  Status Execute() override {
    const auto start = std::chrono::steady_clock::now();
    Result<std::unique_ptr<Table>> table =
        LoadTable(path_, kernels_, pool_,
                  {.vectors = vectors_, .threads = threads_, .cancelled = &cancelled()});
    if (!table.ok()) return table.status();
    table_ = std::move(*table);
    const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - start;
    load_ns_ = static_cast<uint64_t>(spent.count());
    return {};
  }
  void ReleaseInputs() override {}

  const std::string path_;
  const VectorPlace vectors_;
  const size_t threads_;
  const KernelTable& kernels_;
  ThreadPool* const pool_;  // it runs there
  std::shared_ptr<Table> table_;
  uint64_t load_ns_ = 0;
};

}  // namespace

// Node's strings may hold what no path can.
Result<std::string> ReadPath(napi_env env, napi_value value) {
  Result<std::string> path = ReadString(env, value, "path");
  if (path.ok() && (path->empty() || path->find('\0') != std::string::npos)) {
    return Status(ErrorCode::kArgument, "path must not be empty or hold a zero byte");
  }
  return path;
}

namespace {

template <typename Maker>
Result<napi_value> StartSave(Call& call, const std::shared_ptr<IndexHandle>& index,
                             const Maker& maker) {
  Result<std::string> path = ReadPath(call.env, call[1]);
  if (!path.ok()) return path.status();
  Result<std::string> creator = ReadString(call.env, call[2], "creator");
  if (!creator.ok()) return creator.status();
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 3, options));
  return call.addon.Start(
      maker.template Make<SaveOperation>(index, std::move(*path), std::move(*creator)), options);
}

}  // namespace

// saveIndex(index: IndexHandle, path: string, creator: string, token: CancelToken | undefined):
//   Promise<void>
//
// `creator` is kept in the file: who wrote it.
Result<napi_value> SaveIndex(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kSave,
                      [&](const auto& maker) { return StartSave(call, **index, maker); });
}

// loadIndex(path: string, mapped: boolean, threads: number | undefined,
//   token: CancelToken | undefined):
//   Promise<{ handle: IndexHandle, dimension: number, metric: Metric, idType: IdType }>
//
// `mapped`: vectors stay in the file.
Result<napi_value> LoadIndex(Call& call) {
  Result<std::string> path = ReadPath(call.env, call[0]);
  if (!path.ok()) return path.status();
  const Result<bool> mapped = ReadBool(call.env, call[1], "mapped");
  if (!mapped.ok()) return mapped.status();
  const Result<uint64_t> threads = ReadIntegerOr(call.env, call[2], kThreads, ProcessPoolThreads());
  if (!threads.ok()) return threads.status();
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 3, options));
  const VectorPlace vectors = *mapped ? VectorPlace::kMapped : VectorPlace::kMemory;
  return call.addon.Start(
      std::make_shared<LoadOperation>(std::move(*path), vectors, *threads, call.addon), options);
}

}  // namespace vitrine
