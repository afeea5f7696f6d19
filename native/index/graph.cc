#include "index/graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace vitrine {
namespace {

// Links are read 16 at a time.
size_t WidthFor(size_t m) { return (2 * m + 15) / 16 * 16; }

size_t ScratchCapacity(size_t m, size_t ef_construction) {
  // A removal looks at the neighbours of neighbours, linking anew at what a row has and what a walk
  // found.
  const size_t width = WidthFor(m);
  return std::max(ef_construction + width, width * (width + 1)) + 64;
}

// Whether `distance` could be the one from a vector to an equal one, but for rounding.
bool MayBeEqual(float distance, float self_distance) {
  return std::fabs(distance - self_distance) <= 1e-5f * std::fmax(1, std::fabs(self_distance));
}

// The neighbour that tells whether codes resolve the others: two equal vectors do no harm.
const Candidate& NearOf(std::span<const Candidate> sorted) {
  return sorted[std::min<size_t>(2, sorted.size() - 1)];
}

// The same of two sorted lists, which are not both empty.
const Candidate& NearOf(std::span<const Candidate> a, std::span<const Candidate> b) {
  const Candidate* near = nullptr;
  for (size_t i = 0; i < 3 && !(a.empty() && b.empty()); ++i) {
    auto& from = b.empty() || (!a.empty() && a.front() < b.front()) ? a : b;
    near = &from.front();
    from = from.subspan(1);
  }
  return *near;
}

// One of so many insertions looks for a node that is there; once one was missed, of fewer.
constexpr uint64_t kProbeInterval = 32;
constexpr uint64_t kProbeIntervalInDoubt = 4;

// Where new nodes keep more than this share of the links that they may have, the beam is wider.
constexpr double kHardShare = 0.7;
size_t WideBeam(size_t beam) { return beam + beam / 4; }
// So many nodes make the mean of what they keep, which is counted in parts of a link.
constexpr int kKeptOver = 256;
constexpr int kKeptUnit = 1 << 16;

// A new node that keeps no more than this part of the links it may have looks again, as long as
// such nodes have kept twice as many then; else one in so many does, to learn whether it is so now.
constexpr size_t kFewLinks = 4;
constexpr size_t kLookInterval = 16;
constexpr int kGainOver = 64;

// Nodes whose in-degree falls below this are handed over to another neighbour.
constexpr unsigned kMinInDegree = 2;

}  // namespace

LinkScratch::LinkScratch(const VectorStore& vectors, const GraphOptions& options)
    : pairs(vectors, ScratchCapacity(options.m, options.ef_construction)),
      selection(ScratchCapacity(options.m, options.ef_construction)) {
  const size_t capacity = ScratchCapacity(options.m, options.ef_construction);
  candidates.reserve(capacity);
  nearest.reserve(capacity);
  distances.resize(capacity + 4);
  slots.reserve(capacity + 4);
  added.reserve(capacity);
  evicted.reserve(capacity);
  words.resize(WidthFor(options.m));
  outgoing.reserve(WidthFor(options.m));
  around.reserve(capacity);
  incoming.reserve(capacity);
  second.reserve(WidthFor(options.m));
  helpers.reserve(capacity);
  ranked.reserve(capacity);
}

Graph::Graph(const VectorStore& vectors, const GraphOptions& options)
    : vectors_(vectors),
      options_(options),
      beam_(std::max<size_t>(8, (options.ef_construction * 8 + 24) / 25)),
      degree_(2 * options.m),
      forward_limit_(std::max<size_t>(1, degree_ * 3 / 4)),
      prune_limit_(std::max<size_t>(1, degree_ * 13 / 16)),
      walks_(WalksFor(vectors.kernels().set)),
      links_(WidthFor(options.m)),
      random_(options.seed) {}

bool Graph::Grow(size_t count) {
  return links_.Grow(count) && in_degree_.Grow(count) && chosen_.Grow(count) &&
         nodes_.Grow(count) && dead_.Grow(count);
}

void Graph::Prepare(LinkScratch& scratch) const {
  scratch.search.Prepare(std::max({WideBeam(beam_), options_.ef_construction, kProbeBeam}),
                         nodes_.capacity());
  if (codes_ == nullptr) return;
  codes_->MakeRoom(scratch.search.code_query);
  scratch.pairs.UseCodes(*codes_);
}

