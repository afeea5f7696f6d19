#include "index/neighbour_selection.h"

#include <algorithm>

namespace vitrine {

NeighbourSelection::NeighbourSelection(size_t capacity)
    : open_rows_(capacity + 4), open_slots_(capacity + 4), distances_(capacity + 4) {
  kept_.reserve(capacity);
  left_.reserve(capacity);
  open_.reserve(capacity);
}

void NeighbourSelection::Select(const VectorStore& vectors, std::span<const Candidate> sorted,
                                size_t limit, float alpha_squared) {
  kept_.clear();
  left_.clear();
  open_.assign(sorted.begin(), sorted.end());
  while (!open_.empty()) {
    const Candidate chosen = open_.front();
    kept_.push_back(chosen);
    const size_t remaining = open_.size() - 1;
    if (remaining == 0 || kept_.size() == limit) {
      left_.insert(left_.end(), open_.begin() + 1, open_.end());
      break;
    }
    for (size_t i = 0; i < remaining; ++i) {
      open_slots_[i] = open_[i + 1].slot;
      open_rows_[i] = vectors.Row(open_slots_[i]);
    }
    vectors.ScorerFor(chosen.slot)
        .Score(open_rows_.data(), open_slots_.data(), remaining, distances_.data());
    size_t open = 0;
    for (size_t i = 0; i < remaining; ++i) {
      const Candidate candidate = open_[i + 1];
      if (alpha_squared * distances_[i] < candidate.distance) {
        left_.push_back(candidate);
      } else {
        open_[open++] = candidate;
      }
    }
    open_.resize(open);
  }
  std::sort(left_.begin(), left_.end());
}

}  // namespace vitrine
