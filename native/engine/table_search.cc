// The reading side of a table: the execution of a plan on one snapshot.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/prefetch.h"
#include "base/probe.h"
#include "engine/best_hits.h"
#include "engine/query_scorers.h"
#include "engine/table.h"
#include "index/code_rerank.h"

namespace vitrine {
namespace {

// A walk ends, and a scan of sketches begins, when it has read the links of so many nodes: it has
// cost about as much by then.
size_t HopsOfScan(size_t allowed) { return 128 + allowed / 64; }

// Where so much of a node's row is allowed its direct links suffice.
constexpr float kOneHopShare = 0.7f;
// Allowed rows from which a filtered walk starts, besides those the probe met.
constexpr size_t kFilterSeeds = 32;

// Rows between two looks at the cancel flag in a scan.
constexpr size_t kScanStep = 1024;

}  // namespace

Status Table::StopStatus(StopReason reason) {
  return reason == StopReason::kTimeout
             ? Status(ErrorCode::kTimeout, "the search took longer than timeoutMs allows")
             : Status(ErrorCode::kCancelled, "the search was cancelled");
}

Status Table::CheckSearch(const void* query, const SearchParameters& parameters) const {
  if (parameters.k < 1 || parameters.k > kMaxK) {
    return {ErrorCode::kOption,
            "k must be 1 to " + std::to_string(kMaxK) + ", not " + std::to_string(parameters.k)};
  }
  if (parameters.ef > kMaxEf) {
    return {ErrorCode::kOption, "ef must be at most " + std::to_string(kMaxEf) + ", not " +
                                    std::to_string(parameters.ef)};
  }
  if (parameters.recall != 0 && !(parameters.recall > 0 && parameters.recall < 1)) {
    return {ErrorCode::kOption, "recall must be between 0 and 1, both excluded, not " +
                                    std::to_string(parameters.recall)};
  }
  if (parameters.recall > 0 && parameters.exact) {
    return {ErrorCode::kOption, "recall and exact exclude each other"};
  }
  return CheckVectors({static_cast<const std::byte*>(query), vector_bytes()});
}

SnapshotVisible Table::VisibleAt(uint64_t snapshot) const {
  return {&unsettled_, &shared_, &stamps_, snapshot};
}

// Calls visit(id) for each point of the row that the snapshot shows and the filter allows, until
// it returns false. Of a row whose ids cannot be read there is none, and `failure` says why.
template <typename Visitor>
void Table::ForEachPointOfRow(Slot slot, const PointFilter* filter, uint64_t snapshot,
                              Status& failure, Visitor visit) const {
  const bool has_guests = shared_.Test(slot);
  if (RowVisible(slot, snapshot)) {
    if (!OwnerIsHere(slot, failure)) return;
    const PointId id = OwnerId(slot);
    // The filter's bit speaks for all points that the row has and for some that it had.
    if ((filter == nullptr || filter->Contains(id)) && !visit(id)) return;
  }
  if (!has_guests) return;
  shared_rows_.ForEachVisible(slot, snapshot, [&](PointId id) {
    return (filter != nullptr && !filter->Contains(id)) || visit(id);
  });
}

// Calls visit(slot) for each row that may hold a visible point, in ascending order.
template <typename Visitor>
void Table::ForEachVisibleRow(const SlotBitmap* allowed, uint64_t snapshot, Visitor visit) const {
  const size_t limit = SlotLimit();
  for (size_t word = 0; word * 64 < limit; ++word) {
    uint64_t rows = occupied_.Word(word);
    if (allowed != nullptr && rows != 0) {
      rows &= word * 64 < allowed->capacity() ? allowed->Word(word) : 0;
    }
    if (rows == 0) continue;
    const uint64_t unsettled = unsettled_.Word(word);
    for (; rows != 0; rows &= rows - 1) {
      const unsigned bit = static_cast<unsigned>(std::countr_zero(rows));
      const Slot slot = static_cast<Slot>(word * 64 + bit);
      if (((unsettled >> bit) & 1) != 0 && !RowVisible(slot, snapshot) && !shared_.Test(slot)) {
        continue;
      }
      if (!visit(slot)) return;
    }
  }
}

void Table::AllowVisibleRows(const ReaderPool::Lease& lease, PointFilter& filter) const {
  ForEachVisibleRow(nullptr, lease.snapshot(), [&](Slot slot) {
    ForEachPointOfRow(slot, &filter, lease.snapshot(), lease.scratch().failure, [&](PointId) {
      filter.SetSlot(slot, true);
      return false;
    });
    return true;
  });
}

template <class Counting>
Result<size_t> Table::SearchScan(const VectorScorer& scorer, const SearchParameters& parameters,
                                 const ReaderPool::Lease& lease, std::span<Hit> hits,
                                 Counting counting) const {
  const uint64_t snapshot = lease.snapshot();
  counting.Enter(SearchPhase::kScan);
  HeapHits best(hits, parameters.k);
  StopReason stopped = StopReason::kExhausted;
  Slot slots[64];
  RowRef rows[64 + 4];
  float distances[64 + 4];
  size_t count = 0;
  size_t scanned = 0;
  const auto flush = [&] {
    if (count == 0) return;
    scorer.Score(rows, slots, count, distances);
    for (size_t i = 0; i < count; ++i) {
      if (!best.Wants(distances[i])) continue;
      ForEachPointOfRow(slots[i], parameters.filter, snapshot, lease.scratch().failure,
                        [&](PointId id) {
                          if (!best.Wants(distances[i])) return false;
                          best.Offer({distances[i], id});
                          return true;
                        });
    }
    scanned += count;
    count = 0;
  };
  const SlotBitmap* allowed = parameters.filter == nullptr ? nullptr : &parameters.filter->slots();
  ForEachVisibleRow(allowed, snapshot, [&](Slot slot) {
    slots[count] = slot;
    rows[count] = scorer.Ref(slot);
    if (allowed != nullptr) Prefetch(rows[count]);
    if (++count < 64) return true;
    flush();
    if (scanned % kScanStep == 0) stopped = parameters.control.Check();
    return stopped == StopReason::kExhausted;
  });
  if (stopped == StopReason::kExhausted) flush();
  counting.AddScanEvaluations(scanned);
  if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  counting.Enter(SearchPhase::kMaterialize);
  return best.Finish();
}

template <class Counting>
size_t Table::TakeHits(const QueryScorers& scorers, const SearchParameters& parameters,
                       uint64_t snapshot, Scratch& scratch, std::span<Hit> hits,
                       Counting counting) const {
  if (scorers.codes() != nullptr) {
    return TakeReranked(scorers, parameters, snapshot, scratch, hits, counting);
  }
  counting.Enter(SearchPhase::kMaterialize);
  const CandidatePool& pool = scratch.pool;
  counting.FoundCandidates(pool.size - pool.transit);
  SortedHits best(hits, parameters.k);
  for (size_t i = 0; i < pool.size; ++i) {
    const float distance = pool.distance[i];
    if (!best.Wants(distance)) break;
    if (!pool.is_result(i)) continue;
    ForEachPointOfRow(pool.slot(i), parameters.filter, snapshot, scratch.failure, [&](PointId id) {
      if (!best.Wants(distance)) return false;
      best.Offer({distance, id});
      return true;
    });
  }
  return best.count();
}

// The same from a pool of estimates. Rows that the snapshot does not show leave it first, because
// no more than `k` are left afterwards.
template <class Counting>
size_t Table::TakeReranked(const QueryScorers& scorers, const SearchParameters& parameters,
                           uint64_t snapshot, Scratch& scratch, std::span<Hit> hits,
                           Counting counting) const {
  counting.Enter(SearchPhase::kRerank);
  const CandidatePool& pool = scratch.pool;
  const SnapshotVisible visible = VisibleAt(snapshot);
  scratch.ranked.clear();
  for (size_t i = 0; i < pool.size; ++i) {
    if (!pool.is_result(i) || !visible(pool.slot(i))) continue;
    scratch.ranked.push_back({pool.distance[i], pool.slot(i)});
    // Nearly all of the first will be hits. By the time that rows have been compared, what tells
    // whose points they are has come from memory.
    if (scratch.ranked.size() > parameters.k) continue;
    Prefetch(&stamps_[pool.slot(i)]);
    Prefetch(owner_ids_.Row(pool.slot(i)));
  }
  counting.FoundCandidates(scratch.ranked.size());
  return TakeRanked(scorers, parameters, snapshot, scratch, hits, counting);
}

template <class Counting>
size_t Table::TakeRanked(const QueryScorers& scorers, const SearchParameters& parameters,
                         uint64_t snapshot, Scratch& scratch, std::span<Hit> hits,
                         Counting counting) const {
  const size_t rows = std::min(parameters.k, scratch.ranked.size());
  if (scorers.codes() != nullptr) {
    const size_t scored = Rerank(scratch.ranked, rows, *scorers.codes(), scorers.exact(), counting);
    counting.LookedCloserAt(scored);
  }
  counting.Enter(SearchPhase::kMaterialize);
  SortedHits best(hits, parameters.k);
  for (const auto& [distance, slot] : std::span(scratch.ranked).first(rows)) {
    if (!best.Wants(distance)) break;
    ForEachPointOfRow(slot, parameters.filter, snapshot, scratch.failure,
                      [&, distance = distance](PointId id) {
                        if (!best.Wants(distance)) return false;
                        best.Offer({distance, id});
                        return true;
                      });
  }
  return best.count();
}

// Zero vectors, under cosine and jaccard, are at distance 1 from everything else and stand outside
// the graph.
size_t Table::MergeZeroRows(const SearchParameters& parameters, uint64_t snapshot, Scratch& scratch,
                            std::span<Hit> hits, size_t count) const {
  SortedHits best(hits, parameters.k, count);
  if (zero_count_.load(std::memory_order_acquire) == 0 || !best.Wants(1)) return count;
  ForEachVisibleRow(&zero_, snapshot, [&](Slot slot) {
    if (parameters.filter != nullptr && !parameters.filter->slots().Test(slot)) return true;
    ForEachPointOfRow(slot, parameters.filter, snapshot, scratch.failure, [&](PointId id) {
      best.Offer({1, id});
      return true;
    });
    return true;
  });
  return best.count();
}

template <class Counting>
Result<size_t> Table::SearchWalk(const SearchPlan& plan, const QueryScorers& scorers,
                                 const SearchParameters& parameters, const ReaderPool::Lease& lease,
                                 std::span<Hit> hits, Counting counting, bool* too_long) const {
  Scratch& scratch = lease.scratch();
  const SnapshotVisible visible = VisibleAt(lease.snapshot());
  const bool pass = plan.kind == PlanKind::kFilterPass;
  const AllowedVisible allowed_visible{visible, pass ? &parameters.filter->slots() : nullptr};
  std::array<Slot, EntryTable::kRoom + kFilterSeeds> seeds;
  size_t seed_count = 0;
  FilterWalk filter{.admit = {nullptr}};
  if (plan.kind == PlanKind::kFilterWalk) {
    const SlotBitmap& allowed = parameters.filter->slots();
    filter.admit.allowed = &allowed;
    filter.use_fill_edges = plan.fill_edges;
    filter.one_hop_share = kOneHopShare;
    // What the probe met nearest, then allowed rows from all over the table.
    for (size_t i = 0; i < scratch.pool.size; ++i) {
      const Slot slot = scratch.pool.slot(i);
      if (slot < allowed.capacity() && allowed.Test(slot)) seeds[seed_count++] = slot;
    }
    const size_t words = std::min(SlotLimit(), allowed.capacity()) / 64 + 1;
    for (size_t i = 0; i < kFilterSeeds; ++i) {
      // The first allowed row at or after an even spread of places.
      for (size_t step = 0; step < 64; ++step) {
        const size_t word = (i * words / kFilterSeeds + step) % words;
        if (word * 64 >= allowed.capacity()) continue;
        const uint64_t rows = allowed.Word(word) & occupied_.Word(word) & ~zero_.Word(word);
        if (rows == 0) continue;
        seeds[seed_count++] =
            static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(rows)));
        break;
      }
    }
  } else {
    EntryTable::Snapshot entries;
    seed_count = graph_.ReadEntries(entries);
    std::copy_n(entries.begin(), seed_count, seeds.begin());
  }
  const WalkRequest request{
      .links = &graph_.links(),
      .scorer = scorers.exact(),
      .codes = scorers.codes(),
      .seeds = {seeds.data(), seed_count},
      .control = parameters.control,
      .snapshot = pass || AllSettled() ? nullptr : &visible,
      .allowed = pass ? &allowed_visible : nullptr,
      .filter = plan.kind == PlanKind::kFilterWalk ? &filter : nullptr,
  };
  scratch.Prepare(plan.ef, SlotLimit());
  const StopReason reason = walks_.Walk(request, scratch, counting);
  if (reason == StopReason::kTooLong) {
    counting.Stopped(SearchStop::kBounded);
    *too_long = true;
    scratch.ClearVisited();
    return size_t{0};
  }
  if (reason != StopReason::kExhausted) return StopStatus(reason);
  counting.Stopped(SearchStop::kExhausted);
  return TakeHits(scorers, parameters, lease.snapshot(), scratch, hits, counting);
}

