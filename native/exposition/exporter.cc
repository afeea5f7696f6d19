#include "exposition/exporter.h"

#include <algorithm>
#include <utility>

#include "exposition/json_format.h"
#include "exposition/label_rules.h"
#include "exposition/protobuf_format.h"
#include "exposition/text_format.h"

namespace vitrine {
namespace {

ExportedFamily& AddFamily(const ExporterFamily& row, MetricSet& set) {
  return set.families.emplace_back(
      ExportedFamily{.name = row.name, .help = row.help, .type = row.type});
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

Result<OutputBuffer> Exporter::Export(ExportFormat format, const ExportInput& input) const {
  MetricSet set;
  set.taken_ns = NanosecondsSince1970(StatsSnapshot::Clock::now());
  AddOwn(input, set);
  ExportedFamily& overflow = AddFamily(kOverflow, set);
  overflow.samples.push_back({.started_ns = started_ns_});
  const size_t overflow_place = set.families.size() - 1;
  VITRINE_RETURN_IF_ERROR(AddUserMetrics(input.user, set));

  if (options_.labels) KeepLabels(*options_.labels, set);
  const uint64_t joined = LimitSeries(set);
  const uint64_t before = overflow_.fetch_add(joined, std::memory_order_relaxed);
  set.families[overflow_place].samples[0].value =
      static_cast<double>(before + joined + input.user.overflow);

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
  return out;
}

}  // namespace vitrine
