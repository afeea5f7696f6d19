#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "exposition/metric_set.h"

namespace vitrine {

// Names that other programs gave to what we count, so that their dashboards and alerts go on
// working. Each is a family of its own, computed from the same cells as ours.

enum class CompatSet : uint8_t { kOmendb, kVectorxlite, kWombat };
inline constexpr std::string_view kCompatSetNames[] = {"omendb", "vectorxlite", "wombat"};

// Some values of a label of ours.
struct LabelChoice {
  std::string_view label = {};
  std::array<std::string_view, 3> values = {};
};
// A label of theirs, and which of ours has its value.
struct LabelName {
  std::string_view theirs = {};
  std::string_view ours = {};
};

struct SourceName {
  CompatSet set;
  std::string_view name;
  SeriesType type;
  Family family;
  std::array<LabelChoice, 2> choices = {};  // of its series; empty: all
  std::array<LabelName, 2> labels = {};     // series are added up that differ in others
  double quantile = 0;                      // of a gauge of a histogram
  std::string_view help = {};
};

// By set, and in the order in which they are exported.
std::span<const SourceName> SourceNames();

// Adds the families of some sets.
void AddSourceNames(std::span<const CompatSet> sets, std::span<const StatsSource> sources,
                    MetricSet& set);

}  // namespace vitrine
