#include "exposition/metric_set.h"

#include <algorithm>
#include <iterator>

namespace vitrine {
namespace {

SeriesType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return SeriesType::kCounter;
    case MetricType::kGauge:
      return SeriesType::kGauge;
    case MetricType::kHistogram:
      break;
  }
  return SeriesType::kHistogram;
}

// Whether series of which nothing has happened are left out: perhaps it never will.
bool LeavesOutNothings(const MetricFamily& row, const StatsSource& source) {
  return source.is_part || row.sparse || row.type == MetricType::kHistogram;
}

// The labels of a series as the catalog has them, behind those of the whole source.
void AddLabels(const StatsSource& source, const MetricFamily& row, size_t series,
               std::vector<LabelPair>& labels) {
  labels.insert(labels.end(), source.labels.begin(), source.labels.end());
  const size_t seconds = row.labels[1].name.empty() ? 1 : row.labels[1].values.size();
  if (!row.labels[0].name.empty()) {
    labels.push_back({row.labels[0].name, row.labels[0].values[series / seconds]});
  }
  if (!row.labels[1].name.empty()) {
    labels.push_back({row.labels[1].name, row.labels[1].values[series % seconds]});
  }
}

// The families that tell collections apart, where that is asked for.
constexpr Family kByCollection[] = {
    Family::kOperations,  Family::kOperationDuration, Family::kVectors,    Family::kIndexSize,
    Family::kRecallFound, Family::kRecallExpected,    Family::kRecallRatio};

}  // namespace

double ExportedValue(const StatsSnapshot& snapshot, Family family, size_t series) {
  return static_cast<double>(snapshot.value(family, series)) / PartsOf(RowOf(family).unit);
}

void AddStats(std::span<const StatsSource> sources, MetricSet& set) {
  for (size_t i = 0; i < kFamilyCount; ++i) {
    const auto family = static_cast<Family>(i);
    const MetricFamily& row = kFamilies[i];
    ExportedFamily exported{.name = row.name,
                            .help = row.help,
                            .type = TypeOf(row.type),
                            .unit = kUnitNames[static_cast<size_t>(row.unit)]};
    exported.samples.reserve(sources.size() * (row.sparse ? 0 : row.series()));
    const bool by_collection = std::find(std::begin(kByCollection), std::end(kByCollection),
                                         family) != std::end(kByCollection);
    for (size_t place = 0; place < sources.size(); ++place) {
      const StatsSource& source = sources[place];
      const StatsSnapshot& snapshot = *source.snapshot;
      if ((source.is_part && !by_collection) || !snapshot.has(family)) continue;
      const bool without_nothings = LeavesOutNothings(row, source);
      if (without_nothings && !snapshot.may_have_something(family)) continue;
      const auto parts = sources.subspan(place + 1, by_collection ? source.parts : 0);
      // Totals were there before anything was counted.
      const bool counts = row.source == Source::kShards || row.source == Source::kRare ||
                          row.source == Source::kProbes;
      const int64_t started = counts ? NanosecondsSince1970(snapshot.start) : 0;
      for (size_t series = 0, end = row.series(); series < end; ++series) {
        if (without_nothings && !snapshot.has_something(family, series)) continue;
        if (std::any_of(parts.begin(), parts.end(), [&](const StatsSource& part) {
              return part.snapshot->has_something(family, series);
            })) {
          continue;
        }
        Sample sample{.first_label = set.labels.size(), .started_ns = started};
        AddLabels(source, row, series, set.labels);
        sample.label_count = set.labels.size() - sample.first_label;
        if (row.type == MetricType::kHistogram) {
          sample.cells = &snapshot.histogram(family, series);
        } else {
          sample.value = ExportedValue(snapshot, family, series);
          if (row.source == Source::kRatio) {
            sample.weight = ExportedValue(snapshot, Family::kRecallExpected, series);
          }
        }
        exported.samples.push_back(sample);
      }
    }
    set.families.push_back(std::move(exported));
  }
}

}  // namespace vitrine
