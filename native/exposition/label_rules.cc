#include "exposition/label_rules.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vitrine {
namespace {

enum class Aggregation : uint8_t { kSum, kGreatest, kMean };

Aggregation AggregationOf(const ExportedFamily& family) {
  if (family.type == SeriesType::kInfo || family.type == SeriesType::kStateSet) {
    return Aggregation::kGreatest;
  }
  if (family.type != SeriesType::kGauge) return Aggregation::kSum;
  if (family.name.ends_with("_timestamp_seconds") || family.name.ends_with("_level")) {
    return Aggregation::kGreatest;
  }
  return family.name.ends_with("_ratio") ? Aggregation::kMean : Aggregation::kSum;
}

// One series, of which the others become part.
class Merger {
 public:
  Merger(const ExportedFamily& family, MetricSet& set)
      : set_(set), type_(family.type), aggregation_(AggregationOf(family)) {}

  void Add(const Sample& from, Sample& to) {
    if (from.started_ns != 0 && from.started_ns < to.started_ns) to.started_ns = from.started_ns;
    if (to.cells != nullptr) {
      OwnedCells(to).Add(*from.cells);
    } else if (to.distribution != nullptr) {
      AddDistribution(*from.distribution, OwnedDistribution(to));
    } else if (aggregation_ == Aggregation::kGreatest) {
      to.value = std::max(to.value, from.value);
    } else if (aggregation_ == Aggregation::kMean) {
      to.weight += from.weight;
      to.value += (from.value - to.value) * (from.weight / to.weight);
    } else {
      to.value += from.value;
    }
  }

 private:
  HistogramTotals& OwnedCells(Sample& sample) {
    auto& owned = cells_[&sample];
    if (owned == nullptr) sample.cells = owned = &set_.Keep(HistogramTotals(*sample.cells));
    return *owned;
  }
  Distribution& OwnedDistribution(Sample& sample) {
    auto& owned = distributions_[&sample];
    if (owned == nullptr) {
      sample.distribution = owned = &set_.Keep(Distribution(*sample.distribution));
      if (type_ == SeriesType::kSummary) {
        owned->bounds = {};
        owned->values.clear();
      }
    }
    return *owned;
  }
  static void AddDistribution(const Distribution& from, Distribution& to) {
    for (size_t i = 0; i < to.values.size(); ++i) to.values[i] += from.values[i];
    to.sum += from.sum;
    to.count += from.count;
  }

  MetricSet& set_;
  const SeriesType type_;
  const Aggregation aggregation_;
  // By the series that took up others.
  std::unordered_map<const Sample*, HistogramTotals*> cells_;
  std::unordered_map<const Sample*, Distribution*> distributions_;
};

std::string KeyOf(std::span<const LabelPair> labels) {
  std::string key;
  for (const LabelPair& label : labels) {
    key.append(label.name).push_back('\0');
    // No value holds this byte, for it is not of UTF-8.
    key.append(label.value).push_back('\xff');
  }
  return key;
}

// Of all labels where `names` is null.
void KeepLabelsOf(const std::span<const std::string>* names, MetricSet& set,
                  ExportedFamily& family) {
  std::vector<Sample> kept;
  kept.reserve(family.samples.size());  // the merger knows them by their addresses
  std::unordered_map<std::string, size_t> places;
  Merger merger(family, set);
  for (Sample sample : family.samples) {
    std::vector<LabelPair> labels;
    for (const LabelPair& label : set.LabelsOf(sample)) {
      // Which state it is is not a label like others.
      const bool is_state = family.type == SeriesType::kStateSet && label.name == family.name;
      if (names == nullptr || is_state ||
          std::find(names->begin(), names->end(), label.name) != names->end()) {
        labels.push_back(label);
      }
    }
    const auto [place, is_new] = places.emplace(KeyOf(labels), kept.size());
    if (!is_new) {
      merger.Add(sample, kept[place->second]);
      continue;
    }
    sample.first_label = set.labels.size();
    sample.label_count = labels.size();
    set.labels.insert(set.labels.end(), labels.begin(), labels.end());
    kept.push_back(sample);
  }
  family.samples = std::move(kept);
}

}  // namespace

void KeepLabels(std::span<const std::string> names, MetricSet& set, size_t first) {
  for (size_t i = first; i < set.families.size(); ++i) {
    // The labels of an info are what it says.
    if (set.families[i].type != SeriesType::kInfo) KeepLabelsOf(&names, set, set.families[i]);
  }
}

void JoinEqual(MetricSet& set, ExportedFamily& family) { KeepLabelsOf(nullptr, set, family); }

Overflow LimitSeries(MetricSet& set) {
  Overflow joined;
  for (ExportedFamily& family : set.families) {
    if (family.samples.size() <= kMostSeries) continue;
    Merger merger(family, set);
    Sample& other = family.samples[kMostSeries - 1];
    const std::vector<LabelPair> labels(set.LabelsOf(other).begin(), set.LabelsOf(other).end());
    other.first_label = set.labels.size();
    for (const LabelPair& label : labels) set.labels.push_back({label.name, kOtherValue});
    for (size_t i = kMostSeries; i < family.samples.size(); ++i) {
      merger.Add(family.samples[i], other);
    }
    joined[std::string(family.name)] += family.samples.size() - (kMostSeries - 1);
    family.samples.resize(kMostSeries);
  }
  return joined;
}

}  // namespace vitrine
