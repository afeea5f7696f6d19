// Metrics in the formats that others read.

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/stats_reader.h"
#include "exposition/exporter.h"
#include "exposition/label_rules.h"

namespace vitrine {
namespace {

struct ExporterHandle {
  static constexpr std::string_view kTypeName = "an exporter handle";

  explicit ExporterHandle(ExporterOptions options) : exporter(std::move(options)) {}
  Exporter exporter;
};

// What is exported, and the names that it has there; `apart` is null unless its collections are to
// be told apart.
struct ExportSource {
  StatsReader reader;
  std::string database;
  std::string collection;
  std::shared_ptr<SharedDatabase> apart;
};

// Adds the collections of a database, which are counted from now on if they were not yet. There may
// be many: on the pool. Returns how many there are.
size_t AddCollections(Database& database, const std::string& name,
                      std::vector<ExportedStats>& stats) {
  auto collections = database.Collections();
  std::sort(collections.begin(), collections.end(),
            [](const auto& a, const auto& b) { return a->name() < b->name(); });
  const bool all = collections.size() <= kMostCollections;
  LazyStatistics& whole = database.statistics();
  const StatsLevel level = whole.on() ? whole.Use()->level() : StatsLevel::kOff;
  for (size_t i = 0; i < collections.size(); ++i) {
    Collection& collection = *collections[i];
    const std::shared_ptr<Statistics> statistics = collection.statistics().Use();
    if (statistics->level() < level) collection.statistics().SetLevel(level);
    const auto snapshot = std::make_shared<StatsSnapshot>(statistics->Snapshot());
    AddCollectionState(collection, *snapshot);
    const bool named = all || i + 1 < kMostCollections;
    stats.push_back({.snapshot = snapshot,
                     .database = name,
                     .collection = named ? collection.name() : std::string(kOtherValue),
                     .is_part = true});
  }
  return collections.size();
}

// Goes before bulk work, as a search does: who scrapes has little patience.
class ExportOperation final : public Operation {
 public:
  ExportOperation(std::shared_ptr<ExporterHandle> exporter, ExportFormat format,
                  std::vector<ExportSource> sources, UserMetrics user)
      : Operation(Lane::kSearch, nullptr),
        exporter_(std::move(exporter)),
        format_(format),
        sources_(std::move(sources)),
        user_(std::move(user)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    // JavaScript takes the bytes over; where it may not, it gets a copy.
    napi_value bytes;
    const size_t size = out_.size();
    std::unique_ptr<char[]> text = out_.Release();
    const auto free = [](napi_env, void* data, void*) {
      std::unique_ptr<char[]>(static_cast<char*>(data)).reset();
    };
    const napi_status status =
        napi_create_external_buffer(env, size, text.get(), free, nullptr, &bytes);
    if (status == napi_ok) {
      static_cast<void>(text.release());
    } else {
      VITRINE_RETURN_IF_JS_ERROR(napi_create_buffer_copy(env, size, text.get(), nullptr, &bytes));
    }
    return bytes;
  }

 private:
  Status Execute() override {
    ExportInput input{.user = std::move(user_)};
    for (ExportSource& source : sources_) {
      ExportedStats stats{.snapshot = std::make_shared<StatsSnapshot>(source.reader.Take()),
                          .database = std::move(source.database),
                          .collection = std::move(source.collection)};
      std::vector<ExportedStats> parts;
      if (source.apart != nullptr) {
        stats.parts = AddCollections(**source.apart, stats.database, parts);
      }
      input.stats.push_back(std::move(stats));
      std::move(parts.begin(), parts.end(), std::back_inserter(input.stats));
    }
    Result<OutputBuffer> out = exporter_->exporter.Export(format_, input);
    if (!out.ok()) return out.status();
    out_ = std::move(*out);
    return {};
  }
  void ReleaseInputs() override {
    sources_.clear();
    user_ = {};
  }

