#include "engine/table_search.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/prefetch.h"
#include "base/probe.h"
#include "engine/recall_prober.h"
#include "engine/sketch_search.h"
#include "index/code_rerank.h"
#include "stats/recall_sampler.h"

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

Status StopStatus(StopReason reason) {
  return reason == StopReason::kTimeout
             ? Status(ErrorCode::kTimeout, "the search took longer than timeoutMs allows")
             : Status(ErrorCode::kCancelled, "the search was cancelled");
}

Result<size_t> Table::Search(const ReaderPool::Lease& lease, const void* query,
                             const SearchParameters& parameters, std::span<Hit> hits,
                             SearchPlan* plan) const {
  VITRINE_PROBE2(search__start, parameters.k, parameters.ef);
  const TableView view(*this, lease);
  Result<size_t> found = TableSearch(view, {query, parameters, hits}, NoCounting{}).Run(plan);
  VITRINE_PROBE(search__done);
  return found;
}

Result<size_t> Table::Search(const ReaderPool::Lease& lease, const void* query,
                             const SearchParameters& parameters, std::span<Hit> hits,
                             SearchCounters& counters, SearchPlan* plan) const {
  VITRINE_PROBE2(search__start, parameters.k, parameters.ef);
  const TableView view(*this, lease);
  Result<size_t> found =
      TableSearch(view, {query, parameters, hits}, SearchCounting(counters)).Run(plan);
  VITRINE_PROBE(search__done);
  return found;
}

Result<SearchPlan> Table::Explain(const ReaderPool::Lease& lease, const void* query,
                                  const SearchParameters& parameters) const {
  VITRINE_RETURN_IF_ERROR(CheckParameters(parameters));
  VITRINE_RETURN_IF_ERROR(CheckVectors({static_cast<const std::byte*>(query), vector_bytes()}));
  if (AsksForRecall(parameters)) {
    const RecallChoice choice = recall_guide_->Choose(parameters.k, parameters.recall);
    const SearchParameters chosen = ByBeamWidth(parameters, choice);
    Result<SearchPlan> plan = Explain(lease, query, chosen);
    if (plan.ok()) NoteRecall(chosen, choice, *plan);
    return plan;
  }
  const TableView view(*this, lease);
  const QueryScorers scorers(view.Forms(view.codes()), query, lease.scratch());
  return view.UnlessFailed<SearchPlan>(ChoosePlan(view, scorers, parameters, nullptr));
}

template <class Counting>
Result<size_t> TableSearch<Counting>::Run(SearchPlan* plan_out) {
  VITRINE_RETURN_IF_ERROR(CheckParameters(parameters_));
  VITRINE_RETURN_IF_ERROR(table_.CheckVectors(
      {static_cast<const std::byte*>(query_.vector), table_.vectors().vector_bytes()}));
  return AsksForRecall(parameters_) ? RunByRecall(plan_out) : RunPlanned(plan_out);
}

template <class Counting>
Result<size_t> TableSearch<Counting>::RunByRecall(SearchPlan* plan_out) {
  RecallGuide& guide = table_.table().recall_guide();
  const RecallChoice choice = guide.Choose(parameters_.k, parameters_.recall);
  const SearchParameters chosen = ByBeamWidth(parameters_, choice);
  SearchPlan plan;
  Result<size_t> found =
      TableSearch(table_, {query_.vector, chosen, query_.hits}, counting_).RunPlanned(&plan);
  if (!found.ok()) return found;
  if (plan.kind == PlanKind::kWalk) {
    guide.Observe(query_.vector, parameters_.k, plan.ef, query_.hits.first(*found),
                  table_.snapshot());
  }
  if (plan_out != nullptr) {
    *plan_out = plan;
    NoteRecall(chosen, choice, *plan_out);
  }
  return found;
}

template <class Counting>
Result<size_t> TableSearch<Counting>::RunPlanned(SearchPlan* plan_out) {
  Prepare(table_.codes());
  const SearchPlan plan = ChoosePlan(table_, *scorers_, parameters_, counters());
  if (plan_out != nullptr) *plan_out = plan;
  NoteStrategy(StrategyOf(plan.kind));
  Result<size_t> found = Execute(plan);
  if (found.ok()) End(*found);
  return table_.UnlessFailed(std::move(found));
}

template <class Counting>
void TableSearch<Counting>::Prepare(const CodeStore* codes) {
  counting_.Enter(SearchPhase::kPlan);
  scorers_.emplace(table_.Forms(codes), query_.vector, scratch_);
}

template <class Counting>
Result<size_t> TableSearch<Counting>::Execute(const SearchPlan& plan) {
  switch (plan.kind) {
    case PlanKind::kNothing:
      return size_t{0};
    case PlanKind::kScan:
    case PlanKind::kFilterScan:
      return Scan();
    case PlanKind::kSketch: {
      Result<size_t> found = ScanSketches();
      if (!found.ok() || *found >= std::min(parameters_.k, plan.allowed_rows)) return found;
      counting_.Stopped(SearchStop::kLost);
      return Scan();
    }
    case PlanKind::kWalk:
    case PlanKind::kFilterWalk:
    case PlanKind::kFilterPass:
      break;
  }
  return Walk(plan);
}

