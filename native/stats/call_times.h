#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "stats/phase_stretch.h"
#include "stats/search_phases.h"
#include "stats/tick_clock.h"

namespace vitrine {

// What an asynchronous call spends its time on, in the order in which most begin them. Those of a
// search are those of SearchPhase.
enum class CallPhase : uint8_t {
  kQueue,    // it waits for its turn and for a thread
  kExecute,  // it is done, where nothing finer is known
  kPrepare,
  kFilter,
  kPlan,  // of a write: whether it may be done, and what it changes
  kEntries,
  kGraph,
  kScan,
  kRerank,
  kMaterialize,
  kGraphLink,  // points of a write become nodes, which nobody sees yet
  kWal,        // its record is written into the log, with those of others that waited
  kFsync,      // the log is flushed, and with it all that was written
  kCommit,     // what was written becomes visible
  kSettle,     // its thread is done: it waits for the event loop, and becomes JavaScript's
};

// OperationPhase of lib/channels.ts.
inline constexpr const char* kCallPhaseNames[] = {
    "queue",  "execute",     "prepare",    "filter", "plan",  "entries", "graph", "scan",
    "rerank", "materialize", "graph_link", "wal",    "fsync", "commit",  "settle"};
inline constexpr size_t kCallPhases = std::size(kCallPhaseNames);
static_assert(kCallPhases == static_cast<size_t>(CallPhase::kSettle) + 1);

// When a call that somebody watches was in which phase, in ticks of the process's clock. From where
// it enters the first it is in one phase at a time.
//
// Thread safety: for one thread at a time; it may go from one to another.
class CallTimes {
 public:
  void Enter(CallPhase phase);
  // What went on since the last phase was entered was a search, or several, and went through phases
  // of its own: those of a timer that has ended, or of a batch.
  void EnterSearch(const std::array<PhaseStretch, kSearchPhases>& phases);
  // It is in none from now on.
  void Leave();

  // Adds those of another, which may have gone on at the same time. REQUIRES: both are in none
  void Merge(const CallTimes& other);
  const std::array<PhaseStretch, kCallPhases>& stretches() const { return stretches_; }

 private:
  static constexpr size_t kNone = kCallPhases;

  void LeaveAt(uint64_t now);

  std::array<PhaseStretch, kCallPhases> stretches_ = {};
  size_t current_ = kNone;
  uint64_t since_ = 0;
};

}  // namespace vitrine
