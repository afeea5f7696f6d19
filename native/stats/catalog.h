#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "base/status.h"

namespace vitrine {

// How much is counted. Each level counts what those before it do.
enum class StatsLevel : uint8_t {
  kOff,
  kCounters,
  kHistograms,  // and how long operations take, and how much each does
  kPhases,      // and how long they wait before that
};
inline constexpr std::string_view kStatsLevelNames[] = {"off", "counters", "histograms", "phases"};

// What is counted as one operation.
enum class CountedOperation : uint8_t {
  kSearch,
  kBatch,  // of searches
  kInsert,
  kUpsert,
  kUpdate,
  kDelete,
  kGet,
  kCount,
  kScan,
  kSave,
  kTransaction,  // of several of these
};
inline constexpr std::string_view kCountedOperationNames[] = {
    "search", "batch", "insert", "upsert", "update",     "delete",
    "get",    "count", "scan",   "save",   "transaction"};

// How an operation ended.
enum class Outcome : uint8_t {
  kOk,
  kError,
  kTimeout,
  kCancelled,  // by its caller, or because what it worked on was closed
  kRejected,   // there was no room for it to wait
};
inline constexpr std::string_view kOutcomeNames[] = {"ok", "error", "timeout", "cancelled",
                                                     "rejected"};
Outcome OutcomeOf(ErrorCode code);

// How a search went about its work.
enum class SearchStrategy : uint8_t {
  kGraph,          // a walk of the graph
  kGraphFiltered,  // the same, under a filter
  kPrefilter,      // a look at every row that the filter allows
  kExact,          // every distance
  kNothing,        // there was nothing that could match
};
inline constexpr std::string_view kSearchStrategyNames[] = {"graph", "graph_filtered", "prefilter",
                                                            "exact", "nothing"};

// What an evaluation of a distance was for.
enum class EvaluationPhase : uint8_t {
  kRoute,   // to where the walk begins
  kApprox,  // of a code or a sketch
  kRerank,  // of whole vectors, once their codes were near
  kExact,   // of whole vectors
};
inline constexpr std::string_view kEvaluationPhaseNames[] = {"route", "approx", "rerank", "exact"};

inline constexpr std::string_view kIndexKindNames[] = {"graph", "exact"};
inline constexpr std::string_view kRowStateNames[] = {"live", "deleted", "unindexed"};
inline constexpr std::string_view kMemoryKindNames[] = {"vectors", "graph", "quantized", "metadata",
                                                        "other"};
inline constexpr std::string_view kTierNames[] = {"memory"};

// What is measured: every metric there is has one row in kFamilies, and its name nowhere else.
enum class Family : uint8_t {
  kStatsLevel,
  kStatsStart,
  kOperations,
  kErrors,
  kOperationDuration,
  kQueueWait,
  kBatchVectors,
  kDistanceEvaluations,
  kNodeVisits,
  kScannedVectors,
  kHops,
  kReturnedVectors,
  kPlans,
  kVectors,
  kVectorsIndexed,
  kIndexSize,
  kMemory,
  kMemoryPeak,
};

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };
inline constexpr std::string_view kMetricTypeNames[] = {"counter", "gauge", "histogram"};

// Of what is exported; durations and moments are counted in nanoseconds.
enum class Unit : uint8_t { kNone, kSeconds, kBytes };
inline constexpr std::string_view kUnitNames[] = {"", "seconds", "bytes"};

// Where the numbers of a family come from.
enum class Source : uint8_t {
  kShards,  // operations count it, each thread for itself
  kErrors,  // operations count it when they fail
  kState,   // read when somebody asks
};

// A label, and every value that it may have. `db`, which all families have, is not listed.
struct Label {
  std::string_view name = {};
  std::span<const std::string_view> values = {};
};

struct MetricFamily {
  std::string_view name;
  MetricType type;
  Unit unit;
  Source source;
  StatsLevel level;  // from which on it is counted
  std::array<Label, 2> labels;
  std::string_view help;

  // One for each combination of values of its labels; the last label changes first.
  constexpr size_t series() const {
    size_t count = 1;
    for (const Label& label : labels) count *= label.name.empty() ? 1 : label.values.size();
    return count;
  }
};

inline constexpr Label kOperationLabel{"op", kCountedOperationNames};
inline constexpr Label kIndexLabel{"index", kIndexKindNames};

