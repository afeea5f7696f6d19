#pragma once

#include <cstdint>
#include <optional>

#include "stats/catalog.h"

namespace vitrine {

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
  uint64_t returned = 0;            // hits
  bool on_codes = false;            // whether walks compared codes
  // How it was done; nothing when it failed before that was known.
  std::optional<SearchStrategy> strategy;

  uint64_t evaluations() const {
    return entry_evaluations + graph_evaluations + scan_evaluations + sketch_evaluations +
           rerank_evaluations;
  }
};

// What the parts of a search count with; they are compiled for each of the two, and get it by
// value. This one counts into `counters`, which outlive it.
class SearchCounting {
 public:
  static constexpr bool kCounting = true;

  explicit SearchCounting(SearchCounters& counters) : counters_(&counters) {}
  SearchCounters& counters() const { return *counters_; }

  void AddHop() const { ++counters_->hops; }
  void AddEntryEvaluations(uint64_t n) const { counters_->entry_evaluations += n; }
  void AddGraphEvaluations(uint64_t n) const { counters_->graph_evaluations += n; }
  void AddScanEvaluations(uint64_t n) const { counters_->scan_evaluations += n; }
  void AddSketchEvaluations(uint64_t n) const { counters_->sketch_evaluations += n; }
  void AddRerankEvaluations(uint64_t n) const { counters_->rerank_evaluations += n; }
  void AddTransitNode() const { ++counters_->transit_nodes; }
  void SetStrategy(SearchStrategy strategy, bool on_codes) const {
    counters_->strategy = strategy;
    counters_->on_codes = on_codes;
  }
  void SetReturned(uint64_t n) const { counters_->returned = n; }

 private:
  SearchCounters* counters_;
};

// And this one is for a search that nobody measures: it compiles to nothing, and is passed in no
// register.
struct NoCounting {
  static constexpr bool kCounting = false;

  void AddHop() const {}
  void AddEntryEvaluations(uint64_t) const {}
  void AddGraphEvaluations(uint64_t) const {}
  void AddScanEvaluations(uint64_t) const {}
  void AddSketchEvaluations(uint64_t) const {}
  void AddRerankEvaluations(uint64_t) const {}
  void AddTransitNode() const {}
  void SetStrategy(SearchStrategy, bool) const {}
  void SetReturned(uint64_t) const {}
};

}  // namespace vitrine
