#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stats/histogram.h"
#include "stats/stats_snapshot.h"

namespace vitrine {

// What is exported, before it has a format: families, each once, with all their samples.

// A state set has a series for each state that something may be in, 1 or 0, which a label tells
// that is named as the family.
enum class SeriesType : uint8_t { kCounter, kGauge, kHistogram, kSummary, kInfo, kStateSet };
inline constexpr std::string_view kSeriesTypeNames[] = {"counter", "gauge", "histogram",
                                                        "summary", "info",  "stateset"};

// What the names of a type end with, and OpenMetrics names families without.
constexpr std::string_view SuffixOf(SeriesType type) {
  if (type == SeriesType::kCounter) return "_total";
  return type == SeriesType::kInfo ? "_info" : "";
}

struct LabelPair {
  std::string_view name;
  std::string_view value;
};

// A histogram whose buckets somebody else chose, or a summary.
struct Distribution {
  // Upper edges, ascending, without infinity; of a summary quantiles, 0 to 1.
  std::span<const double> bounds;
  // By bucket, the one above the last edge included, how many observations fell into it; of a
  // summary what each quantile is, as often as bounds.
  std::vector<double> values;
  double sum = 0;
  double count = 0;
};

// A number; or a histogram, of our cells or not; or a summary.
struct Sample {
  size_t first_label = 0;  // of MetricSet::labels
  size_t label_count = 0;
  double value = 0;
  double weight = 1;  // of a ratio, among others that it is put together with
  const HistogramTotals* cells = nullptr;
  const Distribution* distribution = nullptr;
  // Since when it counts, in nanoseconds since 1970; 0 where that is unknown.
  int64_t started_ns = 0;
};

struct ExportedFamily {
  // With `_total` of counters, with `_info` of infos, with the unit.
  std::string_view name;
  std::string_view help;
  SeriesType type = SeriesType::kGauge;
  std::string_view unit;  // empty, or what the name ends with, but for `_total`
  bool ours = true;       // and not the user's
  std::vector<Sample> samples;
};

// Families, and what they point to, which may be theirs or others': it must stay as long.
//
// Thread safety: as a container. May throw std::bad_alloc.
class MetricSet {
 public:
  MetricSet() = default;
  MetricSet(const MetricSet&) = delete;
  MetricSet& operator=(const MetricSet&) = delete;

  std::span<const LabelPair> LabelsOf(const Sample& sample) const {
    return {labels.data() + sample.first_label, sample.label_count};
  }
  // Text, histograms and distributions that nobody else keeps.
  std::string_view Keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  HistogramTotals& Keep(HistogramTotals totals) { return totals_.emplace_back(std::move(totals)); }
  Distribution& Keep(Distribution distribution) {
    return distributions_.emplace_back(std::move(distribution));
  }

  std::span<const double> Keep(std::vector<double> numbers) {
    return numbers_.emplace_back(std::move(numbers));
  }

  std::vector<ExportedFamily> families;
  std::vector<LabelPair> labels;
  int64_t taken_ns = 0;

 private:
  std::deque<std::string> texts_;
  std::deque<HistogramTotals> totals_;
  std::deque<Distribution> distributions_;
  std::deque<std::vector<double>> numbers_;
};

// How many samples found no room, by family.
using Overflow = std::map<std::string, uint64_t, std::less<>>;

// One Statistics, as it was at a moment.
struct StatsSource {
  const StatsSnapshot* snapshot;
  std::vector<LabelPair> labels;  // of all its samples: db, and perhaps collection
  // How many of the sources behind it are its collections, in parts of the families that tell
  // collections apart. What they have of a series is not told of the whole once more.
  size_t parts = 0;
  bool is_part = false;
};

// Adds all families of the catalog, each with the samples of all sources.
void AddStats(std::span<const StatsSource> sources, MetricSet& set);

// Of the value of a series of a snapshot: in units of what is exported.
double ExportedValue(const StatsSnapshot& snapshot, Family family, size_t series);

}  // namespace vitrine