size_t Graph::Beam() const {
  // By inner product more is kept of any data, and linking takes longer as it is.
  if (vectors_.metric() == Metric::kIp) return beam_;
  const double kept = kept_.load(std::memory_order_relaxed) / double{kKeptUnit};
  return kept > kHardShare * static_cast<double>(forward_limit_) ? WideBeam(beam_) : beam_;
}

void Graph::CountKept(size_t kept) {
  const auto mean = static_cast<int>(kept_.load(std::memory_order_relaxed));
  const int now = static_cast<int>(kept) * kKeptUnit;
  kept_.store(static_cast<uint32_t>(mean + (now - mean) / kKeptOver), std::memory_order_relaxed);
}

void Graph::LookAgain(Slot slot, std::span<const Slot> seeds, PairDistances::Source& source,
                      LinkScratch& scratch) {
  const size_t kept = scratch.selection.kept().size();
  const size_t beam = options_.ef_construction;
  const size_t usual = Beam();
  if (kept * kFewLinks > forward_limit_ || beam <= usual) return;
  // Where fewer were found than were looked for, there are no more.
  if (scratch.candidates.size() < usual) return;
  if (gain_.load(std::memory_order_relaxed) < 0 && slot % kLookInterval != 0) return;
  const PairDistances::Source found = FindCandidates(slot, seeds, beam, scratch);
  if (scratch.candidates.empty()) return;
  source = found;
  SelectForward(slot, source, scratch);
  const int gain = static_cast<int>(scratch.selection.kept().size()) - 2 * static_cast<int>(kept);
  const int mean = gain_.load(std::memory_order_relaxed);
  gain_.store(mean + (gain * kKeptUnit - mean) / kGainOver, std::memory_order_relaxed);
}

void Graph::AddInDegree(Slot slot) {
  std::atomic<uint8_t>& degree = in_degree_[slot];
  // Relaxed: a hint for hand-over, counted anew by every sweep.
  uint8_t seen = degree.load(std::memory_order_relaxed);
  while (seen != 255 && !degree.compare_exchange_weak(seen, static_cast<uint8_t>(seen + 1),
                                                      std::memory_order_relaxed)) {
  }
}

void Graph::DropInDegree(Slot slot) {
  std::atomic<uint8_t>& degree = in_degree_[slot];
  uint8_t seen = degree.load(std::memory_order_relaxed);
  while (seen != 255 && seen != 0 &&
         !degree.compare_exchange_weak(seen, static_cast<uint8_t>(seen - 1),
                                       std::memory_order_relaxed)) {
  }
}

void Graph::CollectLinks(Slot slot, std::vector<Slot>& out) const {
  out.clear();
  for (size_t i = 0; i < links_.width(); ++i) {
    const uint32_t word = links_.Load(slot, i);
    if (Links::IsLink(word)) out.push_back(word);
  }
}

PairDistances::Source Graph::Rank(Slot slot, std::span<const Slot> slots, LinkScratch& scratch,
                                  std::vector<Candidate>& out) const {
  PairDistances::Source source = scratch.pairs.preferred();
  RankBy(source, slot, slots, scratch, out);
  if (source == PairDistances::Source::kCodes && !out.empty()) {
    const Candidate& near = NearOf(out);
    if (!scratch.pairs.Resolve(slot, near.slot, near.distance)) {
      source = PairDistances::Source::kVectors;
      RankBy(source, slot, slots, scratch, out);
    }
  }
  return source;
}

void Graph::RankBy(PairDistances::Source source, Slot slot, std::span<const Slot> slots,
                   LinkScratch& scratch, std::vector<Candidate>& out) const {
  scratch.pairs.Score(source, slot, slots, scratch.distances.data());
  out.clear();
  for (size_t i = 0; i < slots.size(); ++i) out.push_back({scratch.distances[i], slots[i]});
  std::sort(out.begin(), out.end());
}

