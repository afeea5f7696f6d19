#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "stats/label_values.h"

namespace vitrine {

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };
inline constexpr std::string_view kMetricTypeNames[] = {"counter", "gauge", "histogram"};

// Of what is exported; durations and moments are counted in nanoseconds, ratios in billionths.
enum class Unit : uint8_t { kNone, kSeconds, kBytes, kRatio };
inline constexpr std::string_view kUnitNames[] = {"", "seconds", "bytes", "ratio"};
// What a value counts, to one of the exported unit.
constexpr double PartsOf(Unit unit) {
  return unit == Unit::kSeconds || unit == Unit::kRatio ? 1e9 : 1;
}

// Where the numbers of a family come from.
enum class Source : uint8_t {
  kShards,   // operations count it, each thread for itself
  kRare,     // counted in one place for all threads, because it happens seldom
  kRunning,  // operations that are counted are in it until they end
  kProbes,   // repeated searches count it
  kRatio,    // of what they count
  kState,    // read when somebody asks
  kTotals,   // likewise; these only grow
};

// What has a family: everything that is measured, databases, or those of them that have a folder.
enum class Scope : uint8_t { kEverything, kDatabase, kFolder };
inline constexpr std::string_view kScopeNames[] = {"everything", "database", "folder"};

// A label, and every value that it may have. `db`, which all families have, is not listed.
struct Label {
  std::string_view name = {};
  std::span<const std::string_view> values = {};
  // What it is follows from the other label, for as long as the process runs: it takes no counters.
  bool is_given = false;
};

// Those of several families.
inline constexpr Label kOperationLabel{"op", kCountedOperationNames};
inline constexpr Label kIndexLabel{"index", kIndexKindNames};
inline constexpr Label kProbedIndexLabel{"index", kProbedIndexNames};
inline constexpr Label kProbedNeighborsLabel{"k", kProbedNeighborNames};
inline constexpr Label kLevelLabel{"level", kStorageLevelNames};
inline constexpr Label kResourceLabel{"resource", kLimitedResourceNames};
inline constexpr Label kDirectionLabel{"direction", kIoDirectionNames};

struct MetricFamily {
  std::string_view name;
  MetricType type;
  Unit unit;
  Source source;
  StatsLevel level;  // from which on it is counted
  std::array<Label, 2> labels;
  std::string_view help;
  Scope scope = Scope::kEverything;
  bool sparse = false;  // samples of 0 are left out: there are many, or 0 says nothing

  // One for each combination of values of its labels; the last label changes first.
  constexpr size_t series() const {
    size_t count = 1;
    for (const Label& label : labels) count *= label.name.empty() ? 1 : label.values.size();
    return count;
  }
  // What is stored of them: those that can differ from 0.
  constexpr size_t stored() const {
    size_t count = 1;
    for (const Label& label : labels) {
      count *= label.name.empty() || label.is_given ? 1 : label.values.size();
    }
    return count;
  }
};

}  // namespace vitrine
