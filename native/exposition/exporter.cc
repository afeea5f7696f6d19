#include "exposition/exporter.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "exposition/json_format.h"
#include "exposition/label_rules.h"
#include "exposition/protobuf_format.h"
#include "exposition/text_format.h"

namespace vitrine {
namespace {

ExportedFamily& AddFamily(const ExporterFamily& row, MetricSet& set) {
  const bool seconds = row.name.ends_with("_seconds");
  return set.families.emplace_back(ExportedFamily{
      .name = row.name, .help = row.help, .type = row.type, .unit = seconds ? "seconds" : ""});
}

}  // namespace

Exporter::Exporter(ExporterOptions options)
    : options_(std::move(options)),
      started_ns_(NanosecondsSince1970(StatsSnapshot::Clock::now())) {}

void Exporter::AddOwn(const ExportInput& input, MetricSet& set) const {
  ExportedFamily& build = AddFamily(kBuildInfo, set);
  build.samples.push_back(
      {.first_label = set.labels.size(), .label_count = std::size(kBuildLabels), .value = 1});
  const std::string_view values[] = {options_.version, "vitrine", options_.instruction_set,
                                     options_.node};
  for (size_t i = 0; i < std::size(kBuildLabels); ++i) {
    set.labels.push_back({kBuildLabels[i], values[i]});
  }

  std::vector<StatsSource> sources;
  for (const ExportedStats& stats : input.stats) {
    StatsSource& source = sources.emplace_back(StatsSource{
        .snapshot = stats.snapshot.get(), .parts = stats.parts, .is_part = stats.is_part});
    source.labels.push_back({"db", stats.database});
    if (!stats.collection.empty()) source.labels.push_back({"collection", stats.collection});
  }
  AddStats(sources, set);
  if (std::any_of(sources.begin(), sources.end(),
                  [](const StatsSource& source) { return source.parts > kMostCollections; })) {
    for (ExportedFamily& family : set.families) JoinEqual(set, family);
  }
  AddSourceNames(options_.compat, sources, set);
}

void Exporter::TellOfExports(const Overflow& joined, const Overflow& recorded, size_t first,
                             MetricSet& set) {
  size_t series = 0;
  for (const ExportedFamily& family : set.families) series += family.samples.size();

  const std::lock_guard lock(mutex_);
  ExportedFamily& took = set.families[first];
  for (size_t format = 0; format < took_.size(); ++format) {
    if (!took_[format].has_cells()) continue;
    HistogramTotals& totals = set.Keep(HistogramTotals());
    took_[format].AddTo(totals);
    took.samples.push_back({.first_label = set.labels.size(),
                            .label_count = 1,
                            .cells = &totals,
                            .started_ns = started_ns_});
    set.labels.push_back({kFormatLabels[0], kExportFormatNames[format]});
  }
  set.families[first + 1].samples.push_back({.value = static_cast<double>(series)});

  for (const auto& [family, count] : joined) joined_[family] += count;
  Overflow all = joined_;
  for (const auto& [family, count] : recorded) all[family] += count;
  ExportedFamily& overflow = set.families[first + 2];
  for (const auto& [family, count] : all) {
    overflow.samples.push_back({.first_label = set.labels.size(),
                                .label_count = 1,
                                .value = static_cast<double>(count),
                                .started_ns = started_ns_});
    set.labels.push_back({kFamilyLabels[0], set.Keep(std::string(family))});
  }
}

void Exporter::Took(ExportFormat format, uint64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  Histogram& histogram = took_[static_cast<size_t>(format)];
  if (!histogram.has_cells()) histogram = Histogram(HistogramLayout::Seconds());
  if (histogram.has_cells()) histogram.Observe(nanoseconds);
}

Result<OutputBuffer> Exporter::Export(ExportFormat format, const ExportInput& input) {
  const auto began = std::chrono::steady_clock::now();
  MetricSet set;
  set.taken_ns = NanosecondsSince1970(StatsSnapshot::Clock::now());
  AddOwn(input, set);
  const size_t own = set.families.size();
  for (const ExporterFamily& row : {kRenderDuration, kSeries, kOverflow}) AddFamily(row, set);
  VITRINE_RETURN_IF_ERROR(AddUserMetrics(input.user, set));

  if (options_.labels) KeepLabels(*options_.labels, set);
  const Overflow joined = LimitSeries(set);
  TellOfExports(joined, input.user.overflow, own, set);
  if (options_.labels) KeepLabels(*options_.labels, set, own);

  OutputBuffer out(last_size_.load(std::memory_order_relaxed) + 4096);
  switch (format) {
    case ExportFormat::kText:
      RenderText(set, out);
      break;
    case ExportFormat::kOpenMetrics:
      RenderOpenMetrics(set, out);
      break;
    case ExportFormat::kProtobuf:
      RenderProtobuf(set, out);
      break;
    case ExportFormat::kJson:
      RenderJson(set, out);
      break;
    case ExportFormat::kOtlp:
      RenderOtlp(set, options_.version, out);
      break;
  }
  last_size_.store(out.size(), std::memory_order_relaxed);
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
  Took(format, static_cast<uint64_t>(took.count()));
  return out;
}

}  // namespace vitrine
