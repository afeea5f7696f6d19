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

// What links are chosen from: two lists without a slot in common, each sorted by distance to the
// node, as the same source gives it.
//   together  some that were chosen together before, for the same node and by the same source: none
//             of them rules another out, which is not computed again
struct SelectionCandidates {
  std::span<const Candidate> together;
  std::span<const Candidate> others;
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
  //   centre      c, a row of the vectors
  //   candidates  at most `capacity`, with distances to c by `source`
  void Select(PairDistances& distances, PairDistances::Source source, Slot centre,
              const SelectionCandidates& candidates, size_t limit);

  std::span<const Candidate> kept() const { return kept_; }
  std::span<const Candidate> left() const { return std::span(left_.candidates).first(left_.count); }

 private:
  // The first `count` candidates, and room for all of them and one more.
  struct Left {
    std::vector<Candidate> candidates;
    size_t count = 0;
  };
  // Those of a list that are neither chosen nor ruled out, with the places of their rows.
  template <typename Row>
  class Open {
   public:
    explicit Open(size_t capacity);

    void Assign(std::span<const Candidate> sorted, const PairDistances& distances);
    bool empty() const { return first_ == end_; }
    Candidate front() const { return {centre_distances_[first_], slots_[first_]}; }
    Candidate TakeFront() {
      const Candidate taken = front();
      ++first_;
      return taken;
    }
    // Moves those that `chosen` rules out to `left`.
    template <class Rule>
    void RuleOut(Slot chosen, const Rule& rule, PairDistances& distances, Left& left);

   private:
    std::vector<Slot> slots_;
    std::vector<float> centre_distances_;
    std::vector<float> chosen_distances_;  // from the one that was chosen last
    std::vector<Row> rows_;
    size_t first_ = 0;
    size_t end_ = 0;
  };
  template <typename Row>
  struct Parts {
    Open<Row> together, others;
  };

  template <typename Row>
  void SelectAmong(Parts<Row>& parts, PairDistances& distances, Slot centre,
                   const SelectionCandidates& candidates, size_t limit);

  Parts<const std::byte*> vectors_;
  Parts<const uint8_t*> codes_;
  std::vector<Candidate> kept_;
  Left left_;
};

}  // namespace vitrine
