#include "index/neighbour_selection.h"

#include <algorithm>

namespace vitrine {
namespace {

// The slack applies to distances; these are squared, or (cosine) proportional to squares.
constexpr float kAlphaSquared = 1.05f * 1.05f;

// Whether a chosen neighbour s rules out a candidate p of the centre c.
class Rule {
 public:
  Rule(const VectorStore& vectors, Slot centre) : vectors_(vectors) {
    if (vectors.metric() == Metric::kIp) centre_norm_ = vectors.Norm(centre);
  }

  bool RulesOut(Slot chosen, float chosen_distance, float centre_distance) const {
    if (vectors_.metric() != Metric::kIp) return kAlphaSquared * chosen_distance < centre_distance;
    // Distances are -<s, p> and -<c, p>. By angle and by Euclid, |p| stands on both sides and is
    // left out. In f64: norms of real data range over many orders.
    const double s = chosen_distance;
    const double c = centre_distance;
    const double norm = vectors_.Norm(chosen);
    return s < c && s * centre_norm_ < c * norm &&
           norm * norm + 2 * s < centre_norm_ * centre_norm_ + 2 * c;
  }

 private:
  const VectorStore& vectors_;
  double centre_norm_ = 0;
};

}  // namespace

NeighbourSelection::NeighbourSelection(size_t capacity)
    : open_slots_(capacity), distances_(capacity + 4) {
  kept_.reserve(capacity);
  left_.reserve(capacity);
  open_.reserve(capacity);
}

void NeighbourSelection::Select(PairDistances& distances, PairDistances::Source source, Slot centre,
                                std::span<const Candidate> sorted, size_t limit) {
  const Rule rule(distances.vectors(), centre);
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
    for (size_t i = 0; i < remaining; ++i) open_slots_[i] = open_[i + 1].slot;
    distances.Score(source, chosen.slot, std::span(open_slots_).first(remaining),
                    distances_.data());
    size_t open = 0;
    for (size_t i = 0; i < remaining; ++i) {
      const Candidate candidate = open_[i + 1];
      if (rule.RulesOut(chosen.slot, distances_[i], candidate.distance)) {
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