template <class Counting>
template <class Hits>
void TableSearch<Counting>::OfferRow(Slot slot, float distance, Hits& hits) const {
  table_.ForEachPointOfRow(slot, parameters_.filter, [&](PointId id) {
    if (!hits.Wants(distance)) return false;
    hits.Offer({distance, id});
    return true;
  });
}

template <class Counting>
Result<size_t> TableSearch<Counting>::Scan() {
  counting_.Enter(SearchPhase::kScan);
  const VectorScorer& scorer = scorers_->exact();
  HeapHits best(query_.hits, parameters_.k, {parameters_.ties});
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
      if (best.Wants(distances[i])) OfferRow(slots[i], distances[i], best);
    }
    scanned += count;
    count = 0;
  };
  const SlotBitmap* allowed =
      parameters_.filter == nullptr ? nullptr : &parameters_.filter->slots();
  table_.ForEachVisibleRow(allowed, [&](Slot slot) {
    slots[count] = slot;
    rows[count] = scorer.Ref(slot);
    if (allowed != nullptr) Prefetch(rows[count]);
    if (++count < 64) return true;
    flush();
    if (scanned % kScanStep == 0) stopped = parameters_.control.Check();
    return stopped == StopReason::kExhausted;
  });
  if (stopped == StopReason::kExhausted) flush();
  counting_.AddScanEvaluations(scanned);
  if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  counting_.Enter(SearchPhase::kMaterialize);
  return best.Finish();
}

template <class Counting>
Result<size_t> TableSearch<Counting>::ScanSketches() {
  SketchSearch search(table_, *scorers_, parameters_, counting_);
  const StopReason stopped = search.Find(query_.vector);
  if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  counting_.Stopped(search.too_coarse() ? SearchStop::kCoarse : SearchStop::kEnough);
  return search.too_coarse() ? Scan() : MergeZeroRows(TakeRanked());
}

template <class Counting>
size_t TableSearch<Counting>::FilterSeeds(const SlotBitmap& allowed, std::span<Slot> seeds) const {
  size_t count = 0;
  // What the probe met nearest, then allowed rows from all over the table.
  for (size_t i = 0; i < scratch_.pool.size; ++i) {
    const Slot slot = scratch_.pool.slot(i);
    if (slot < allowed.capacity() && allowed.Test(slot)) seeds[count++] = slot;
  }
  const size_t words = std::min(table_.SlotLimit(), allowed.capacity()) / 64 + 1;
  for (size_t i = 0; i < kFilterSeeds; ++i) {
    // The first allowed row at or after an even spread of places.
    for (size_t step = 0; step < 64; ++step) {
      const size_t word = (i * words / kFilterSeeds + step) % words;
      if (word * 64 >= allowed.capacity()) continue;
      const uint64_t rows = table_.AllowedRows(word, &allowed) & ~table_.zero_rows().Word(word);
      if (rows == 0) continue;
      seeds[count++] = static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(rows)));
      break;
    }
  }
  return count;
}

template <class Counting>
Result<size_t> TableSearch<Counting>::Walk(const SearchPlan& plan) {
  const SnapshotVisible visible = table_.Visible();
  const bool pass = plan.kind == PlanKind::kFilterPass;
  const AllowedVisible allowed_visible{visible, pass ? &parameters_.filter->slots() : nullptr};
  std::array<Slot, EntryTable::kRoom + kFilterSeeds> seeds;
  size_t seed_count = 0;
  FilterWalk filter{.admit = {nullptr}};
  if (plan.kind == PlanKind::kFilterWalk) {
    filter.admit.allowed = &parameters_.filter->slots();
    filter.use_fill_edges = plan.fill_edges;
    filter.one_hop_share = kOneHopShare;
    seed_count = FilterSeeds(parameters_.filter->slots(), seeds);
  } else {
    EntryTable::Snapshot entries;
    seed_count = table_.graph().ReadEntries(entries);
    std::copy_n(entries.begin(), seed_count, seeds.begin());
  }
  WalkRequest request{
      .links = &table_.graph().links(),
      .scorer = scorers_->exact(),
      .codes = scorers_->codes(),
      .seeds = {seeds.data(), seed_count},
      .control = parameters_.control,
      .snapshot = pass || table_.AllSettled() ? nullptr : &visible,
      .allowed = pass ? &allowed_visible : nullptr,
      .filter = plan.kind == PlanKind::kFilterWalk ? &filter : nullptr,
  };
  if (parameters_.filter != nullptr && table_.sketches() != nullptr) {
    request.control.most_hops = plan.ef + HopsOfScan(plan.allowed_rows);
  }
  scratch_.Prepare(plan.ef, table_.SlotLimit());
  const StopReason reason = table_.walks().Walk(request, scratch_, counting_);
  if (reason == StopReason::kTooLong) {
    counting_.Stopped(SearchStop::kBounded);
    scratch_.ClearVisited();
    return ScanSketches();
  }
  if (reason != StopReason::kExhausted) return StopStatus(reason);
  const size_t count = TakeWalked();
  if (!IsShort(count)) return count;
  counting_.Stopped(SearchStop::kLost);
  return Scan();
}

