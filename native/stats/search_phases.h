#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>

#include "stats/phase_stretch.h"
#include "stats/tick_clock.h"

namespace vitrine {

// What a search spends its time on, in the order in which most begin them.
enum class SearchPhase : uint8_t {
  kPrepare,      // whatever comes before the others: taking hold of a snapshot
  kFilter,       // the filter of a collection is computed, or found among those used before
  kPlan,         // the query is encoded and a plan chosen, with a look at what is near the query
  kEntries,      // the nodes from which a walk begins
  kGraph,        // the hops of a walk
  kScan,         // distances to all rows that count, exact or by sketch
  kRerank,       // rows that were near by code or sketch, looked at closer
  kMaterialize,  // hits are put together, and points copied
};

// Keys of SearchPhases of lib/search-plan.ts.
inline constexpr const char* kSearchPhaseNames[] = {"prepare", "filter", "plan",   "entries",
                                                    "graph",   "scan",   "rerank", "materialize"};
inline constexpr size_t kSearchPhases = std::size(kSearchPhaseNames);
static_assert(kSearchPhases == static_cast<size_t>(SearchPhase::kMaterialize) + 1);

using PhaseNanoseconds = std::array<uint64_t, kSearchPhases>;

// Is told by a search whenever it enters a phase, on the thread that searches.
class PhaseListener {
 public:
  virtual void Enter(SearchPhase phase) = 0;

 protected:
  ~PhaseListener() = default;
};

// Where the time of one search goes: from the first moment to the end it is in exactly one phase,
// so that together they take as long as the search.
//
// Thread safety: none.
class PhaseTimer final : public PhaseListener {
 public:
  // In kPrepare from now on. `clock` outlives it.
  explicit PhaseTimer(const TickClock& clock) : clock_(&clock), since_(clock.Now()) {
    ++stretches_[static_cast<size_t>(current_)].times;
  }

  // A phase may be entered again.
  void Enter(SearchPhase phase) override;
  // The search has ended. The sum of the phases is what it took.
  PhaseNanoseconds End();
  // When it was in each phase, in ticks of the clock. REQUIRES: it has ended
  const std::array<PhaseStretch, kSearchPhases>& stretches() const { return stretches_; }

 private:
  const TickClock* clock_;
  uint64_t since_;
  SearchPhase current_ = SearchPhase::kPrepare;
  std::array<PhaseStretch, kSearchPhases> stretches_ = {};
};

// Where the time of many searches goes, which several threads make at the same time: each adds what
// its own timer has.
//
// Thread safety: Add may run on many threads at once.
class BatchPhases {
 public:
  // REQUIRES: `timer` has ended
  void Add(const PhaseTimer& timer);
  // REQUIRES: nobody adds any more
  const std::array<PhaseStretch, kSearchPhases>& stretches() const { return stretches_; }

 private:
  std::mutex mutex_;
  std::array<PhaseStretch, kSearchPhases> stretches_ = {};
};

}  // namespace vitrine