// In the order of Family.
inline constexpr MetricFamily kFamilies[] = {
    {"vitrine_engine_stats_level",
     MetricType::kGauge,
     Unit::kNone,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Statistics level in force (0 off)."},
    {"vitrine_engine_stats_start_timestamp_seconds",
     MetricType::kGauge,
     Unit::kSeconds,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Start of the counters, in seconds since 1970."},
    {"vitrine_engine_operations_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kCounters,
     {{kOperationLabel, {"outcome", kOutcomeNames}}},
     "Engine operations finished."},
    {"vitrine_engine_errors_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kErrors,
     StatsLevel::kCounters,
     {{kOperationLabel, {"code", kErrorCodeNames}}},
     "Engine operations that did not end well, by error code."},
    {"vitrine_engine_operation_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {{kOperationLabel}},
     "Time inside the engine per operation that ran."},
    {"vitrine_engine_queue_wait_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kPhases,
     {},
     "Wait between submit and start on a worker."},
    {"vitrine_engine_batch_vectors",
     MetricType::kHistogram,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kHistograms,
     {{kOperationLabel}},
     "Vectors or ids per call that takes many."},
    {"vitrine_engine_distance_evaluations_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kCounters,
     {{kIndexLabel, {"phase", kEvaluationPhaseNames}}},
     "Vector distance evaluations of searches."},
    {"vitrine_engine_node_visits_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kCounters,
     {{kIndexLabel}},
     "Graph nodes whose links searches read."},
    {"vitrine_search_scanned_vectors",
     MetricType::kHistogram,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kHistograms,
     {{kIndexLabel}},
     "Vectors scored per search."},
    {"vitrine_search_hops",
     MetricType::kHistogram,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kHistograms,
     {{kIndexLabel}},
     "Graph hops per search."},
    {"vitrine_search_returned_vectors",
     MetricType::kHistogram,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kHistograms,
     {},
     "Results per search."},
    {"vitrine_search_plans_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kCounters,
     {{{"strategy", kSearchStrategyNames}}},
     "Searches by chosen plan."},
    {"vitrine_engine_vectors",
     MetricType::kGauge,
     Unit::kNone,
     Source::kState,
     StatsLevel::kOff,
     {{{"state", kRowStateNames}}},
     "Vectors held: live points, rows of removed ones, and rows that are not in the graph."},
    {"vitrine_engine_vectors_indexed_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kShards,
     StatsLevel::kCounters,
     {},
     "Vectors added to an index."},
    {"vitrine_engine_index_size_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {{{"tier", kTierNames}}},
     "Size of graph and codes."},
    {"vitrine_engine_memory_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {{{"kind", kMemoryKindNames}}},
     "Memory in use by kind."},
    {"vitrine_engine_memory_peak_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Peak memory since start."},
};
inline constexpr size_t kFamilyCount = std::size(kFamilies);
static_assert(kFamilyCount == static_cast<size_t>(Family::kMemoryPeak) + 1);

constexpr const MetricFamily& RowOf(Family family) {
  return kFamilies[static_cast<size_t>(family)];
}

// The series of all families of one kind lie behind each other; here they begin, and end.
//   source  of which families; histograms have places of their own
constexpr size_t PlacesBefore(size_t family, Source source, bool histograms) {
  size_t places = 0;
  for (size_t i = 0; i < family; ++i) {
    if (kFamilies[i].source != source) continue;
    if ((kFamilies[i].type == MetricType::kHistogram) == histograms)
      places += kFamilies[i].series();
  }
  return places;
}
inline constexpr auto kPlaces = [] {
  std::array<size_t, kFamilyCount> places{};
  for (size_t i = 0; i < kFamilyCount; ++i) {
    places[i] = PlacesBefore(i, kFamilies[i].source, kFamilies[i].type == MetricType::kHistogram);
  }
  return places;
}();
constexpr size_t PlaceOf(Family family) { return kPlaces[static_cast<size_t>(family)]; }
inline constexpr size_t kShardCounters = PlacesBefore(kFamilyCount, Source::kShards, false);
inline constexpr size_t kHistograms = PlacesBefore(kFamilyCount, Source::kShards, true);
inline constexpr size_t kErrorCounters = PlacesBefore(kFamilyCount, Source::kErrors, false);
inline constexpr size_t kStateValues = PlacesBefore(kFamilyCount, Source::kState, false);

// The series of a family, by the values of its labels.
template <typename First>
constexpr size_t SeriesOf(First first) {
  return static_cast<size_t>(first);
}
template <typename First, typename Second>
constexpr size_t SeriesOf(Family family, First first, Second second) {
  return static_cast<size_t>(first) * RowOf(family).labels[1].values.size() +
         static_cast<size_t>(second);
}

}  // namespace vitrine
