#include "exposition/source_names.h"

#include <algorithm>

#include "exposition/label_rules.h"
#include "stats/histogram_formats.h"

namespace vitrine {
namespace {

using enum CompatSet;
using enum SeriesType;

constexpr LabelChoice kSearches{"op", {"search"}};
constexpr LabelChoice kAllSearches{"op", {"search", "batch"}};
constexpr LabelChoice kGets{"op", {"get"}};
constexpr LabelChoice kSets{"op", {"upsert", "insert", "update"}};
constexpr LabelChoice kDeletes{"op", {"delete"}};
constexpr LabelChoice kFailed{"outcome", {"error"}};
constexpr LabelName kDatabaseId{"db_id", "db"};
constexpr LabelName kOperation{"operation", "op"};
constexpr LabelName kLevel{"level", "level"};

constexpr SourceName kSourceNames[] = {
    {.set = kOmendb,
     .name = "omendb_engine_queries_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kAllSearches},
     .labels = {kDatabaseId},
     .help = "Searches."},
    {.set = kOmendb,
     .name = "omendb_engine_query_duration_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .choices = {kSearches},
     .labels = {kDatabaseId},
     .help = "Time inside the engine per search."},
    {.set = kOmendb,
     .name = "omendb_query_duration_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .choices = {kSearches},
     .help = "Time per search."},
    {.set = kOmendb,
     .name = "omendb_engine_query_latency_p95_seconds",
     .type = kGauge,
     .family = Family::kOperationDuration,
     .choices = {kSearches},
     .labels = {kDatabaseId},
     .quantile = 0.95,
     .help = "Time that 95 of 100 searches took at most, since statistics were turned on."},
    {.set = kOmendb,
     .name = "omendb_engine_memory_allocated_bytes",
     .type = kGauge,
     .family = Family::kMemory,
     .labels = {kDatabaseId},
     .help = "Memory in use."},
    {.set = kOmendb,
     .name = "omendb_engine_memory_peak_bytes",
     .type = kGauge,
     .family = Family::kMemoryPeak,
     .labels = {kDatabaseId},
     .help = "Peak memory."},
    {.set = kOmendb,
     .name = "omendb_engine_index_size_bytes",
     .type = kGauge,
     .family = Family::kIndexSize,
     .choices = {{{"tier", {"memory"}}}},
     .labels = {kDatabaseId},
     .help = "Size of the index."},
    {.set = kOmendb,
     .name = "omendb_engine_vectors_indexed_total",
     .type = kCounter,
     .family = Family::kVectorsIndexed,
     .labels = {kDatabaseId},
     .help = "Vectors that were added to the index."},
    {.set = kOmendb,
     .name = "omendb_engine_search_accuracy_ratio",
     .type = kGauge,
     .family = Family::kRecallRatio,
     .labels = {kDatabaseId},
     .help = "Share of true neighbours that searches find."},

    {.set = kVectorxlite,
     .name = "vectordb_operations_total",
     .type = kCounter,
     .family = Family::kOperations,
     .labels = {kOperation, {"status", "outcome"}},
     .help = "Operations."},
    {.set = kVectorxlite,
     .name = "vectordb_operation_duration_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .labels = {kOperation},
     .help = "Time per operation."},
    {.set = kVectorxlite,
     .name = "vectordb_collection_size",
     .type = kGauge,
     .family = Family::kVectors,
     .choices = {{{"state", {"live"}}}},
     .labels = {{{"collection", "collection"}}},
     .help = "Vectors in a collection, or in all of them."},
    {.set = kVectorxlite,
     .name = "vectordb_query_vector_count",
     .type = kHistogram,
     .family = Family::kScannedVectors,
     .help = "Vectors scanned per query."},
    {.set = kVectorxlite,
     .name = "vectordb_batch_size",
     .type = kHistogram,
     .family = Family::kBatchVectors,
     .labels = {kOperation},
     .help = "Vectors per batch."},
    {.set = kVectorxlite,
     .name = "raft_snapshot_create_duration_seconds",
     .type = kHistogram,
     .family = Family::kSnapshotDuration,
     .choices = {{{"phase", {"create"}}}},
     .help = "Time of a backup."},

    {.set = kWombat,
     .name = "db_get_operations_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kGets},
     .help = "Reads."},
    {.set = kWombat,
     .name = "db_set_operations_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kSets},
     .help = "Writes."},
    {.set = kWombat,
     .name = "db_delete_operations_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kDeletes},
     .help = "Deletions."},
    {.set = kWombat,
     .name = "db_get_latency_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .choices = {kGets},
     .help = "Time per read."},
    {.set = kWombat,
     .name = "db_set_latency_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .choices = {kSets},
     .help = "Time per write."},
    {.set = kWombat,
     .name = "db_delete_latency_seconds",
     .type = kHistogram,
     .family = Family::kOperationDuration,
     .choices = {kDeletes},
     .help = "Time per deletion."},
    {.set = kWombat,
     .name = "db_get_errors_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kGets, kFailed},
     .help = "Reads that failed."},
    {.set = kWombat,
     .name = "db_set_errors_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kSets, kFailed},
     .help = "Writes that failed."},
    {.set = kWombat,
     .name = "db_delete_errors_total",
     .type = kCounter,
     .family = Family::kOperations,
     .choices = {kDeletes, kFailed},
     .help = "Deletions that failed."},
    {.set = kWombat,
     .name = "db_total_memory_bytes",
     .type = kGauge,
     .family = Family::kMemory,
     .help = "Memory in use."},
    {.set = kWombat,
     .name = "db_cache_bytes",
     .type = kGauge,
     .family = Family::kMemory,
     .choices = {{{"kind", {"cache"}}}},
     .help = "Memory of filters that are kept for searches by the same."},
    {.set = kWombat,
     .name = "db_memtable_bytes",
     .type = kGauge,
     .family = Family::kCompactionPendingBytes,
     .help = "Bytes of writes that are done and in no checkpoint yet."},
    {.set = kWombat,
     .name = "db_level_files",
     .type = kGauge,
     .family = Family::kLevelFiles,
     .labels = {kLevel},
     .help = "Files of a level."},
    {.set = kWombat,
     .name = "db_level_bytes",
     .type = kGauge,
     .family = Family::kLevelBytes,
     .labels = {kLevel},
     .help = "Bytes of a level."},
    {.set = kWombat,
     .name = "db_compaction_operations_total",
     .type = kCounter,
     .family = Family::kCompactions,
     .help = "Checkpoints."},
    {.set = kWombat,
     .name = "db_compaction_duration_seconds",
     .type = kHistogram,
     .family = Family::kCompactionDuration,
     .help = "Time of a checkpoint."},
    {.set = kWombat,
     .name = "db_compaction_write_amplification",
     .type = kHistogram,
     .family = Family::kWriteAmplification,
     .help = "Bytes written to a byte of the log, by checkpoint."},
    {.set = kWombat,
     .name = "db_compaction_input_files_total",
     .type = kCounter,
     .family = Family::kCompactionInputFiles,
     .help = "Files that checkpoints replaced."},
    {.set = kWombat,
     .name = "db_compaction_output_files_total",
     .type = kCounter,
     .family = Family::kCompactionOutputFiles,
     .help = "Files that checkpoints wrote."},
    {.set = kWombat,
     .name = "db_compaction_input_bytes_total",
     .type = kCounter,
     .family = Family::kCompactionInputBytes,
     .help = "Bytes of the log that went into checkpoints."},
    {.set = kWombat,
     .name = "db_compaction_output_bytes_total",
     .type = kCounter,
     .family = Family::kCompactionOutputBytes,
     .help = "Bytes that checkpoints wrote."},
    {.set = kWombat,
     .name = "db_space_reclaim_operations_total",
     .type = kCounter,
     .family = Family::kReclaims,
     .help = "Times that files were removed."},
    {.set = kWombat,
     .name = "db_space_reclaim_bytes_total",
     .type = kCounter,
     .family = Family::kReclaimedBytes,
     .help = "Bytes of files that were removed."},
    {.set = kWombat,
     .name = "db_space_reclaim_duration_seconds",
     .type = kHistogram,
     .family = Family::kReclaimDuration,
     .help = "Time to remove files."},
};

std::string_view UnitOf(std::string_view name) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (name.ends_with(unit)) return unit;
  }
  return {};
}

