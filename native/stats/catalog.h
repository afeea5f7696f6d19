#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "base/status.h"
#include "stats/label_values.h"

namespace vitrine {

// What is measured: every metric there is has one row in kFamilies, and its name nowhere else.
enum class Family : uint8_t {
  kStatsLevel,
  kStatsStart,
  kOperations,
  kErrors,
  kOperationsInFlight,
  kSlowOperations,
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
  kIndexBuildDuration,
  kMaintenance,
  kMemory,
  kMemoryPeak,
  kFragmentation,
  kExternalMemory,
  kQueueDepth,
  kResourceLimit,
  kResourceRejections,
  kLevelFiles,
  kLevelBytes,
  kDiskBytes,
  kFreeBytes,
  kIoBytes,
  kIoOperations,
  kCompactions,
  kCompactionDuration,
  kWriteAmplification,
  kCompactionInputFiles,
  kCompactionOutputFiles,
  kCompactionInputBytes,
  kCompactionOutputBytes,
  kCompactionPendingBytes,
  kReclaims,
  kReclaimedBytes,
  kReclaimDuration,
  kFsyncDuration,
  kSnapshotDuration,
  kLastSnapshot,
  kCpu,
};

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };
inline constexpr std::string_view kMetricTypeNames[] = {"counter", "gauge", "histogram"};

// Of what is exported; durations and moments are counted in nanoseconds, ratios in billionths.
enum class Unit : uint8_t { kNone, kSeconds, kBytes, kRatio };
inline constexpr std::string_view kUnitNames[] = {"", "seconds", "bytes", "ratio"};

// Where the numbers of a family come from.
enum class Source : uint8_t {
  kShards,   // operations count it, each thread for itself
  kRare,     // counted in one place for all threads, because it happens seldom
  kRunning,  // operations that are counted are in it until they end
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
};

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
};