SelectionCandidates Graph::RankApart(Slot slot, PairDistances::Source source, Chosen chosen,
                                     LinkScratch& scratch) const {
  std::vector<Candidate>& out = scratch.nearest;
  scratch.pairs.Score(source, slot, scratch.slots, scratch.distances.data());
  out.clear();
  for (size_t i = 0; i < scratch.slots.size(); ++i) {
    out.push_back({scratch.distances[i], scratch.slots[i]});
  }
  const size_t together = chosen.source == source ? std::min<size_t>(chosen.count, out.size()) : 0;
  const auto others = out.begin() + static_cast<std::ptrdiff_t>(together);
  std::sort(others, out.end());
  // They were written in this order.
  if (!std::is_sorted(out.begin(), others)) std::sort(out.begin(), others);
  return {.together = {out.begin(), others}, .others = {others, out.end()}};
}

void Graph::SelectLinks(Slot slot, Chosen chosen, LinkScratch& scratch) const {
  PairDistances::Source source = scratch.pairs.preferred();
  SelectionCandidates candidates = RankApart(slot, source, chosen, scratch);
  if (source == PairDistances::Source::kCodes && !scratch.slots.empty()) {
    const Candidate& near = NearOf(candidates.together, candidates.others);
    if (!scratch.pairs.Resolve(slot, near.slot, near.distance)) {
      source = PairDistances::Source::kVectors;
      candidates = RankApart(slot, source, chosen, scratch);
    }
  }
  scratch.source = source;
  scratch.selection.Select(scratch.pairs, source, slot, candidates, prune_limit_);
}

void Graph::SelectForward(Slot slot, PairDistances::Source source, LinkScratch& scratch) const {
  scratch.selection.Select(scratch.pairs, source, slot,
                           {.together = {}, .others = scratch.candidates}, forward_limit_);
}

void Graph::WriteRow(Slot slot, std::span<const Candidate> links, std::span<const Candidate> fills,
                     PairDistances::Source source) {
  const size_t width = links_.width();
  chosen_[slot].store({static_cast<uint8_t>(links.size()), source}, std::memory_order_relaxed);
  size_t i = 0;
  for (const Candidate& link : links) links_.Store(slot, i++, link.slot);
  for (size_t j = 0; j < fills.size() && i < width; ++j) {
    links_.Store(slot, i++, fills[j].slot | Links::kFill);
  }
  for (; i < width; ++i) links_.Store(slot, i, kNoSlot);
}

std::optional<Slot> Graph::Insert(Slot slot, LinkScratch& scratch) {
  PairDistances::Source source;
  EntryTable::Snapshot entries;
  size_t entry_count = 0;
  for (;;) {
    entry_count = entries_.Read(entries);
    source = FindCandidates(slot, {entries.data(), entry_count}, Beam(), scratch);
    if (!scratch.candidates.empty()) break;
    // The graph is empty, or walks meet removed nodes only.
    if (BecomeEntry(slot)) return std::nullopt;
  }
  if (const auto equal = FindEqual(slot, source, scratch.candidates)) return equal;

  SelectForward(slot, source, scratch);
  CountKept(scratch.selection.kept().size());
  LookAgain(slot, {entries.data(), entry_count}, source, scratch);
  WriteRow(slot, scratch.selection.kept(), scratch.selection.left(), source);
  in_degree_[slot].store(0, std::memory_order_relaxed);
  AddNode(slot);
  scratch.candidates.assign(scratch.selection.kept().begin(), scratch.selection.kept().end());
  for (const Candidate& neighbour : scratch.candidates) {
    AddInDegree(neighbour.slot);
    Link(neighbour.slot, slot, scratch);
  }
  if (in_degree_[slot].load(std::memory_order_relaxed) == 0) {
    HandOver(slot, scratch.candidates);
  }
  Slot probe;
  {
    const std::lock_guard lock(entry_mutex_);
    entries_.Offer(slot);
    const uint64_t interval = missed_probes_ > 0 ? kProbeIntervalInDoubt : kProbeInterval;
    if (entries_.offered() % interval != 0 || !MayWiden()) return std::nullopt;
    probe = RandomNode(slot);
  }
  CountProbe(EntriesLeadTo(probe, scratch));
  return std::nullopt;
}

