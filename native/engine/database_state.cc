#include "engine/database_state.h"

#include <cstdint>
#include <iterator>
#include <limits>

#include "engine/table_state.h"

namespace vitrine {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

void AddLimits(const DatabaseOptions& options, const DatabaseCounts& counts,
               StatsSnapshot& snapshot) {
  const uint64_t limits[] = {options.max_memory_bytes, options.max_disk_bytes};
  static_assert(std::size(limits) == std::size(kLimitedResourceNames));
  for (size_t resource = 0; resource < std::size(limits); ++resource) {
    const uint64_t shown = limits[resource] == kUnlimited ? 0 : limits[resource];
    snapshot.AddState(Family::kResourceLimit, resource, shown);
  }
  const uint64_t refused[] = {counts.refused_for_memory, counts.refused_for_disk,
                              counts.refused_for_concurrency, counts.refused_for_deadline};
  static_assert(std::size(refused) == std::size(kRefusingResourceNames));
  for (size_t resource = 0; resource < std::size(refused); ++resource) {
    snapshot.AddTotal(Family::kResourceRejections, resource, refused[resource]);
  }
}

void AddFiles(const DatabaseDisk& disk, const DatabaseCounts& counts, StatsSnapshot& snapshot) {
  const uint64_t files[] = {disk.segment_files, disk.checkpoint_files, disk.previous_files};
  const uint64_t bytes[] = {disk.segment_bytes, disk.checkpoint, disk.previous};
  static_assert(std::size(files) == std::size(kStorageLevelNames));
  for (size_t level = 0; level < std::size(files); ++level) {
    snapshot.AddState(Family::kLevelFiles, level, files[level]);
    snapshot.AddState(Family::kLevelBytes, level, bytes[level]);
  }
  const uint64_t vectors = disk.checkpoint - disk.checkpoint_index - disk.checkpoint_records;
  const struct {
    DiskKind kind;
    uint64_t bytes;
  } kinds[] = {{DiskKind::kWal, disk.log},
               {DiskKind::kSegment, vectors},
               {DiskKind::kValueLog, disk.checkpoint_records},
               {DiskKind::kIndex, disk.checkpoint_index},
               {DiskKind::kSnapshot, disk.previous}};
  static_assert(std::size(kinds) == std::size(kDiskKindNames));
  for (const auto& [kind, size] : kinds) {
    snapshot.AddState(Family::kDiskBytes, SeriesOf(kind), size);
  }
  snapshot.AddState(Family::kIndexSize, SeriesOf(Tier::kDisk), disk.checkpoint_index);
  const struct {
    IoDirection direction;
    uint64_t calls;
    uint64_t bytes;
  } io[] = {{IoDirection::kRead, counts.io.reads, counts.io.read_bytes},
            {IoDirection::kWrite, counts.io.writes, counts.io.written_bytes}};
  static_assert(std::size(io) == std::size(kIoDirectionNames));
  for (const auto& [direction, calls, size] : io) {
    snapshot.AddTotal(Family::kIoOperations, SeriesOf(direction), calls);
    snapshot.AddTotal(Family::kIoBytes, SeriesOf(direction), size);
  }
  snapshot.AddState(Family::kCompactionPendingBytes, 0, counts.pending_bytes);
  snapshot.AddState(Family::kLastSnapshot, 0, counts.last_backup_ns);
}

void AddCheckpoints(const DatabaseCounts& counts, StatsSnapshot& snapshot) {
  const uint64_t outcomes[] = {counts.checkpoints, counts.failed_checkpoints};
  static_assert(std::size(outcomes) == std::size(kRunOutcomeNames));
  for (size_t outcome = 0; outcome < std::size(outcomes); ++outcome) {
    snapshot.AddTotal(Family::kCompactions, outcome, outcomes[outcome]);
  }
  snapshot.AddTotal(Family::kCompactionInputFiles, 0, counts.log.removed_segments);
  snapshot.AddTotal(Family::kCompactionOutputFiles, 0, counts.written_files);
  snapshot.AddTotal(Family::kCompactionInputBytes, 0, counts.checkpointed_log_bytes);
  snapshot.AddTotal(Family::kCompactionOutputBytes, 0, counts.checkpoint_written_bytes);
  snapshot.AddTotal(Family::kReclaims, 0, counts.reclaims);
  snapshot.AddTotal(Family::kReclaimedBytes, 0, counts.removed_bytes + counts.log.removed_bytes);
}

}  // namespace

void AddStorageState(const Database& database, StatsSnapshot& snapshot) {
  const DatabaseCounts counts = database.counts();
  const bool has_folder = !database.options().folder.empty();
  snapshot.scope = has_folder ? Scope::kFolder : Scope::kDatabase;
  snapshot.AddState(Family::kQueueDepth, 0, counts.queued_writes);
  snapshot.AddState(Family::kOpenDuration, 0, counts.open_ns);
  AddKernels(*database.options().kernels, snapshot);
  AddLimits(database.options(), counts, snapshot);
  AddMaintenance(database.maintenance(), snapshot);
  if (!has_folder) return;
  if (const Result<uint64_t> free = database.FreeBytes(); free.ok()) {
    snapshot.AddState(Family::kFreeBytes, 0, *free);
  } else {
    snapshot.Lacks(Family::kFreeBytes);
  }
  AddFiles(database.disk(), counts, snapshot);
  AddCheckpoints(counts, snapshot);
}

}  // namespace vitrine