Result<size_t> Table::Search(const ReaderPool::Lease& lease, const void* query,
                             const SearchParameters& parameters, std::span<Hit> hits,
                             SearchPlan* plan) const {
  VITRINE_PROBE2(search__start, parameters.k, parameters.ef);
  Result<size_t> found = SearchWith(lease, query, parameters, hits, NoCounting{}, plan);
  VITRINE_PROBE(search__done);
  return found;
}

Result<size_t> Table::Search(const ReaderPool::Lease& lease, const void* query,
                             const SearchParameters& parameters, std::span<Hit> hits,
                             SearchCounters& counters, SearchPlan* plan) const {
  VITRINE_PROBE2(search__start, parameters.k, parameters.ef);
  Result<size_t> found = SearchWith(lease, query, parameters, hits, SearchCounting(counters), plan);
  VITRINE_PROBE(search__done);
  return found;
}

template <class Counting>
Result<size_t> Table::SearchWith(const ReaderPool::Lease& lease, const void* query,
                                 const SearchParameters& parameters, std::span<Hit> hits,
                                 Counting counting, SearchPlan* plan_out) const {
  VITRINE_RETURN_IF_ERROR(CheckSearch(query, parameters));
  if (AsksForRecall(parameters)) {
    return SearchByRecall(lease, query, parameters, hits, counting, plan_out);
  }
  Result<size_t> found = SearchPlanned(lease, query, parameters, hits, counting, plan_out);
  if constexpr (Counting::kCounting) {
    if (found.ok()) {
      counting.SetReturned(*found);
      ProbeRecall(query, parameters, hits.first(*found), lease, counting);
    }
  }
  return UnlessFailed(lease, std::move(found));
}

