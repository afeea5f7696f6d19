#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/slot.h"
#include "index/pair_distances.h"

namespace vitrine {

// A node and its distance to the node that is being linked.
struct Candidate {
  float distance;
  Slot slot;

  // Nearest first; equal distances by slot, so that the same input gives the same graph.
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  }
};

// Chooses, from candidates sorted by distance to a node c, those to link c to: the nearest, and
// each further one that is nearer to c than to everything chosen before it (the relative
// neighbourhood rule of HNSW, Malkov & Yashunin 2018, algorithm 4, with the slack of Vamana,
// Subramanya et al. 2019): s rules p out when alpha^2 * d(s, p) < d(c, p) with alpha = 1.05.
//
// Under inner product that rule alone leaves two links a node where norms differ, because a long s
// is near to everything. There s rules p out only when p is nearer to it than to c in all three
// senses: by inner product, by angle and by Euclidean distance. For vectors of one length the three
// are the same rule. (Fashion-mnist pictures as inner products, recall 0.95: 454 distances instead
// of 1,938.)
//
// The rule is applied forward: a chosen s is scored against all that remain in one call, which is
// as many distances as asking each p about its predecessors, but four rows at a time.
class NeighbourSelection {
 public:
  // Room for `capacity` candidates; allocates, later calls do not.
  explicit NeighbourSelection(size_t capacity);

  // Afterwards `kept()` holds at most `limit` candidates and `left()` the others, both sorted.
  //   centre  c, a row of the vectors
  //   sorted  candidates by distance to c as `source` gives it, no slot twice, at most `capacity`
  void Select(PairDistances& distances, PairDistances::Source source, Slot centre,
              std::span<const Candidate> sorted, size_t limit);

  std::span<const Candidate> kept() const { return kept_; }
  std::span<const Candidate> left() const { return left_; }

 private:
  std::vector<Candidate> kept_;
  std::vector<Candidate> left_;
  // Those neither chosen nor ruled out.
  std::vector<Candidate> open_;
  std::vector<Slot> open_slots_;
  std::vector<float> distances_;
};

}  // namespace vitrine