template <class Counting>
size_t TableSearch<Counting>::TakeWalked() {
  counting_.Stopped(SearchStop::kExhausted);
  return MergeZeroRows(TakeHits());
}

template <class Counting>
bool TableSearch<Counting>::IsShort(size_t count) const {
  const size_t points = table_.table().size();
  const size_t allowed =
      parameters_.filter == nullptr ? points : std::min(points, parameters_.filter->size());
  return scratch_.failure.ok() && count < parameters_.k && count < allowed;
}

template <class Counting>
void TableSearch<Counting>::End(size_t count) const {
  if constexpr (Counting::kCounting) {
    counting_.SetReturned(count);
    const SearchCounters& counters = counting_.counters();
    if (counters.recall == nullptr || !counters.stop) return;
    // What computed every distance in the end has missed nothing.
    if (*counters.stop == SearchStop::kLost || *counters.stop == SearchStop::kCoarse) return;
    if (!counters.recall->Draw() || !scratch_.failure.ok()) return;
    table_.recall_prober().Probe(
        {.query = query_.vector,
         .k = parameters_.k,
         .hits = query_.hits.first(count),
         .snapshot = table_.snapshot(),
         .filter = parameters_.filter,
         .index = counters.strategy == SearchStrategy::kPrefilter ? ProbedIndex::kSketch
                                                                  : ProbedIndex::kGraph},
        *counters.recall);
  }
}

template <class Counting>
size_t TableSearch<Counting>::TakeHits() {
  if (scorers_->codes() != nullptr) return TakeReranked();
  counting_.Enter(SearchPhase::kMaterialize);
  const CandidatePool& pool = scratch_.pool;
  counting_.FoundCandidates(pool.size - pool.transit);
  SortedHits best(query_.hits, parameters_.k, {parameters_.ties});
  for (size_t i = 0; i < pool.size; ++i) {
    if (!best.Wants(pool.distance[i])) break;
    if (pool.is_result(i)) OfferRow(pool.slot(i), pool.distance[i], best);
  }
  return best.count();
}

// Rows that the snapshot does not show leave the pool first, because no more than `k` are left
// afterwards.
template <class Counting>
size_t TableSearch<Counting>::TakeReranked() {
  counting_.Enter(SearchPhase::kRerank);
  const CandidatePool& pool = scratch_.pool;
  const SnapshotVisible visible = table_.Visible();
  scratch_.ranked.clear();
  for (size_t i = 0; i < pool.size; ++i) {
    if (!pool.is_result(i) || !visible(pool.slot(i))) continue;
    scratch_.ranked.push_back({pool.distance[i], pool.slot(i)});
    // Nearly all of the first will be hits. By the time that rows have been compared, what tells
    // whose points they are has come from memory.
    if (scratch_.ranked.size() <= parameters_.k) table_.PrefetchPointOfRow(pool.slot(i));
  }
  counting_.FoundCandidates(scratch_.ranked.size());
  return TakeRanked();
}

template <class Counting>
size_t TableSearch<Counting>::TakeRanked() {
  const size_t rows = std::min(parameters_.k, scratch_.ranked.size());
  if (scorers_->codes() != nullptr) {
    counting_.LookedCloserAt(
        Rerank(scratch_.ranked, rows, *scorers_->codes(), scorers_->exact(), counting_));
  }
  counting_.Enter(SearchPhase::kMaterialize);
  SortedHits best(query_.hits, parameters_.k, {parameters_.ties});
  for (const auto& [distance, slot] : std::span(scratch_.ranked).first(rows)) {
    if (!best.Wants(distance)) break;
    OfferRow(slot, distance, best);
  }
  return best.count();
}

// Zero vectors, under cosine and jaccard, are at distance 1 from everything else and stand outside
// the graph.
template <class Counting>
size_t TableSearch<Counting>::MergeZeroRows(size_t count) {
  SortedHits best(query_.hits, parameters_.k, {parameters_.ties}, count);
  if (table_.zero_count() == 0 || !best.Wants(1)) return count;
  table_.ForEachVisibleRow(&table_.zero_rows(), [&](Slot slot) {
    if (parameters_.filter != nullptr && !parameters_.filter->slots().Test(slot)) return true;
    table_.ForEachPointOfRow(slot, parameters_.filter, [&](PointId id) {
      best.Offer({1, id});
      return true;
    });
    return true;
  });
  return best.count();
}

template class TableSearch<NoCounting>;
template class TableSearch<SearchCounting>;

}  // namespace vitrine
