#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/query_scorers.h"
#include "index/code_rerank.h"
#include "index/sketch_store.h"

namespace vitrine {

// Keeps the rows with the least estimates of very many, about as many as it is asked for.
class LeastEstimates {
 public:
  // `rows` is reused memory. Estimates above `threshold` are not kept.
  LeastEstimates(std::vector<RankedSlot>& rows, size_t wanted, float threshold);
  float threshold() const { return threshold_; }
  //   estimates  SketchStore::kMostRows at most
  //   slots      [estimates.size()]
  void Offer(std::span<const float> estimates, const Slot* slots) {
    // Without branches: which of them are kept nobody can foretell.
    RankedSlot kept[SketchStore::kMostRows];
    size_t count = 0;
    for (size_t i = 0; i < estimates.size(); ++i) {
      kept[count] = {estimates[i], slots[i]};
      count += estimates[i] <= threshold_ ? 1 : 0;
    }
    rows_.insert(rows_.end(), kept, kept + count);
    if (rows_.size() >= room_) Shrink();
  }

 private:
  void Shrink();

  std::vector<RankedSlot>& rows_;
  const size_t wanted_;
  const size_t room_;
  float threshold_;
};

// Looks at the rows that a sketch found, in ascending order of estimates, by what is next exact:
// codes, or vectors where there are none. Stops when no row that is left is likely to be among the
// `k` nearest.
//   found     in any order; another one afterwards
//   ranked    receives what was looked at, ascending, by code or exactly
//   returns   whether it stopped before the end of `found`
template <class Counting>
bool LookCloser(std::span<RankedSlot> found, size_t k, const QueryScorers& scorers,
                std::vector<RankedSlot>& ranked, Counting counting);

}  // namespace vitrine
