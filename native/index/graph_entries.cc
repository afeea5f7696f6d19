// Whether the entries lead everywhere: every so many insertions look for a node that is in the
// graph, and where too many of those are not found there will be more entries.
//
// A walk with a narrow beam that begins among the wrong neighbours does not always get away from
// them: the beam is full of points that are all as near as each other. Upper layers are what HNSW
// has against that; where data falls into no more clusters than there are entries, or fills the
// space between them, none are needed.

#include <algorithm>

#include "index/graph.h"

namespace vitrine {
namespace {

constexpr size_t kProbes = 32;
constexpr size_t kMissedProbes = 3;
// Nodes for each entry, at the least: a look at all entries, and leading each of them everywhere in
// a sweep, must cost little beside a walk.
constexpr size_t kNodesPerEntry = 32;

}  // namespace

bool Graph::MayWiden() const {
  return entries_.CanWiden() && size() >= 2 * entries_.limit() * kNodesPerEntry;
}

Slot Graph::RandomNode(Slot last) {
  const size_t words = last / 64 + 1;
  const size_t first = random_() % words;
  for (size_t i = 0; i < std::min<size_t>(words, 64); ++i) {
    const size_t word = (first + i) % words;
    const uint64_t alive = nodes_.Word(word) & ~dead_.Word(word);
    if (alive != 0) return FirstOf(word, alive);
  }
  return kNoSlot;
}

bool Graph::EntriesLeadTo(Slot slot, LinkScratch& scratch) const {
  if (slot == kNoSlot) return true;
  EntryTable::Snapshot entries;
  const size_t entry_count = entries_.Read(entries);
  const PairDistances::Source source =
      FindCandidates(slot, {entries.data(), entry_count}, kProbeBeam, scratch);
  const auto& met = scratch.candidates;
  if (met.empty()) return false;
  if (std::any_of(met.begin(), met.end(), [&](const Candidate& c) { return c.slot == slot; })) {
    return true;
  }
  float own[4];
  scratch.pairs.Score(source, slot, {&slot, 1}, own);
  // Under inner product only a longer vector is nearer to a row than itself, and where there is one
  // it is what walks are to find.
  if (vectors_.metric() == Metric::kIp && own[0] > met.front().distance) return true;
  return met.size() == kProbeBeam && own[0] >= met.back().distance;
}

void Graph::CountProbe(bool found) {
  const std::lock_guard lock(entry_mutex_);
  ++probes_;
  missed_probes_ += found ? 0 : 1;
  if (missed_probes_ < kMissedProbes) {
    if (probes_ == kProbes) probes_ = missed_probes_ = 0;
    return;
  }
  probes_ = missed_probes_ = 0;
  if (!MayWiden()) return;
  const size_t step = std::max<size_t>(1, size() / entries_.WideCount());
  EntryTable::Snapshot spread;
  size_t count = 0, met = 0;
  ForEachNode([&](Slot slot) {
    if (dead_.Test(slot) || met++ % step != 0 || count == spread.size()) return;
    spread[count++] = slot;
  });
  if (count > 0) entries_.Widen(spread.data(), count);
}

}  // namespace vitrine
