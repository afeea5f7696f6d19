#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "stats/catalog.h"
#include "stats/search_phases.h"

namespace vitrine {

// Why a walk, or a scan of sketches, ended.
enum class SearchStop : uint8_t {
  kExhausted,  // a walk: nothing in the beam is left to go on from
  kEnough,     // sketches: no row that is left is likely to be nearer than those found
  kBounded,    // a walk had cost as much as a scan of sketches, which took over
  kLost,       // too few hits were found, and an exact scan took over
  kCoarse,     // sketches told too little, and an exact scan took over
};
inline constexpr std::string_view kSearchStopNames[] = {"exhausted", "enough", "bounded", "lost",
                                                        "coarse"};
static_assert(std::size(kSearchStopNames) == static_cast<size_t>(SearchStop::kCoarse) + 1);

class RecallSampler;

// What one search did. It lives on the stack of the search and is read when the search has ended;
// nothing in it is shared.
struct SearchCounters {
  uint64_t hops = 0;                // nodes whose links were read
  uint64_t entry_evaluations = 0;   // distances to seeds: the entry table, or the filter's seeds
  uint64_t graph_evaluations = 0;   // distances to nodes met on the way
  uint64_t scan_evaluations = 0;    // distances computed by an exact scan
  uint64_t sketch_evaluations = 0;  // distances estimated by a scan of sketches
  uint64_t rerank_evaluations = 0;  // of rows that were near by code or sketch, looked at closer
  uint64_t transit_nodes = 0;       // scored nodes that cannot be hits: not shown, or not allowed
  uint64_t probe_hops = 0;          // of `hops`, those of the walk that looks where the filter lies
  uint64_t second_hops = 0;  // nodes left out by the filter whose links were read in their stead
  uint64_t candidates = 0;  // rows that a walk or a scan of sketches found, for hits to be taken of
  uint64_t reranked = 0;    // of `candidates`, those looked at closer
  uint64_t returned = 0;    // hits
  bool on_codes = false;    // whether walks compared codes
  // What computes distances to vectors and to codes; known with the strategy.
  DistanceKernel vector_kernel = DistanceKernel::kF32;
  DistanceKernel code_kernel = DistanceKernel::kSq8;
  // Calls of kernels, by what they compare a query with.
  std::array<uint64_t, kComparedForms> kernel_calls = {};
  // How it was done; nothing when it failed before that was known.
  std::optional<SearchStrategy> strategy;
  // Of the first part that ended for good, or gave up; nothing where there was only an exact scan.
  std::optional<SearchStop> stop;
  // May want the search to be repeated exactly; null: nobody does.
  const RecallSampler* recall = nullptr;
  // Told of the phases of the search; null: nobody is, and no clock is read.
  PhaseListener* phases = nullptr;

  uint64_t evaluations() const {
    return entry_evaluations + graph_evaluations + scan_evaluations + sketch_evaluations +
           rerank_evaluations;
  }
};

// Nothing, to be copied. Compilers make so large an object of zeros by an instruction (rep stos)
// that takes as long as all the rest of counting a search.
extern const SearchCounters kNothingCounted;

// Those of a search that begins. `recall` outlives them.
inline SearchCounters CountersOf(const RecallSampler& recall) {
  SearchCounters counters = kNothingCounted;
  counters.recall = &recall;
  return counters;
}

// What the parts of a search count with; they are compiled for each of the two, and get it by
// value. This one counts into `counters`, which outlive it.
class SearchCounting {
 public:
  static constexpr bool kCounting = true;

  explicit SearchCounting(SearchCounters& counters) : counters_(&counters) {}
  SearchCounters& counters() const { return *counters_; }

  // What a walk counts in its own frame, where compilers may keep it in registers, until it ends.
  class Walk {
   public:
    void AddEntries(uint64_t rows) {
      entry_evaluations_ += rows;
      kernel_calls_ += CallsFor(ComparedWith::kVectors, rows);
    }
    void AddStep(uint64_t rows) {
      graph_evaluations_ += rows;
      kernel_calls_ += CallsFor(ComparedWith::kVectors, rows);
    }

   private:
    friend class SearchCounting;