template <class Counting>
Result<size_t> Table::SearchPlanned(const ReaderPool::Lease& lease, const void* query,
                                    const SearchParameters& parameters, std::span<Hit> hits,
                                    Counting counting, SearchPlan* plan_out) const {
  counting.Enter(SearchPhase::kPlan);
  const QueryScorers scorers(Forms(), query, lease.scratch());
  const SearchPlan plan = ChoosePlan(scorers, parameters, lease.scratch(), counting);
  if (plan_out != nullptr) *plan_out = plan;
  if constexpr (Counting::kCounting) {
    counting.SetStrategy(StrategyOf(plan.kind), scorers.exact().kernel(), scorers.code_kernel());
  }
  if (plan.kind == PlanKind::kNothing) return size_t{0};
  if (plan.kind == PlanKind::kScan || plan.kind == PlanKind::kFilterScan) {
    return SearchScan(scorers.exact(), parameters, lease, hits, counting);
  }
  const bool has_sketches = sketches_.load(std::memory_order_acquire) != nullptr;
  if (plan.kind == PlanKind::kSketch) {
    Result<size_t> found = SearchSketches(scorers, query, parameters, lease, hits, counting);
    if (found.ok() && *found < std::min(parameters.k, plan.allowed_rows)) {
      counting.Stopped(SearchStop::kLost);
      return SearchScan(scorers.exact(), parameters, lease, hits, counting);
    }
    return found;
  }
  SearchParameters bounded = parameters;
  if (has_sketches && parameters.filter != nullptr) {
    bounded.control.most_hops = plan.ef + HopsOfScan(plan.allowed_rows);
  }
  bool too_long = false;
  Result<size_t> found = SearchWalk(plan, scorers, bounded, lease, hits, counting, &too_long);
  if (!found.ok()) return found;
  if (too_long) return SearchSketches(scorers, query, parameters, lease, hits, counting);
  const size_t count = MergeZeroRows(parameters, lease.snapshot(), lease.scratch(), hits, *found);
  if (!lease.scratch().failure.ok()) return count;
  // Fewer than there could be: the walk got lost among rows that are hidden or not allowed.
  const size_t allowed =
      parameters.filter == nullptr ? size() : std::min(size(), parameters.filter->size());
  if (count < parameters.k && count < allowed) {
    counting.Stopped(SearchStop::kLost);
    return SearchScan(scorers.exact(), parameters, lease, hits, counting);
  }
  return count;
}

