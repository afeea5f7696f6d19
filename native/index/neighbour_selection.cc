#include "index/neighbour_selection.h"

#include <algorithm>

namespace vitrine {
namespace {

// The slack applies to distances; these are squared, or (cosine) proportional to squares.
constexpr float kAlphaSquared = 1.05f * 1.05f;

// Whether a chosen neighbour s rules out a candidate p of the centre c. Without branches, because
// nobody can foretell them.
struct DistanceRule {
  bool RulesOut(float chosen_distance, float centre_distance) const {
    return kAlphaSquared * chosen_distance < centre_distance;
  }
};
struct InnerProductRule {
  double chosen_norm, centre_norm;

  bool RulesOut(float chosen_distance, float centre_distance) const {
    // Distances are -<s, p> and -<c, p>. By angle and by Euclid, |p| stands on both sides and is
    // left out. In f64: norms of real data range over many orders.
    const double s = chosen_distance;
    const double c = centre_distance;
    const bool by_product = s < c;
    const bool by_angle = s * centre_norm < c * chosen_norm;
    const bool by_euclid = chosen_norm * chosen_norm + 2 * s < centre_norm * centre_norm + 2 * c;
    return static_cast<int>(by_product) & static_cast<int>(by_angle) & static_cast<int>(by_euclid);
  }
};

}  // namespace

template <typename Row>
NeighbourSelection::Open<Row>::Open(size_t capacity)
    : slots_(capacity + 4),
      centre_distances_(capacity + 4),
      chosen_distances_(capacity + 4),
      rows_(capacity + 4) {}

template <typename Row>
void NeighbourSelection::Open<Row>::Assign(std::span<const Candidate> sorted,
                                           const PairDistances& distances) {
  first_ = 0;
  end_ = sorted.size();
  for (size_t i = 0; i < end_; ++i) {
    slots_[i] = sorted[i].slot;
    centre_distances_[i] = sorted[i].distance;
  }
  distances.Locate({slots_.data(), end_}, rows_.data());
}

template <typename Row>
template <class Rule>
void NeighbourSelection::Open<Row>::RuleOut(Slot chosen, const Rule& rule, PairDistances& distances,
                                            Left& left) {
  const std::span slots(slots_.data() + first_, end_ - first_);
  distances.Score(chosen, slots, rows_.data() + first_, chosen_distances_.data() + first_);
  size_t open = 0;
  for (size_t i = first_; i < end_; ++i) {
    const Slot slot = slots_[i];
    const float distance = centre_distances_[i];
    const bool out = rule.RulesOut(chosen_distances_[i], distance);
    // Written to both, of which one grows.
    left.candidates[left.count] = {distance, slot};
    slots_[open] = slot;
    centre_distances_[open] = distance;
    rows_[open] = rows_[i];
    left.count += out ? 1 : 0;
    open += out ? 0 : 1;
  }
  first_ = 0;
  end_ = open;
}

NeighbourSelection::NeighbourSelection(size_t capacity)
    : vectors_{Open<const std::byte*>(capacity), Open<const std::byte*>(capacity)},
      codes_{Open<const uint8_t*>(capacity), Open<const uint8_t*>(capacity)} {
  kept_.reserve(capacity);
  left_.candidates.resize(capacity + 1);
}

void NeighbourSelection::Select(PairDistances& distances, PairDistances::Source source, Slot centre,
                                const SelectionCandidates& candidates, size_t limit) {
  if (source == PairDistances::Source::kVectors) {
    SelectAmong(vectors_, distances, centre, candidates, limit);
  } else {
    SelectAmong(codes_, distances, centre, candidates, limit);
  }
}

template <typename Row>
void NeighbourSelection::SelectAmong(Parts<Row>& parts, PairDistances& distances, Slot centre,
                                     const SelectionCandidates& candidates, size_t limit) {
  const VectorStore& vectors = distances.vectors();
  auto& [together, others] = parts;
  together.Assign(candidates.together, distances);
  others.Assign(candidates.others, distances);
  kept_.clear();
  left_.count = 0;
  const auto rule_out = [&](Open<Row>& open, Slot chosen) {
    if (open.empty()) return;
    if (vectors.metric() == Metric::kIp) {
      const InnerProductRule rule{vectors.Norm(chosen), vectors.Norm(centre)};
      open.RuleOut(chosen, rule, distances, left_);
    } else {
      open.RuleOut(chosen, DistanceRule{}, distances, left_);
    }
  };
  while (kept_.size() < limit && !(together.empty() && others.empty())) {
    const bool is_other =
        together.empty() || (!others.empty() && others.front() < together.front());
    const Candidate chosen = is_other ? others.TakeFront() : together.TakeFront();
    kept_.push_back(chosen);
    if (kept_.size() == limit) break;
    if (is_other) rule_out(together, chosen.slot);
    rule_out(others, chosen.slot);
  }
  for (Open<Row>* const open : {&together, &others}) {
    while (!open->empty()) left_.candidates[left_.count++] = open->TakeFront();
  }
  std::sort(left_.candidates.begin(),
            left_.candidates.begin() + static_cast<std::ptrdiff_t>(left_.count));
}

}  // namespace vitrine
