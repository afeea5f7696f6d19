// Searches that say which recall they want, instead of how wide to search.

#include <algorithm>

#include "engine/recall_prober.h"
#include "engine/table.h"
#include "stats/recall_sampler.h"

namespace vitrine {
namespace {

// A batch of so many queries waits for a calibration rather than being searched too widely.
constexpr size_t kBatchWorthCalibrating = 64;
// Searches of a batch that are offered to be checked.
constexpr size_t kOfferedOfBatch = 16;

void NoteRecall(const SearchParameters& parameters, const RecallChoice& choice, SearchPlan& plan) {
  plan.recall = choice;
  if (parameters.exact && plan.reason == PlanReason::kExactAsked) plan.reason = PlanReason::kRecall;
}

}  // namespace

SearchParameters Table::ByBeamWidth(const SearchParameters& parameters,
                                    RecallChoice& choice) const {
  choice = recall_guide_->Choose(parameters.k, parameters.recall);
  SearchParameters resolved = parameters;
  resolved.ef = choice.ef;
  if (choice.ef == 0) {
    resolved.recall = 0;
    resolved.exact = true;
  }
  return resolved;
}

template <class Counting>
Result<size_t> Table::SearchByRecall(const ReaderPool::Lease& lease, const void* query,
                                     const SearchParameters& parameters, std::span<Hit> hits,
                                     Counting counting, SearchPlan* plan_out) const {
  RecallChoice choice;
  const SearchParameters resolved = ByBeamWidth(parameters, choice);
  SearchPlan plan;
  Result<size_t> found = SearchWith(lease, query, resolved, hits, counting, &plan);
  if (!found.ok()) return found;
  if (plan.kind == PlanKind::kWalk) {
    recall_guide_->Observe(query, parameters.k, plan.ef, hits.first(*found), lease.snapshot());
  }
  if (plan_out != nullptr) {
    *plan_out = plan;
    NoteRecall(resolved, choice, *plan_out);
  }
  return found;
}

Result<SearchPlan> Table::ExplainByRecall(const ReaderPool::Lease& lease, const void* query,
                                          const SearchParameters& parameters) const {
  RecallChoice choice;
  const SearchParameters resolved = ByBeamWidth(parameters, choice);
  Result<SearchPlan> plan = Explain(lease, query, resolved);
  if (plan.ok()) NoteRecall(resolved, choice, *plan);
  return plan;
}

template <class Tally>
Status Table::SearchBatchByRecall(VectorView queries, size_t count,
                                  const SearchParameters& parameters, std::span<Hit> hits,
                                  std::span<uint32_t> counts, const Tally& tally) const {
  if (count >= kBatchWorthCalibrating) {
    const StopReason stopped = recall_guide_->CalibrateNow(parameters.control);
    if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  }
  RecallChoice choice;
  const SearchParameters resolved = ByBeamWidth(parameters, choice);
  const uint64_t snapshot = readers_.published();
  VITRINE_RETURN_IF_ERROR(SearchBatchWith(queries, count, resolved, hits, counts, tally));
  if (parameters.filter != nullptr || resolved.exact) return {};
  const size_t ef = EfOf(resolved, codes_.load(std::memory_order_acquire) != nullptr);
  for (size_t i = 0; i < count; i += std::max<size_t>(1, count / kOfferedOfBatch)) {
    recall_guide_->Observe(queries.data() + i * vector_bytes(), parameters.k, ef,
                           hits.subspan(i * parameters.k, counts[i]), snapshot);
  }
  return {};
}

template <class Counting>
void Table::ProbeRecall(const void* query, const SearchParameters& parameters,
                        std::span<const Hit> hits, const ReaderPool::Lease& lease,
                        Counting counting) const {
  if constexpr (Counting::kCounting) {
    const SearchCounters& counters = counting.counters();
    if (counters.recall == nullptr || !counters.stop) return;
    // What computed every distance in the end has missed nothing.
    if (*counters.stop == SearchStop::kLost || *counters.stop == SearchStop::kCoarse) return;
    if (!counters.recall->Draw() || !lease.scratch().failure.ok()) return;
    recall_prober_->Probe(
        {.query = query,
         .k = parameters.k,
         .hits = hits,
         .snapshot = lease.snapshot(),
         .filter = parameters.filter,
         .index = counters.strategy == SearchStrategy::kPrefilter ? ProbedIndex::kSketch
                                                                  : ProbedIndex::kGraph},
        *counters.recall);
  }
}

template void Table::ProbeRecall(const void*, const SearchParameters&, std::span<const Hit>,
                                 const ReaderPool::Lease&, NoCounting) const;
template void Table::ProbeRecall(const void*, const SearchParameters&, std::span<const Hit>,
                                 const ReaderPool::Lease&, SearchCounting) const;
template Result<size_t> Table::SearchByRecall(const ReaderPool::Lease&, const void*,
                                              const SearchParameters&, std::span<Hit>, NoCounting,
                                              SearchPlan*) const;
template Result<size_t> Table::SearchByRecall(const ReaderPool::Lease&, const void*,
                                              const SearchParameters&, std::span<Hit>,
                                              SearchCounting, SearchPlan*) const;
template Status Table::SearchBatchByRecall(VectorView, size_t, const SearchParameters&,
                                           std::span<Hit>, std::span<uint32_t>,
                                           const NoTally&) const;
template Status Table::SearchBatchByRecall(VectorView, size_t, const SearchParameters&,
                                           std::span<Hit>, std::span<uint32_t>,
                                           const SearchTally&) const;

}  // namespace vitrine
