#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/code_store.h"
#include "index/entry_table.h"
#include "index/links.h"
#include "index/scratch.h"
#include "index/vector_store.h"
#include "index/visibility.h"
#include "kernels/kernels.h"
#include "stats/search_counters.h"

namespace vitrine {

// Why a search stopped.
enum class StopReason : uint8_t { kExhausted, kCancelled, kTimeout, kTooLong };

// What may stop a search from outside; looked at once per step.
struct SearchControl {
  const std::atomic<bool>* cancelled = nullptr;  // relaxed: the flag carries no data
  bool has_deadline = false;
  std::chrono::steady_clock::time_point deadline = {};
  uint64_t most_hops = UINT64_MAX;  // kTooLong from then on

  //   hops   nodes whose links were read
  //   steps  calls so far: the clock is not looked at in each
  StopReason Check(uint64_t hops = 0, uint64_t steps = 0) const {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      return StopReason::kCancelled;
    }
    if (hops >= most_hops) return StopReason::kTooLong;
    // The clock costs as much as a few distances: every 16th step is near enough.
    if (has_deadline && steps % 16 == 0 && std::chrono::steady_clock::now() >= deadline) {
      return StopReason::kTimeout;
    }
    return StopReason::kExhausted;
  }
};

// How a filtered walk treats nodes that the filter excludes.
struct FilterWalk {
  AdmitBitmap admit;
  bool use_fill_edges = false;  // for filters that allow few: the links alone do not connect them
  float one_hop_share = 0.7f;   // where more of a row is allowed than this, its links suffice
  size_t max_step = 64;         // rows collected per hop
};

// One walk over the graph: from `seeds` to the `ef` nearest nodes.
struct WalkRequest {
  const Links* links = nullptr;
  VectorScorer scorer;
  // Walks on codes where there are some: the pool then holds estimates, to be reranked.
  const CodeScorer* codes = nullptr;
  std::span<const Slot> seeds = {};
  size_t seeds_kept = 8;  // the best seeds are walked from first
  SearchControl control = {};
  // Which rows are results. At most one of the three is set; none: all of them.
  const SnapshotVisible* snapshot = nullptr;
  const AllowedVisible* allowed = nullptr;
  const AliveOnly* alive = nullptr;
  const FilterWalk* filter = nullptr;
};

// Walks that advance together on one core: while one waits for memory, the others work.
inline constexpr size_t kWalkLanes = 4;

// What the walks of a batch have in common.
struct InterleavedForm {
  bool on_codes = false;                      // whether requests carry a scorer of codes
  bool counted = false;                       // whether the source has counters for them
  const SnapshotVisible* snapshot = nullptr;  // which rows are results; null: all rows
};

// Hands out the walks of a batch. Requests carry no filter, and what their form says.
class WalkSource {
 public:
  virtual ~WalkSource() = default;
  // The next walk for `lane`, whose scratch has been prepared for it; null when none is left. The
  // request stays valid until Done.
  virtual const WalkRequest* Next(size_t lane) = 0;
  // What the walk in `lane`, the newest of Next, counts into; asked for where the form is counted.
  virtual SearchCounters* CountersOf(size_t /*lane*/) { return nullptr; }
  // The walk in `lane` has ended; its scratch still holds pool and marks.
  virtual void Done(size_t lane, StopReason reason) = 0;
};

// The search loop compiled for one instruction set. A walk leaves its result in the pool of its
// scratch (nearest first, transit entries tagged) and the visited marks set: the caller reads,
// then clears. REQUIRES: Scratch::Prepare was called for the walk's `ef`.
struct WalkTable {
  InstructionSet set;
  StopReason (*walk)(const WalkRequest& request, Scratch& scratch);
  // The same, counting what it does. REQUIRES: request.alive == nullptr
  StopReason (*walk_counted)(const WalkRequest& request, Scratch& scratch,
                             SearchCounters& counters);
  //   scratches  [kWalkLanes]
  void (*walk_interleaved)(WalkSource& source, const InterleavedForm& form,
                           Scratch* const* scratches);

  StopReason Walk(const WalkRequest& request, Scratch& scratch, NoCounting /*counting*/) const {
    return walk(request, scratch);
  }
  StopReason Walk(const WalkRequest& request, Scratch& scratch, SearchCounting counting) const {
    return walk_counted(request, scratch, counting.counters());
  }
};

// The table for the kernels in use; the portable one where no vector form of the loop exists.
const WalkTable& WalksFor(InstructionSet set);

}  // namespace vitrine