    uint64_t entry_evaluations_ = 0;
    uint64_t graph_evaluations_ = 0;
    uint64_t kernel_calls_ = 0;  // codes are taken by as many as vectors are
  };
  static_assert(RowsOfCall(ComparedWith::kVectors) == RowsOfCall(ComparedWith::kCodes));
  void AddWalk(const Walk& walk, uint64_t hops, ComparedWith what) const {
    counters_->hops += hops;
    counters_->entry_evaluations += walk.entry_evaluations_;
    counters_->graph_evaluations += walk.graph_evaluations_;
    AddKernelCalls(what, walk.kernel_calls_);
  }
  void AddKernelCalls(ComparedWith what, uint64_t n) const {
    counters_->kernel_calls[static_cast<size_t>(what)] += n;
  }
  // Of rows that come in whole calls, but for the last.
  void AddScanEvaluations(uint64_t n) const {
    counters_->scan_evaluations += n;
    AddKernelCalls(ComparedWith::kVectors, CallsFor(ComparedWith::kVectors, n));
  }
  void AddSketchEvaluations(uint64_t n) const {
    counters_->sketch_evaluations += n;
    AddKernelCalls(ComparedWith::kSketches, CallsFor(ComparedWith::kSketches, n));
  }
  // Of rows that come in groups, of which each is a call or several.
  void AddRerankGroup(ComparedWith what, uint64_t n) const {
    counters_->rerank_evaluations += n;
    AddKernelCalls(what, CallsFor(what, n));
  }
  void AddTransitNode() const { ++counters_->transit_nodes; }
  void AddSecondHop() const { ++counters_->second_hops; }
  // A search that looks for more keeps what it had: the last and largest set counts.
  void FoundCandidates(uint64_t n) const {
    counters_->candidates = counters_->candidates < n ? n : counters_->candidates;
  }
  void LookedCloserAt(uint64_t n) const {
    counters_->reranked = counters_->reranked < n ? n : counters_->reranked;
  }
  void Stopped(SearchStop stop) const {
    std::optional<SearchStop>& last = counters_->stop;
    // Why another part took over says more than how that one ended.
    if (!last || *last == SearchStop::kExhausted || *last == SearchStop::kEnough) last = stop;
  }
  void Enter(SearchPhase phase) const {
    if (counters_->phases != nullptr) counters_->phases->Enter(phase);
  }
  // Runs walk(counting), which looks around before the search; its phases are the caller's.
  template <class Walk>
  void Probe(Walk walk) const {
    SearchCounters probe;
    walk(SearchCounting(probe));
    counters_->hops += probe.hops;
    counters_->probe_hops += probe.hops;
    counters_->entry_evaluations += probe.entry_evaluations;
    counters_->graph_evaluations += probe.graph_evaluations;
    counters_->transit_nodes += probe.transit_nodes;
    for (size_t i = 0; i < kComparedForms; ++i) {
      counters_->kernel_calls[i] += probe.kernel_calls[i];
    }
  }
  //   codes  what compares codes; nothing where vectors are walked
  void SetStrategy(SearchStrategy strategy, DistanceKernel vectors,
                   std::optional<DistanceKernel> codes) const {
    counters_->strategy = strategy;
    counters_->on_codes = codes.has_value();
    counters_->vector_kernel = vectors;
    if (codes) counters_->code_kernel = *codes;
  }
  void SetReturned(uint64_t n) const { counters_->returned = n; }

 private:
  SearchCounters* counters_;
};

// And this one is for a search that nobody measures: it compiles to nothing, and is passed in no
// register.
struct NoCounting {
  static constexpr bool kCounting = false;

  struct Walk {
    void AddEntries(uint64_t) const {}
    void AddStep(uint64_t) const {}
  };
  void AddWalk(const Walk&, uint64_t, ComparedWith) const {}
  void AddScanEvaluations(uint64_t) const {}
  void AddSketchEvaluations(uint64_t) const {}
  void AddRerankGroup(ComparedWith, uint64_t) const {}
  void AddTransitNode() const {}
  void AddSecondHop() const {}
  void FoundCandidates(uint64_t) const {}
  void LookedCloserAt(uint64_t) const {}
  constexpr void Stopped(SearchStop) const {}
  constexpr void Enter(SearchPhase) const {}
  void SetStrategy(SearchStrategy, DistanceKernel, std::optional<DistanceKernel>) const {}
  void SetReturned(uint64_t) const {}
};

}  // namespace vitrine