// For the other parts of the table.
template Result<size_t> Table::SearchWith(const ReaderPool::Lease&, const void*,
                                          const SearchParameters&, std::span<Hit>, NoCounting,
                                          SearchPlan*) const;
template Result<size_t> Table::SearchWith(const ReaderPool::Lease&, const void*,
                                          const SearchParameters&, std::span<Hit>, SearchCounting,
                                          SearchPlan*) const;
template Result<size_t> Table::SearchScan(const VectorScorer&, const SearchParameters&,
                                          const ReaderPool::Lease&, std::span<Hit>,
                                          NoCounting) const;
template Result<size_t> Table::SearchScan(const VectorScorer&, const SearchParameters&,
                                          const ReaderPool::Lease&, std::span<Hit>,
                                          SearchCounting) const;
template size_t Table::TakeHits(const QueryScorers&, const SearchParameters&, uint64_t, Scratch&,
                                std::span<Hit>, NoCounting) const;
template size_t Table::TakeHits(const QueryScorers&, const SearchParameters&, uint64_t, Scratch&,
                                std::span<Hit>, SearchCounting) const;
template size_t Table::TakeRanked(const QueryScorers&, const SearchParameters&, uint64_t, Scratch&,
                                  std::span<Hit>, NoCounting) const;
template size_t Table::TakeRanked(const QueryScorers&, const SearchParameters&, uint64_t, Scratch&,
                                  std::span<Hit>, SearchCounting) const;

}  // namespace vitrine
