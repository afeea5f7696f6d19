#pragma once

#include <cstdint>
#include <optional>

#include "stats/catalog.h"

namespace vitrine {

// What one search did. It lives on the stack of the search and is read when the search has ended;
// nothing in it is shared.
struct SearchCounters {
  static constexpr bool kCounting = true;

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

  void AddHop() { ++hops; }
  void AddEntryEvaluations(uint64_t n) { entry_evaluations += n; }
  void AddGraphEvaluations(uint64_t n) { graph_evaluations += n; }
  void AddScanEvaluations(uint64_t n) { scan_evaluations += n; }
  void AddTransitNode() { ++transit_nodes; }

  uint64_t evaluations() const {
    return entry_evaluations + graph_evaluations + scan_evaluations + sketch_evaluations +
           rerank_evaluations;
  }
};

// The counters of a search that nobody measures: compiles to nothing.
struct NullCounters {
  static constexpr bool kCounting = false;

  void AddHop() {}
  void AddEntryEvaluations(uint64_t) {}
  void AddGraphEvaluations(uint64_t) {}
  void AddScanEvaluations(uint64_t) {}
  void AddTransitNode() {}
};

}  // namespace vitrine
