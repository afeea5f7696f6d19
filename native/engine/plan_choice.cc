#include "engine/plan_choice.h"

#include <algorithm>
#include <string>

namespace vitrine {
namespace {

constexpr size_t kDefaultEf = 64;
// Places that a pool of codes has beyond `k` at least: of itself, and where `ef` was asked for.
constexpr size_t kSpare = 4;
constexpr size_t kLeastSpare = 2;

// Rows whose scan costs about as much as a filtered walk: a fixed part, and what memory delivers
// while the walk waits for scattered rows. Measured: about 1,300 rows at 784 dimensions, 3,700 at
// 128 (f32). A row is fetched by whole lines.
size_t FilterScanRows(size_t vector_bytes) {
  return 800 + (size_t{3} << 19) / std::max<size_t>(vector_bytes, 64);
}
// The same where there are sketches: up to so many rows a look at all of them is sooner done than
// the preparation of a sketch, and up to so many their sketches are than a filtered walk, unless
// they are a good part of what is near.
size_t ExactScanRows(size_t vector_bytes) { return 450'000 / vector_bytes; }
constexpr size_t kSketchScanRows = 12'000;
// Up to so many rows they are looked at before anybody asks where the query lies.
constexpr size_t kFewSketches = 3'000;

// The walk that looks where the filter lies keeps so many nodes.
constexpr size_t kProbeEf = 8;
// A filter that allows less than this share of the rows near the query is far from it.
constexpr float kFarShare = 0.02f;
// The same where sketches make scans cheap: between the two a walk finds most and not all.
constexpr float kFarShareOfSketches = 0.05f;
// Filters that allow less than this share of all rows need the fill edges to stay connected.
constexpr float kSparseShare = 0.1f;
// Where this much of what is near is allowed, passing through the rest costs less than two hops.
constexpr float kPassShare = 0.35f;

// The share of allowed rows among the nodes nearest to the query and their neighbours. Leaves the
// nodes it scored in the pool.
float LocalShare(const TableView& table, const QueryScorers& scorers, const PointFilter& filter,
                 SearchCounters* counters) {
  Scratch& scratch = table.scratch();
  const Links& links = table.graph().links();
  EntryTable::Snapshot entries;
  const size_t entry_count = table.graph().ReadEntries(entries);
  const WalkRequest request{.links = &links,
                            .scorer = scorers.exact(),
                            .codes = scorers.codes(),
                            .seeds = {entries.data(), entry_count}};
  scratch.Prepare(kProbeEf, table.SlotLimit());
  if (counters == nullptr) {
    table.walks().walk(request, scratch);
  } else {
    SearchCounting(*counters).Probe(
        [&](SearchCounting probing) { table.walks().Walk(request, scratch, probing); });
  }
  scratch.ClearVisited();
  size_t near = 0;
  size_t allowed = 0;
  const auto look = [&](Slot slot) {
    ++near;
    allowed += slot < filter.slots().capacity() && filter.slots().Test(slot) ? 1 : 0;
  };
  const CandidatePool& pool = scratch.pool;
  for (size_t i = 0; i < pool.size; ++i) {
    look(pool.slot(i));
    if (!links.IsHere(pool.slot(i)) && !links.Fetch(pool.slot(i), scratch.failure)) continue;
    for (size_t j = 0; j < links.width(); ++j) {
      const uint32_t word = links.Load(pool.slot(i), j);
      if (Links::IsLink(word)) look(word);
    }
  }
  return near == 0 ? 0 : static_cast<float>(allowed) / static_cast<float>(near);
}

}  // namespace

Status CheckParameters(const SearchParameters& parameters) {
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
  return {};
}

// Estimates swap places near the last of `k` hits: a pool of codes holds some more, of which
// reranking looks at two in any case.
size_t EfOf(const SearchParameters& parameters, bool on_codes) {
  const size_t k = parameters.k;
  // A beam that was measured has what it needs.
  if (parameters.recall != 0) return std::max(k, parameters.ef == 0 ? kDefaultEf : parameters.ef);
  if (parameters.ef == 0) return std::max(kDefaultEf, k + (on_codes ? std::max(kSpare, k / 4) : 0));
  return std::max(k + (on_codes ? kLeastSpare : 0), parameters.ef);
}

SearchParameters ByBeamWidth(const SearchParameters& parameters, const RecallChoice& choice) {
  SearchParameters chosen = parameters;
  chosen.ef = choice.ef;
  if (choice.ef == 0) {
    chosen.recall = 0;
    chosen.exact = true;
  }
  return chosen;
}

void NoteRecall(const SearchParameters& chosen, const RecallChoice& choice, SearchPlan& plan) {
  plan.recall = choice;
  if (chosen.exact && plan.reason == PlanReason::kExactAsked) plan.reason = PlanReason::kRecall;
}

SearchPlan ChoosePlan(const TableView& table, const QueryScorers& scorers,
                      const SearchParameters& parameters, SearchCounters* counters) {
  SearchPlan plan;
  if (!table.table().linked()) {
    plan.rows = plan.allowed_rows = table.table().size();
    plan.reason = PlanReason::kNoGraph;
    plan.kind = parameters.filter == nullptr ? PlanKind::kScan : PlanKind::kFilterScan;
    return plan;
  }
  plan.rows = table.graph().size() + table.zero_count();
  plan.allowed_rows = parameters.filter == nullptr ? plan.rows : parameters.filter->slot_count();
  if (plan.allowed_rows == 0 || plan.rows == 0) {
    return plan.kind = PlanKind::kNothing, plan.reason = PlanReason::kEmpty, plan;
  }
  const PlanKind scan = parameters.filter == nullptr ? PlanKind::kScan : PlanKind::kFilterScan;
  if (parameters.exact) {
    return plan.kind = scan, plan.reason = PlanReason::kExactAsked, plan;
  }
  if (scorers.exact().IsZeroQuery()) {
    return plan.kind = scan, plan.reason = PlanReason::kZeroQuery, plan;
  }
  plan.ef = EfOf(parameters, scorers.codes() != nullptr);
  plan.quantization = table.table().quantization_used();
  if (parameters.filter == nullptr) return plan;

  const SketchStore* const sketches = table.SketchesOrBegin();
  const size_t vector_bytes = table.vectors().vector_bytes();
  const PlanKind look = sketches == nullptr ? scan : PlanKind::kSketch;
  if (plan.allowed_rows <=
      (sketches == nullptr ? FilterScanRows(vector_bytes) : ExactScanRows(vector_bytes))) {
    return plan.kind = scan, plan.reason = PlanReason::kFewAllowed, plan.ef = 0,
           plan.quantization = Quantization::kNone, plan;
  }
  const float share = static_cast<float>(plan.allowed_rows) / static_cast<float>(plan.rows);
  const bool is_sketched = sketches != nullptr && plan.allowed_rows <= kSketchScanRows;
  if (is_sketched && share < kPassShare && plan.allowed_rows <= kFewSketches) {
    return plan.kind = look, plan.reason = PlanReason::kFewAllowed, plan.ef = 0, plan;
  }
  plan.local_share = LocalShare(table, scorers, *parameters.filter, counters);
  if (plan.local_share < (sketches == nullptr ? kFarShare : kFarShareOfSketches)) {
    if (sketches == nullptr) plan.quantization = Quantization::kNone;
    return plan.kind = look, plan.reason = PlanReason::kFarFilter, plan.ef = 0, plan;
  }
  if (plan.local_share >= kPassShare) {
    return plan.kind = PlanKind::kFilterPass, plan.reason = PlanReason::kMuchAllowed, plan;
  }
  if (is_sketched) {
    return plan.kind = look, plan.reason = PlanReason::kFewAllowed, plan.ef = 0, plan;
  }
  plan.kind = PlanKind::kFilterWalk;
  plan.reason = PlanReason::kSomeAllowed;
  plan.fill_edges = share < kSparseShare;
  // Less than a quarter as dense here as elsewhere: most of what is near the query is somewhat far.
  if (parameters.recall > 0 && plan.local_share < share / 4)
    plan.ef = std::min(kMaxEf, 4 * plan.ef);
  return plan;
}

}  // namespace vitrine