inline constexpr Label kOperationLabel{"op", kCountedOperationNames};
inline constexpr Label kIndexLabel{"index", kIndexKindNames};
inline constexpr Label kLevelLabel{"level", kStorageLevelNames};
inline constexpr Label kResourceLabel{"resource", kLimitedResourceNames};
inline constexpr Label kDirectionLabel{"direction", kIoDirectionNames};

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
     Source::kRare,
     StatsLevel::kCounters,
     {{kOperationLabel, {"code", kErrorCodeNames}}},
     "Engine operations that did not end well, by error code.",
     Scope::kEverything,
     true},
    {"vitrine_engine_operations_in_flight",
     MetricType::kGauge,
     Unit::kNone,
     Source::kRunning,
     StatsLevel::kCounters,
     {{kOperationLabel}},
     "Engine operations that have begun and not ended; those that wait are among them."},
    {"vitrine_engine_slow_operations_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kRare,
     StatsLevel::kCounters,
     {{{"op", kSearchOperationNames}}},
     "Searches over the slow threshold of the object that made them; 0 while none has one."},
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
    {"vitrine_engine_index_build_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {{{"cause", kBuildCauseNames}}},
     "Time to link vectors that were written together, or all of a graph that was lost."},
    {"vitrine_engine_index_maintenance_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {{{"kind", kMaintenanceNames}, {"outcome", kRunOutcomeNames}}},
     "Times that an index was maintained."},
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
    {"vitrine_engine_memory_fragmentation_ratio",
     MetricType::kGauge,
     Unit::kRatio,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Share of the blocks reserved for rows that no row is in."},
    {"vitrine_engine_external_memory_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Memory that V8 was told of, of an index or a database.",
     Scope::kEverything,
     true},
    {"vitrine_engine_queue_depth",
     MetricType::kGauge,
     Unit::kNone,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Writes that wait for their turn.",
     Scope::kDatabase},
    {"vitrine_engine_resource_limit_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {{kResourceLabel}},
     "Configured limit, where there is one.",
     Scope::kDatabase,
     true},
    {"vitrine_engine_resource_rejections_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {{kResourceLabel}},
     "Writes of points refused by a limit.",
     Scope::kDatabase},
    {"vitrine_storage_level_files",
     MetricType::kGauge,
     Unit::kNone,
     Source::kState,
     StatsLevel::kOff,
     {{kLevelLabel}},
     "Files of the log (level 0), of the newest checkpoint (1) and of the one before (2).",
     Scope::kFolder},
    {"vitrine_storage_level_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {{kLevelLabel}},
     "Bytes of the log (level 0), of the newest checkpoint (1) and of the one before (2).",
     Scope::kFolder},
    {"vitrine_storage_disk_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {{{"kind", kDiskKindNames}}},
     "Disk use: the log, with what is prepared of it, and checkpoints.",
     Scope::kFolder},
    {"vitrine_storage_free_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Free space of the device that holds the folder.",
     Scope::kFolder},
    {"vitrine_storage_io_bytes_total",
     MetricType::kCounter,
     Unit::kBytes,
     Source::kTotals,
     StatsLevel::kOff,
     {{kDirectionLabel}},
     "Bytes read from files and written to them.",
     Scope::kFolder},
    {"vitrine_storage_io_operations_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {{kDirectionLabel}},
     "Reads and writes of files.",
     Scope::kFolder},
    {"vitrine_storage_compactions_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {{{"outcome", kRunOutcomeNames}}},
     "Checkpoints.",
     Scope::kFolder},
    {"vitrine_storage_compaction_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {},
     "Time of a checkpoint.",
     Scope::kFolder},
    {"vitrine_storage_compaction_write_amplification_ratio",
     MetricType::kHistogram,
     Unit::kRatio,
     Source::kShards,
     StatsLevel::kHistograms,
     {},
     "Bytes that a checkpoint wrote, to a byte of the log that went into it.",
     Scope::kFolder},
    {"vitrine_storage_compaction_input_files_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Log segments that checkpoints replaced.",
     Scope::kFolder},
    {"vitrine_storage_compaction_output_files_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Files written by checkpoints.",
     Scope::kFolder},
    {"vitrine_storage_compaction_input_bytes_total",
     MetricType::kCounter,
     Unit::kBytes,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Bytes of log records that went into checkpoints.",
     Scope::kFolder},
    {"vitrine_storage_compaction_output_bytes_total",
     MetricType::kCounter,
     Unit::kBytes,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Bytes written by checkpoints.",
     Scope::kFolder},
    {"vitrine_storage_compaction_pending_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     Source::kState,
     StatsLevel::kOff,
     {},
     "Bytes of log records behind the newest checkpoint.",
     Scope::kFolder},
    {"vitrine_storage_reclaims_total",
     MetricType::kCounter,
     Unit::kNone,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Times that files were removed which no checkpoint needs.",
     Scope::kFolder},
    {"vitrine_storage_reclaimed_bytes_total",
     MetricType::kCounter,
     Unit::kBytes,
     Source::kTotals,
     StatsLevel::kOff,
     {},
     "Bytes of the files that were removed.",
     Scope::kFolder},
    {"vitrine_storage_reclaim_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {},
     "Time to remove files which no checkpoint needs.",
     Scope::kFolder},
    {"vitrine_storage_fsync_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {},
     "Time of a flush of the log.",
     Scope::kFolder},
    {"vitrine_storage_snapshot_duration_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kHistograms,
     {{{"phase", kSnapshotPhaseNames}}},
     "Time of a backup, and of a verification of all files.",
     Scope::kFolder},
    {"vitrine_storage_last_snapshot_timestamp_seconds",
     MetricType::kGauge,
     Unit::kSeconds,
     Source::kState,
     StatsLevel::kOff,
     {},
     "End of the last backup that succeeded, in seconds since 1970.",
     Scope::kFolder,
     true},
    {"vitrine_engine_cpu_seconds_total",
     MetricType::kCounter,
     Unit::kSeconds,
     Source::kShards,
     StatsLevel::kCpu,
     {{{"pool", kCpuPoolNames}}},
     "Time that threads had a processor, by what they did."},
};
inline constexpr size_t kFamilyCount = std::size(kFamilies);
static_assert(kFamilyCount == static_cast<size_t>(Family::kCpu) + 1);

constexpr const MetricFamily& RowOf(Family family) {
  return kFamilies[static_cast<size_t>(family)];
}

// What a value counts, to one of the exported unit.
constexpr double PartsOf(Unit unit) {
  return unit == Unit::kSeconds || unit == Unit::kRatio ? 1e9 : 1;
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
inline constexpr size_t kRareCounters = PlacesBefore(kFamilyCount, Source::kRare, false);
inline constexpr size_t kRunningValues = PlacesBefore(kFamilyCount, Source::kRunning, false);
inline constexpr size_t kStateValues = PlacesBefore(kFamilyCount, Source::kState, false);
inline constexpr size_t kTotalValues = PlacesBefore(kFamilyCount, Source::kTotals, false);

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
