// Metrics in the formats that others read.

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/stats_snapshot_handle.h"
#include "exposition/exporter.h"

namespace vitrine {
namespace {

struct ExporterHandle {
  static constexpr napi_type_tag kTypeTag = {0x51c7e09ad3b84f26, 0x8f3b60d1a94c27e5};
  static constexpr std::string_view kTypeName = "an exporter handle";

  explicit ExporterHandle(ExporterOptions options) : exporter(std::move(options)) {}
  const Exporter exporter;
};

// Goes before bulk work, as a search does: who scrapes has little patience.
class ExportOperation final : public Operation {
 public:
  ExportOperation(std::shared_ptr<ExporterHandle> exporter, ExportFormat format, ExportInput input)
      : Operation(Lane::kSearch, nullptr),
        exporter_(std::move(exporter)),
        format_(format),
        input_(std::move(input)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    napi_value bytes;
    VITRINE_RETURN_IF_JS_ERROR(
        napi_create_buffer_copy(env, out_.size(), out_.view().data(), nullptr, &bytes));
    return bytes;
  }

 private:
  Status Execute() override {
    Result<OutputBuffer> out = exporter_->exporter.Export(format_, input_);
    if (!out.ok()) return out.status();
    out_ = std::move(*out);
    return {};
  }
  void ReleaseInputs() override { input_ = {}; }

  const std::shared_ptr<ExporterHandle> exporter_;
  const ExportFormat format_;
  ExportInput input_;
  OutputBuffer out_;
};

// Snapshots, and of each the names of the database and of the collection, which may be empty.
Result<std::vector<ExportedStats>> ReadExportedStats(napi_env env, napi_value snapshots,
                                                     napi_value names) {
  const Result<uint32_t> count = ReadArrayLength(env, snapshots, "snapshots");
  if (!count.ok()) return count.status();
  Result<std::vector<std::string>> texts = ReadStrings(env, names, "names");
  if (!texts.ok()) return texts.status();
  if (texts->size() != size_t{*count} * 2) {
    return Status(ErrorCode::kArgument, "names must be two for each snapshot");
  }
  std::vector<ExportedStats> stats;
  for (uint32_t i = 0; i < *count; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, snapshots, i, &element));
    const auto handle = ReadHandle<StatsSnapshotHandle>(env, element);
    if (!handle.ok()) return handle.status();
    stats.push_back({.snapshot = {**handle, &(**handle)->snapshot},
                     .database = std::move((*texts)[size_t{i} * 2]),
                     .collection = std::move((*texts)[size_t{i} * 2 + 1])});
  }
  return stats;
}

Status ReadUserMetrics(Call& call, size_t first, UserMetrics& metrics) {
  if (IsUndefined(call.env, call[first])) return {};
  const Result<TypedArray> layout = ReadBytes(call.env, call[first], "layout");
  if (!layout.ok()) return layout.status();
  if (layout->length > 0) {
    metrics.layout.assign(reinterpret_cast<const char*>(layout->data), layout->length);
  }
  const Result<TypedArray> values = ReadDoubles(call.env, call[first + 1], "values");
  if (!values.ok()) return values.status();
  metrics.values.resize(values->length);
  if (values->length > 0) {
    std::memcpy(metrics.values.data(), values->data, values->length * sizeof(double));
  }
  const Result<uint64_t> overflow =
      ReadInteger(call.env, call[first + 2], {"overflow", 0, kMaxSafeInteger});
  if (!overflow.ok()) return overflow.status();
  metrics.overflow = *overflow;
  return {};
}

}  // namespace

// createExporter(version: string, node: string, labels: readonly string[] | undefined):
//   ExporterHandle
//
// `labels` are those that are exported; undefined: all.
Result<napi_value> CreateExporter(Call& call) {
  ExporterOptions options;
  options.instruction_set = call.addon.kernels().name;
  for (const auto& [argument, text] :
       {std::pair(size_t{0}, &options.version), std::pair(size_t{1}, &options.node)}) {
    Result<std::string> read = ReadString(call.env, call[argument], "text");
    if (!read.ok()) return read.status();
    *text = std::move(*read);
  }
  if (!IsUndefined(call.env, call[2])) {
    Result<std::vector<std::string>> labels = ReadStrings(call.env, call[2], "labels");
    if (!labels.ok()) return labels.status();
    options.labels = std::move(*labels);
  }
  return WrapHandle(call.env, std::make_shared<ExporterHandle>(std::move(options)));
}

// exportMetrics(exporter: ExporterHandle, format: string,
//   snapshots: readonly StatsSnapshotHandle[], names: readonly string[],
//   layout: Uint8Array | undefined, values: Float64Array, overflow: number): Promise<Buffer>
//
// `names` are those of the database and of the collection, for each snapshot; the last three are
// what the user measures, as exposition/user_metrics.h has it.
Result<napi_value> ExportMetrics(Call& call) {
  const auto exporter = ReadHandle<ExporterHandle>(call.env, call[0]);
  if (!exporter.ok()) return exporter.status();
  const Result<size_t> format = ReadWord(call.env, call[1], "format", kExportFormatNames);
  if (!format.ok()) return format.status();
  ExportInput input;
  Result<std::vector<ExportedStats>> stats = ReadExportedStats(call.env, call[2], call[3]);
  if (!stats.ok()) return stats.status();
  input.stats = std::move(*stats);
  VITRINE_RETURN_IF_ERROR(ReadUserMetrics(call, 4, input.user));
  return call.addon.Start(std::make_shared<ExportOperation>(
      **exporter, static_cast<ExportFormat>(*format), std::move(input)));
}

}  // namespace vitrine
