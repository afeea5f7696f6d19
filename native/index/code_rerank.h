#pragma once

#include <cstddef>
#include <span>

#include "base/slot.h"
#include "index/code_store.h"
#include "index/vector_store.h"
#include "stats/search_counters.h"

namespace vitrine {

// A row that a search has met, and how far it is, exactly or by estimate.
struct RankedSlot {
  float distance;
  Slot slot;
};

// Replaces estimates by exact distances for as many candidates as may be among the `k` nearest of
// them, judged by the deviations of their estimates.
//   candidates  ascending by estimate. Afterwards the first min(k, candidates.size()) are the
//               nearest, with exact distances, ascending, ties by slot; the others are unspecified
//   codes       what gave the estimates
//   exact       of the same query
//   counting    SearchCounting, or NoCounting
//   returns     exact distances computed
template <class Counting = NoCounting>
size_t Rerank(std::span<RankedSlot> candidates, size_t k, const CodeScorer& codes,
              const VectorScorer& exact, Counting counting = {});

}  // namespace vitrine