std::string_view ValueOf(std::span<const LabelPair> labels, std::string_view name) {
  for (const LabelPair& label : labels) {
    if (label.name == name) return label.value;
  }
  return {};
}

bool IsChosen(const SourceName& row, std::span<const LabelPair> labels) {
  return std::all_of(row.choices.begin(), row.choices.end(), [&](const LabelChoice& choice) {
    if (choice.label.empty()) return true;
    const auto value =
        std::find(choice.values.begin(), choice.values.end(), ValueOf(labels, choice.label));
    return value != choice.values.end();
  });
}

bool TellsCollectionsApart(const SourceName& row) {
  return std::any_of(row.labels.begin(), row.labels.end(),
                     [](const LabelName& label) { return label.ours == "collection"; });
}

// Without the collections of databases: what they have is not all that their databases had before
// somebody told them apart.
std::vector<StatsSource> Undivided(std::span<const StatsSource> sources) {
  std::vector<StatsSource> undivided;
  for (const StatsSource& source : sources) {
    if (source.is_part) continue;
    undivided.push_back(source);
    undivided.back().parts = 0;
  }
  return undivided;
}

}  // namespace

std::span<const SourceName> SourceNames() { return kSourceNames; }

void AddSourceNames(std::span<const CompatSet> sets, std::span<const StatsSource> sources,
                    MetricSet& set) {
  if (sets.empty()) return;
  MetricSet divided;
  AddStats(sources, divided);
  MetricSet whole;
  AddStats(Undivided(sources), whole);
  for (const SourceName& row : kSourceNames) {
    if (std::find(sets.begin(), sets.end(), row.set) == sets.end()) continue;
    const MetricSet& from_set = TellsCollectionsApart(row) ? divided : whole;
    const ExportedFamily& family = from_set.families[static_cast<size_t>(row.family)];
    ExportedFamily alias{.name = row.name,
                         .help = row.help,
                         .type = row.type,
                         .unit = UnitOf(row.name),
                         .ours = false};
    for (const Sample& from : family.samples) {
      const std::span<const LabelPair> labels = from_set.LabelsOf(from);
      if (!IsChosen(row, labels)) continue;
      Sample sample = from;
      sample.first_label = set.labels.size();
      for (const LabelName& label : row.labels) {
        const std::string_view value = ValueOf(labels, label.ours);
        if (!value.empty()) set.labels.push_back({label.theirs, value});
      }
      sample.label_count = set.labels.size() - sample.first_label;
      alias.samples.push_back(sample);
    }
    JoinEqual(set, alias);
    if (row.quantile != 0) {
      for (Sample& sample : alias.samples) {
        sample.value = Quantile(*sample.cells, row.quantile);
        sample.cells = nullptr;
        sample.started_ns = 0;
      }
    }
    set.families.push_back(std::move(alias));
  }
}

}  // namespace vitrine