  const std::shared_ptr<ExporterHandle> exporter_;
  const ExportFormat format_;
  std::vector<ExportSource> sources_;
  UserMetrics user_;
  OutputBuffer out_;
};

Status ReadCollectionsOf(napi_env env, napi_value value, ExportSource& source) {
  if (IsUndefined(env, value)) return {};
  const auto handle = ReadHandle<DatabaseHandle>(env, value);
  if (!handle.ok()) return handle.status();
  if ((**handle)->closing) return {ErrorCode::kClosed, "the database has been closed"};
  source.apart = (**handle)->database;
  return {};
}

// Three arrays: what is exported; of each the names of the database and of the collection, which
// may be empty; and of each the database whose collections are to be told apart, or undefined. What
// has been closed is left out.
Result<std::vector<ExportSource>> ReadSources(Call& call, size_t first) {
  const Result<uint32_t> count = ReadArrayLength(call.env, call[first], "sources");
  if (!count.ok()) return count.status();
  Result<std::vector<std::string>> names = ReadStrings(call.env, call[first + 1], "names");
  if (!names.ok()) return names.status();
  const Result<uint32_t> databases = ReadArrayLength(call.env, call[first + 2], "databases");
  if (!databases.ok()) return databases.status();
  if (names->size() != size_t{*count} * 2 || *databases != *count) {
    return Status(ErrorCode::kArgument, "two names and a database belong to each source");
  }
  std::vector<ExportSource> sources;
  sources.reserve(*count);
  for (uint32_t i = 0; i < *count; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[first], i, &element));
    Result<StatsTarget> target = ReadStatsTarget(call, element);
    if (!target.ok() && target.status().code() == ErrorCode::kClosed) continue;
    if (!target.ok()) return target.status();
    sources.push_back({std::move(target->reader), std::move((*names)[size_t{i} * 2]),
                       std::move((*names)[size_t{i} * 2 + 1]), nullptr});
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(call.env, call[first + 2], i, &element));
    VITRINE_RETURN_IF_ERROR(ReadCollectionsOf(call.env, element, sources.back()));
  }
  return sources;
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
  const Result<std::vector<std::string>> families =
      ReadStrings(call.env, call[first + 2], "families");
  if (!families.ok()) return families.status();
  const Result<TypedArray> overflow = ReadDoubles(call.env, call[first + 3], "overflow");
  if (!overflow.ok()) return overflow.status();
  if (overflow->length != families->size()) {
    return {ErrorCode::kArgument, "a number of overflow belongs to each of its families"};
  }
  for (size_t i = 0; i < families->size(); ++i) {
    double count;
    std::memcpy(&count, overflow->data + i * sizeof(count), sizeof(count));
    if (!(count >= 0 && count <= static_cast<double>(kMaxSafeInteger))) {
      return {ErrorCode::kArgument, "overflow must be numbers of samples"};
    }
    metrics.overflow[(*families)[i]] = static_cast<uint64_t>(count);
  }
  return {};
}

Status ReadCompat(napi_env env, napi_value list, std::vector<CompatSet>& sets) {
  const Result<uint32_t> length = ReadArrayLength(env, list, "compat");
  if (!length.ok()) return length.status();
  for (uint32_t i = 0; i < *length; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, list, i, &element));
    const Result<size_t> word = ReadWord(env, element, "compat", kCompatSetNames);
    if (!word.ok()) return word.status();
    sets.push_back(static_cast<CompatSet>(*word));
  }
  return {};
}

}  // namespace

// createExporter(version: string, node: string, labels: readonly string[] | undefined,
//   compat: readonly string[]): ExporterHandle
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
  VITRINE_RETURN_IF_ERROR(ReadCompat(call.env, call[3], options.compat));
  return WrapHandle(call.env, std::make_shared<ExporterHandle>(std::move(options)));
}

// exportMetrics(exporter: ExporterHandle, format: string,
//   sources: readonly StatsSource[], names: readonly string[],
//   databases: readonly (DatabaseHandle | undefined)[],
//   layout: Uint8Array | undefined, values: Float64Array, families: readonly string[],
//   overflow: Float64Array): Promise<Buffer>
//
// Snapshots are taken where they are rendered: copying them is most of the work that there is.
// `names` are those of the database and of the collection, for each source, and of `databases`
// the collections are told apart; the last four are what the user measures, as
// exposition/user_metrics.h has it.
Result<napi_value> ExportMetrics(Call& call) {
  const auto exporter = ReadHandle<ExporterHandle>(call.env, call[0]);
  if (!exporter.ok()) return exporter.status();
  const Result<size_t> format = ReadWord(call.env, call[1], "format", kExportFormatNames);
  if (!format.ok()) return format.status();
  Result<std::vector<ExportSource>> sources = ReadSources(call, 2);
  if (!sources.ok()) return sources.status();
  UserMetrics user;
  VITRINE_RETURN_IF_ERROR(ReadUserMetrics(call, 5, user));
  return call.addon.Start(std::make_shared<ExportOperation>(
      **exporter, static_cast<ExportFormat>(*format), std::move(*sources), std::move(user)));
}

}  // namespace vitrine
