#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/status.h"

namespace vitrine {

// How much is counted. Each level counts what those before it do.
enum class StatsLevel : uint8_t {
  kOff,
  kCounters,
  kHistograms,  // and how long operations take, and how much each does
  kPhases,      // and how long they wait before that
  kCpu,         // and how long they have a processor
};
inline constexpr std::string_view kStatsLevelNames[] = {"off", "counters", "histograms", "phases",
                                                        "cpu"};

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
  kConfigure,    // collections, fields and aliases
  kMaintain,     // a whole database, or index: flushes, checkpoints, backups, optimizing
};
inline constexpr std::string_view kCountedOperationNames[] = {
    "search", "batch", "insert", "upsert",      "update",    "delete",  "get",
    "count",  "scan",  "save",   "transaction", "configure", "maintain"};
static_assert(std::size(kCountedOperationNames) ==
              static_cast<size_t>(CountedOperation::kMaintain) + 1);
// Those that search are the first.
inline constexpr std::string_view kSearchOperationNames[] = {kCountedOperationNames[0],
                                                             kCountedOperationNames[1]};
static_assert(std::size(kSearchOperationNames) ==
              static_cast<size_t>(CountedOperation::kBatch) + 1);

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

// Where a search looked that was repeated exactly, and how many neighbours it was for.
enum class ProbedIndex : uint8_t { kGraph, kSketch };
inline constexpr std::string_view kProbedIndexNames[] = {"graph", "sketch"};
inline constexpr std::string_view kProbedNeighborNames[] = {"1", "10", "100", "other"};
// The place of `k` among them.
constexpr size_t ProbedNeighbors(size_t k) { return k == 1 ? 0 : k == 10 ? 1 : k == 100 ? 2 : 3; }
// What became of a search that was to be repeated.
enum class ProbeOutcome : uint8_t {
  kOk,
  kSkipped,  // there was no time for it, or the points had changed
  kError,    // there was no memory for it, or a vector could not be read
};
inline constexpr std::string_view kProbeOutcomeNames[] = {"ok", "skipped", "error"};

inline constexpr std::string_view kIndexKindNames[] = {"graph", "exact"};
inline constexpr std::string_view kRowStateNames[] = {"live", "deleted", "unindexed"};
enum class MemoryKind : uint8_t {
  kVectors,
  kGraph,
  kQuantized,
  kMetadata,
  kCache,    // filters that were computed, for searches by the same
  kBuffers,  // what searches work in
  kOther,
};
inline constexpr std::string_view kMemoryKindNames[] = {
    "vectors", "graph", "quantized", "metadata", "cache", "buffers", "other"};
static_assert(std::size(kMemoryKindNames) == static_cast<size_t>(MemoryKind::kOther) + 1);
enum class Tier : uint8_t { kMemory, kDisk };
inline constexpr std::string_view kTierNames[] = {"memory", "disk"};

// What a database consists of in its folder, in the words of a tree of levels: log segments, the
// newest checkpoint, and the one before.
inline constexpr std::string_view kStorageLevelNames[] = {"0", "1", "2"};
// The same bytes by what they are of: all of the log; vectors with what surrounds them, keys and
// payloads, and graphs with codes of the newest checkpoint; all of the one before.
inline constexpr std::string_view kDiskKindNames[] = {"wal", "segment", "value_log", "index",
                                                      "snapshot"};
enum class DiskKind : uint8_t { kWal, kSegment, kValueLog, kIndex, kSnapshot };
static_assert(std::size(kDiskKindNames) == static_cast<size_t>(DiskKind::kSnapshot) + 1);
// Those that there are limits of in bytes are the first.
enum class LimitedResource : uint8_t { kMemory, kDisk, kConcurrency, kDeadline };
inline constexpr std::string_view kRefusingResourceNames[] = {"memory", "disk", "concurrency",
                                                              "deadline"};
inline constexpr std::string_view kLimitedResourceNames[] = {kRefusingResourceNames[0],
                                                             kRefusingResourceNames[1]};
static_assert(std::size(kRefusingResourceNames) ==
              static_cast<size_t>(LimitedResource::kDeadline) + 1);
enum class SnapshotPhase : uint8_t { kCreate, kVerify };
inline constexpr std::string_view kSnapshotPhaseNames[] = {"create", "verify"};

// Whose time a processor spends.
enum class CpuPool : uint8_t {
  kQuery,       // searches and other reads; batches apart, whose threads are many
  kCompaction,  // checkpoints
  kBackground,  // what a database does uncalled: it keeps its log, links what lost its graph,
                // scrubs
};
inline constexpr std::string_view kCpuPoolNames[] = {"query", "compaction", "background"};
static_assert(std::size(kCpuPoolNames) == static_cast<size_t>(CpuPool::kBackground) + 1);
// The pool of an operation that one thread does from its beginning to its end; nothing of others.
std::optional<CpuPool> CpuPoolOf(CountedOperation operation);

// How something ended that nobody called for.
enum class RunOutcome : uint8_t { kOk, kError };
inline constexpr std::string_view kRunOutcomeNames[] = {"ok", "error"};

// What is done to an index by the way.
enum class Maintenance : uint8_t {
  kRelink,     // rows that have been there for long are linked anew, as an index grows
  kReconnect,  // rows that no walk reaches get a link
  kGc,         // removed rows are taken out of the graph, and may be used again
  kQuantize,   // codes are made of all rows
  kRebuild,    // a graph that was lost is made anew
};
inline constexpr std::string_view kMaintenanceNames[] = {"relink", "reconnect", "gc", "quantize",
                                                         "rebuild"};

// Why vectors were linked.
enum class BuildCause : uint8_t {
  kWrite,    // they were added
  kRebuild,  // their graph was lost
};
inline constexpr std::string_view kBuildCauseNames[] = {"write", "rebuild"};

enum class IoDirection : uint8_t { kRead, kWrite };
inline constexpr std::string_view kIoDirectionNames[] = {"read", "write"};

}  // namespace vitrine