bool Graph::BecomeEntry(Slot slot) {
  const std::lock_guard lock(entry_mutex_);
  EntryTable::Snapshot entries;
  const size_t count = entries_.Read(entries);
  for (size_t i = 0; i < count; ++i) {
    if (!dead_.Test(entries[i])) return false;  // another thread was first
  }
  WriteRow(slot, {}, {}, PairDistances::Source::kVectors);
  in_degree_[slot].store(0, std::memory_order_relaxed);
  AddNode(slot);
  if (count == 0) {
    entries_.Offer(slot);
  } else {
    entries_.Replace(0, slot);
  }
  return true;
}

void Graph::AddNode(Slot slot) {
  nodes_.Set(slot);
  size_.fetch_add(1, std::memory_order_relaxed);
}

PairDistances::Source Graph::FindCandidates(Slot slot, std::span<const Slot> seeds, size_t ef,
                                            LinkScratch& scratch) const {
  const AliveOnly alive{&dead_};
  const VectorScorer scorer = vectors_.ScorerFor(slot);
  CodeQuery& query = scratch.search.code_query;
  if (codes_ != nullptr) codes_->Prepare(slot, query);
  const std::optional<CodeScorer> code_scorer =
      codes_ == nullptr ? std::nullopt : std::optional(codes_->ScorerFor(query));
  const WalkRequest request{
      .links = &links_,
      .scorer = scorer,
      .codes = code_scorer ? &*code_scorer : nullptr,
      .seeds = seeds,
      .alive = dead_count() == 0 ? nullptr : &alive,
  };
  scratch.search.Prepare(ef, nodes_.capacity());
  walks_.walk(request, scratch.search);
  const CandidatePool& pool = scratch.search.pool;
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  for (size_t i = 0; i < pool.size; ++i) {
    if (pool.is_result(i)) candidates.push_back({pool.distance[i], pool.slot(i)});
  }
  scratch.search.ClearVisited();
  if (codes_ == nullptr || candidates.empty()) return PairDistances::Source::kVectors;
  if (scratch.pairs.preferred() == PairDistances::Source::kCodes) {
    const Candidate& near = NearOf(candidates);
    if (scratch.pairs.Resolve(*code_scorer, slot, near.slot, near.distance)) {
      return PairDistances::Source::kCodes;
    }
  }
  scratch.slots.clear();
  for (const Candidate& candidate : candidates) scratch.slots.push_back(candidate.slot);
  RankBy(PairDistances::Source::kVectors, slot, scratch.slots, scratch, candidates);
  return PairDistances::Source::kVectors;
}

std::optional<Slot> Graph::FindEqual(Slot slot, PairDistances::Source source,
                                     std::span<const Candidate> candidates) const {
  // Equal vectors have equal codes, and a distance of nearly that of a vector to itself.
  const float self_distance = vectors_.ScorerFor(slot).ScoreOne(slot);
  const auto may_be_equal = [&](const Candidate& candidate) {
    return source == PairDistances::Source::kCodes
               ? std::memcmp(codes_->Row(slot), codes_->Row(candidate.slot), codes_->row_bytes()) ==
                     0
               : MayBeEqual(candidate.distance, self_distance);
  };
  const size_t bytes = vectors_.vector_bytes();
  for (const Candidate& candidate : candidates) {
    if (candidate.slot != slot && may_be_equal(candidate) &&
        std::memcmp(vectors_.Row(slot), vectors_.Row(candidate.slot), bytes) == 0) {
      return candidate.slot;
    }
  }
  return std::nullopt;
}

Graph::Append Graph::TryAppend(Slot from, Slot to) {
  const RowLocks::Guard lock(locks_, from);
  size_t links = 0;
  size_t place = links_.width();
  bool empty_place = false;
  for (size_t i = 0; i < links_.width(); ++i) {
    const uint32_t word = links_.Load(from, i);
    if (word == to) return Append::kPresent;
    if (Links::IsLink(word)) {
      ++links;
    } else if (!empty_place) {
      // The first empty place, else the last fill edge, which is the farthest.
      place = i;
      empty_place = word == kNoSlot;
    }
  }
  if (links >= degree_) return Append::kFull;
  links_.Store(from, place, to);
  return Append::kDone;
}

