#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/background_steps.h"
#include "engine/best_hits.h"
#include "engine/point_filter.h"
#include "stats/recall_sampler.h"

namespace vitrine {

class Table;

// A search that is to be repeated exactly.
struct ProbedSearch {
  const void* query = nullptr;
  size_t k = 0;
  std::span<const Hit> hits;            // what it found
  uint64_t snapshot = 0;                // on this version of the table
  const PointFilter* filter = nullptr;  // may be null
  ProbedIndex index = ProbedIndex::kGraph;
};

// Repeats searches exactly, one at a time, in steps of a few milliseconds behind all other work of
// the pool, and counts how many of the true neighbours they had found.
//
// Thread safety: every function may be called from any thread at any time; the destructor not from
// a step.
class RecallProber {
 public:
  // Both outlive it; without a pool every probe is skipped.
  RecallProber(const Table& table, ThreadPool* pool) : table_(table), steps_(pool) {}

  // Takes a search that `sampler` has drawn, and copies what it needs. Skipped are those that come
  // while another one is under way, that the budgets have no time for, whose table has changed
  // since they began, or whose filter belongs to nobody. Never fails: where memory is refused, that
  // is what is counted.
  void Probe(const ProbedSearch& search, const RecallSampler& sampler);

 private:
  class Run;

  const Table& table_;
  BackgroundSteps steps_;  // last: no step runs once the rest goes
};

}  // namespace vitrine
