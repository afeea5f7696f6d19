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

// Nothing has happened that this series would tell of, and perhaps never will.
bool IsLeftOut(const MetricFamily& row, const StatsSnapshot& snapshot, Family family,
               size_t series) {
  if (!snapshot.has(family)) return true;
  const bool only_if_something = row.sparse || row.type == MetricType::kHistogram;
  return only_if_something && !snapshot.has_something(family, series);
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
      if (source.is_part && !by_collection) continue;
      const auto parts = sources.subspan(place + 1, by_collection ? source.parts : 0);
      const StatsSnapshot& snapshot = *source.snapshot;
      // Totals were there before anything was counted.
      const bool counts = row.source == Source::kShards || row.source == Source::kRare ||
                          row.source == Source::kProbes;
      const int64_t started = counts ? NanosecondsSince1970(snapshot.start) : 0;
      ForEachSeries(row, [&](size_t series, std::span<const LabelPair> labels) {
        if (IsLeftOut(row, snapshot, family, series)) return;
        if (source.is_part && !snapshot.has_something(family, series)) return;
        if (std::any_of(parts.begin(), parts.end(), [&](const StatsSource& part) {
              return part.snapshot->has_something(family, series);
            })) {
          return;
        }
        Sample sample{.first_label = set.labels.size(),
                      .label_count = source.labels.size() + labels.size(),
                      .started_ns = started};
        set.labels.insert(set.labels.end(), source.labels.begin(), source.labels.end());
        set.labels.insert(set.labels.end(), labels.begin(), labels.end());
        if (row.type == MetricType::kHistogram) {
          sample.cells = &snapshot.histogram(family, series);
        } else {
          sample.value = ExportedValue(snapshot, family, series);
          if (row.source == Source::kRatio) {
            sample.weight = ExportedValue(snapshot, Family::kRecallExpected, series);
          }
        }
        exported.samples.push_back(sample);
      });
    }
    set.families.push_back(std::move(exported));
  }
}

}  // namespace vitrine