void Graph::Link(Slot from, Slot to, LinkScratch& scratch) {
  do {
    switch (TryAppend(from, to)) {
      case Append::kPresent:
        return;
      case Append::kDone:
        AddInDegree(to);
        return;
      case Append::kFull:
        break;
    }
    // Where another thread was first there is room now.
  } while (!TryReselect(from, {&to, 1}, scratch));
  HandOverEvicted(from, scratch);
}

void Graph::HandOverEvicted(Slot from, LinkScratch& scratch) {
  for (const Slot lost : scratch.evicted) {
    if (in_degree_[lost].load(std::memory_order_relaxed) >= kMinInDegree) continue;
    // The linked neighbour nearest to it that has room; else the row it was evicted from, which
    // has room now.
    CollectLinks(from, scratch.slots);
    Rank(lost, scratch.slots, scratch, scratch.nearest);
    if (!HandOver(lost, scratch.nearest) && TryAppend(from, lost) == Append::kDone) {
      AddInDegree(lost);
    }
  }
}

bool Graph::TryReselect(Slot from, std::span<const Slot> more, LinkScratch& scratch) {
  scratch.slots.clear();
  for (size_t i = 0; i < links_.width(); ++i) {
    const uint32_t word = links_.Load(from, i);
    scratch.words[i] = word;
    if (Links::IsLink(word)) scratch.slots.push_back(word);
  }
  const size_t linked = scratch.slots.size();
  for (const Slot slot : more) {
    const auto end = scratch.slots.begin() + static_cast<std::ptrdiff_t>(linked);
    if (slot != from && std::find(scratch.slots.begin(), end, slot) == end) {
      scratch.slots.push_back(slot);
    }
  }
  // Distances are computed without the lock.
  const Chosen chosen = chosen_[from].load(std::memory_order_relaxed);
  SelectLinks(from, chosen, scratch);
  {
    const RowLocks::Guard lock(locks_, from);
    bool unchanged = chosen_[from].load(std::memory_order_relaxed) == chosen;
    for (size_t i = 0; i < links_.width(); ++i) {
      unchanged = unchanged && links_.Load(from, i) == scratch.words[i];
    }
    if (!unchanged) return false;
    WriteRow(from, scratch.selection.kept(), scratch.selection.left(), scratch.source);
  }
  const auto were_new = std::span(scratch.slots).subspan(linked);
  const auto was_linked = [&](Slot slot) {
    return std::find(were_new.begin(), were_new.end(), slot) == were_new.end();
  };
  scratch.added.clear();
  scratch.evicted.clear();
  for (const Candidate& kept : scratch.selection.kept()) {
    if (was_linked(kept.slot)) continue;
    AddInDegree(kept.slot);
    scratch.added.push_back(kept.slot);
  }
  for (const Candidate& left : scratch.selection.left()) {
    if (was_linked(left.slot)) {
      DropInDegree(left.slot);
      scratch.evicted.push_back(left.slot);
    } else if (more.size() == 1) {
      scratch.evicted.push_back(left.slot);  // the node that asked for the link did not get it
    }
  }
  return true;
}

void Graph::Relink(Slot slot, Care care, LinkScratch& scratch) {
  const size_t beam = care == Care::kFull ? std::max(Beam(), options_.ef_construction) : Beam();
  EntryTable::Snapshot entries;
  const size_t entry_count = entries_.Read(entries);
  (void)FindCandidates(slot, {entries.data(), entry_count}, beam, scratch);
  scratch.around.clear();
  for (const Candidate& candidate : scratch.candidates) scratch.around.push_back(candidate.slot);
  while (!TryReselect(slot, scratch.around, scratch)) {
  }
  HandOverEvicted(slot, scratch);
  // Link changes `added`.
  scratch.candidates.clear();
  for (const Slot neighbour : scratch.added) scratch.candidates.push_back({0, neighbour});
  for (const Candidate& neighbour : scratch.candidates) Link(neighbour.slot, slot, scratch);
}

bool Graph::HandOver(Slot slot, std::span<const Candidate> hosts) {
  for (const Candidate& host : hosts) {
    if (host.slot == slot) continue;
    if (TryAppend(host.slot, slot) == Append::kDone) {
      AddInDegree(slot);
      return true;
    }
  }
  return false;
}

}  // namespace vitrine
