#include "index/code_rerank.h"

#include <algorithm>

#include "base/prefetch.h"

namespace vitrine {
namespace {

// Candidates looked at together, so that their rows come from memory together; and at most, of
// those that are looked at in any case.
constexpr size_t kGroup = 8;
constexpr size_t kUnseenGroup = 16;
// Rows beyond `k` that are scored unseen: estimates swap places, and nearly always some of these
// would be scored anyway.
constexpr size_t kSurplus = 2;

class Reranking {
 public:
  Reranking(std::span<RankedSlot> candidates, size_t k, const VectorScorer& exact)
      : candidates_(candidates), wanted_(std::min(k, candidates.size())), exact_(exact) {}

  bool IsFull() const { return best_ == wanted_; }
  // The distance to beat. REQUIRES: IsFull() and k > 0
  float Worst() const { return candidates_[best_ - 1].distance; }

  // Scores up to kUnseenGroup rows exactly and keeps the best of all so far at the front. As many
  // as have been scored have been read, so nothing that is still to be read is written over.
  void Score(const Slot* slots, size_t count) {
    VectorScorer::RowRef refs[kUnseenGroup + 3];
    for (size_t i = 0; i < count; ++i) {
      refs[i] = exact_.Ref(slots[i]);
      Prefetch(refs[i]);
    }
    float distances[kUnseenGroup];
    exact_.Score(refs, slots, count, distances);
    for (size_t i = 0; i < count; ++i) Keep({distances[i], slots[i]});
  }

 private:
  static bool IsNearer(const RankedSlot& a, const RankedSlot& b) {
    return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
  }

  void Keep(const RankedSlot& found) {
    if (IsFull()) {
      if (!IsNearer(found, candidates_[best_ - 1])) return;
      --best_;
    }
    size_t at = best_++;
    for (; at > 0 && IsNearer(found, candidates_[at - 1]); --at) {
      candidates_[at] = candidates_[at - 1];
    }
    candidates_[at] = found;
  }

  const std::span<RankedSlot> candidates_;
  const size_t wanted_;
  const VectorScorer& exact_;
  size_t best_ = 0;
};

}  // namespace

template <class Counting>
size_t Rerank(std::span<RankedSlot> candidates, size_t k, const CodeScorer& codes,
              const VectorScorer& exact, Counting counting) {
  if (k == 0) return 0;
  Reranking reranking(candidates, k, exact);
  size_t scored = 0;
  const size_t unseen = std::min(k + kSurplus, candidates.size());
  const auto fetch_doubts = [&](size_t from) {
    const size_t end = std::min(from + kGroup, candidates.size());
    for (; from < end; ++from) codes.PrefetchDoubt(candidates[from].slot);
  };
  fetch_doubts(unseen);
  for (size_t i = 0; i < candidates.size();) {
    const bool is_unseen = i < unseen;
    const size_t end =
        is_unseen ? std::min(i + kUnseenGroup, unseen) : std::min(i + kGroup, candidates.size());
    Slot slots[kUnseenGroup];
    size_t count = 0;
    if (!is_unseen) fetch_doubts(end);
    for (; i < end; ++i) {
      const auto [estimate, slot] = candidates[i];
      if (is_unseen || !reranking.IsFull() ||
          estimate - kRerankDeviations * codes.Deviation(slot, estimate) <= reranking.Worst()) {
        slots[count++] = slot;
      }
    }
    // Deviations grow with the length of a vector. Under inner product a long one may follow many
    // short ones; elsewhere those that follow are as long, as far as it matters.
    if (count == 0 && !codes.MayReorder()) break;
    reranking.Score(slots, count);
    counting.AddRerankGroup(ComparedWith::kVectors, count);
    scored += count;
  }
  return scored;
}

template size_t Rerank(std::span<RankedSlot>, size_t, const CodeScorer&, const VectorScorer&,
                       NoCounting);
template size_t Rerank(std::span<RankedSlot>, size_t, const CodeScorer&, const VectorScorer&,
                       SearchCounting);

}  // namespace vitrine
