#include <algorithm>
#include <bit>
#include <limits>
#include <new>

#include "base/platform.h"
#include "base/prefetch.h"
#include "index/walk.h"

namespace vitrine {
namespace {

#include "index/walk_impl.h"

// Plain C++: the reference for the vector forms, and what processors without one run.
struct PortableIsa {
  static size_t Collect(Slot node, const Links& links, Scratch& scratch) {
    Slot* const out = scratch.step_slots + scratch.step_count;
    size_t count = 0;
    for (size_t i = 0; i < links.width(); ++i) {
      const uint32_t word = links.Load(node, i);
      // Fill edges and kNoSlot have their upper bit set, so they are no slots below the limit.
      if (word < scratch.slot_limit && scratch.Visit(word)) out[count++] = word;
    }
    return count;
  }

  static size_t Insert(CandidatePool& pool, float distance, uint32_t tagged) {
    size_t i = pool.size - 1;
    for (; i > 0 && pool.distance[i - 1] > distance; --i) {
      pool.distance[i] = pool.distance[i - 1];
      pool.tagged[i] = pool.tagged[i - 1];
    }
    pool.distance[i] = distance;
    pool.tagged[i] = tagged;
    return i;
  }

  static constexpr size_t kMostMerged = 0;

  static size_t NextUnexpanded(const CandidatePool& pool, size_t from) {
    while (from < pool.size && (pool.tagged[from] & CandidatePool::kExpanded) != 0) ++from;
    return from;
  }

  static uint32_t LessMask(const float* distances, float bound) {
    uint32_t mask = 0;
    for (unsigned i = 0; i < 16; ++i) mask |= static_cast<uint32_t>(distances[i] < bound) << i;
    return mask;
  }
};

}  // namespace

extern const WalkTable kWalksPortable;
const WalkTable kWalksPortable = {InstructionSet::kScalar, &Walk<PortableIsa>,
                                  &WalkCounted<PortableIsa>, &WalkInterleaved<PortableIsa>};

}  // namespace vitrine
