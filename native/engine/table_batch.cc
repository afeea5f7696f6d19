// Many searches at once: blocks of queries go to the threads of the pool, and the queries of a
// block walk side by side, so that one works while the others wait for memory.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/first_failure.h"
#include "engine/query_scorers.h"
#include "engine/table.h"

namespace vitrine {
namespace {

// Queries that one thread takes at a time from a batch.
constexpr size_t kBatchBlock = 32;

}  // namespace

// The unfiltered walks of one block of a batch.
template <class Tally>
class Table::BatchWalks final : public WalkSource {
 public:
  BatchWalks(const Table& table, VectorView queries, const SearchParameters& parameters,
             std::span<Hit> hits, std::span<uint32_t> counts, const Tally& tally)
      : table_(table),
        queries_(queries),
        parameters_(parameters),
        hits_(hits),
        counts_(counts),
        tally_(tally),
        stretch_(tally),
        leases_{table.readers_.Acquire(), table.readers_.Acquire(), table.readers_.Acquire(),
                table.readers_.Acquire()},
        requests_(kWalkLanes, WalkRequest{.scorer = table.vectors_.ScorerFor(queries.data())}) {
    static_assert(kWalkLanes == 4);
    entry_count_ = table.graph_.ReadEntries(entries_);
  }

  Status Run() {
    // The first lease is the oldest: what it sees is protected for all lanes.
    const SnapshotVisible visible = table_.VisibleAt(leases_[0].snapshot());
    Scratch* const scratches[kWalkLanes] = {&leases_[0].scratch(), &leases_[1].scratch(),
                                            &leases_[2].scratch(), &leases_[3].scratch()};
    table_.walks_.walk_interleaved(*this,
                                   {.on_codes = codes_ != nullptr,
                                    .counted = Counting::kCounting,
                                    .snapshot = table_.AllSettled() ? nullptr : &visible},
                                   scratches);
    for (const ReaderPool::Lease& lease : leases_) {
      if (status_.ok()) status_ = lease.scratch().failure;
    }
    return status_;
  }

  const WalkRequest* Next(size_t lane) override {
    while (status_.ok() && next_ < counts_.size()) {
      const size_t i = next_++;
      const std::byte* query = queries_.data() + i * table_.vector_bytes();
      Scratch& scratch = leases_[lane].scratch();
      counters_[lane] = tally_.NewCounters(stretch_);
      Tally::Use(counters_[lane]).Enter(SearchPhase::kPlan);
      const QueryScorers& scorers = scorers_[lane].emplace(table_.Forms(codes_), query, scratch);
      if constexpr (Counting::kCounting) {
        Tally::Use(counters_[lane])
            .SetStrategy(SearchStrategy::kGraph, scorers.exact().kernel(), scorers.code_kernel());
      }
      if (scorers.exact().IsZeroQuery()) {
        SearchAlone(i, counters_[lane]);
        continue;
      }
      index_[lane] = i;
      requests_[lane] = WalkRequest{.links = &table_.graph_.links(),
                                    .scorer = scorers.exact(),
                                    .codes = scorers.codes(),
                                    .seeds = {entries_.data(), entry_count_},
                                    .control = parameters_.control};
      scratch.Prepare(EfOf(parameters_, codes_ != nullptr), table_.SlotLimit());
      return &requests_[lane];
    }
    return nullptr;
  }

  SearchCounters* CountersOf(size_t lane) override {
    if constexpr (Counting::kCounting) return &counters_[lane];
    return nullptr;
  }

  void Done(size_t lane, StopReason reason) override {
    const size_t i = index_[lane];
    Scratch& scratch = leases_[lane].scratch();
    typename Tally::Counters& counters = counters_[lane];
    if (reason != StopReason::kExhausted) {
      if (status_.ok()) status_ = StopStatus(reason);
      scratch.ClearVisited();
      tally_.Count(counters);
      return;
    }
    const std::span<Hit> hits = hits_.subspan(i * parameters_.k, parameters_.k);
    const uint64_t snapshot = leases_[0].snapshot();
    Tally::Use(counters).Stopped(SearchStop::kExhausted);
    size_t count = table_.TakeHits(*scorers_[lane], parameters_, snapshot, scratch, hits,
                                   Tally::Use(counters));
    scratch.ClearVisited();
    count = table_.MergeZeroRows(parameters_, snapshot, scratch, hits, count);
    if (count < parameters_.k && count < table_.size() && scratch.failure.ok()) {
      SearchAlone(i, counters);
    } else {
      counts_[i] = static_cast<uint32_t>(count);
      Tally::Use(counters).SetReturned(count);
      table_.ProbeRecall(queries_.data() + i * table_.vector_bytes(), parameters_,
                         hits.first(count), leases_[0], Tally::Use(counters));
      tally_.Count(counters);
    }
  }

 private:
  using Counting = typename Tally::Counting;

  // Searches for a query by itself, besides what `counters` hold already.
  void SearchAlone(size_t i, typename Tally::Counters& counters) {
    const Result<size_t> found = table_.SearchWith(
        table_.Read(), queries_.data() + i * table_.vector_bytes(), parameters_,
        hits_.subspan(i * parameters_.k, parameters_.k), Tally::Use(counters), nullptr);
    tally_.Count(counters);
    if (found.ok()) {
      counts_[i] = static_cast<uint32_t>(*found);
    } else if (status_.ok()) {
      status_ = found.status();
    }
  }

  const Table& table_;
  // The same for all: codes may come while a batch is under way.
  const CodeStore* const codes_ = table_.codes_.load(std::memory_order_acquire);
  const VectorView queries_;
  const SearchParameters& parameters_;
  const std::span<Hit> hits_;
  const std::span<uint32_t> counts_;
  const Tally& tally_;
  typename Tally::Stretch stretch_;
  const std::array<ReaderPool::Lease, kWalkLanes> leases_;
  std::vector<WalkRequest> requests_;
  std::array<size_t, kWalkLanes> index_ = {};
  std::array<typename Tally::Counters, kWalkLanes> counters_ = {};
  std::array<std::optional<QueryScorers>, kWalkLanes> scorers_;
  EntryTable::Snapshot entries_;
  size_t entry_count_ = 0;
  size_t next_ = 0;
  Status status_;
};

Status Table::SearchBatch(VectorView queries, size_t count, const SearchParameters& parameters,
                          std::span<Hit> hits, std::span<uint32_t> counts) const {
  return SearchBatchWith(queries, count, parameters, hits, counts, NoTally{});
}

Status Table::SearchBatch(VectorView queries, size_t count, const SearchParameters& parameters,
                          std::span<Hit> hits, std::span<uint32_t> counts,
                          const SearchTally& tally) const {
  return SearchBatchWith(queries, count, parameters, hits, counts, tally);
}

template <class Tally>
Status Table::SearchBatchWith(VectorView queries, size_t count, const SearchParameters& parameters,
                              std::span<Hit> hits, std::span<uint32_t> counts,
                              const Tally& tally) const {
  if (count == 0) return {};
  VITRINE_RETURN_IF_ERROR(CheckSearch(queries.data(), parameters));
  VITRINE_RETURN_IF_ERROR(CheckVectors(queries));
  if (AsksForRecall(parameters)) {
    return SearchBatchByRecall(queries, count, parameters, hits, counts, tally);
  }
  const size_t bytes = vector_bytes();
  const size_t k = parameters.k;
  const bool walk =
      !parameters.exact && parameters.filter == nullptr && graph_.size() > 0 && linked();
  FirstFailure failure;
  ParallelFor(
      pool_, Parallelism(), (count + kBatchBlock - 1) / kBatchBlock, [&](size_t, size_t block) {
        const size_t first = block * kBatchBlock;
        const size_t n = std::min(kBatchBlock, count - first);
        Status status;
        // Searches of small tables end before they look at the flag.
        const StopReason stopped = parameters.control.Check();
        if (stopped != StopReason::kExhausted) {
          status = StopStatus(stopped);
        } else if (walk) {
          status = BatchWalks<Tally>(*this, VectorView(queries.data() + first * bytes, n * bytes),
                                     parameters, hits.subspan(first * k, n * k),
                                     counts.subspan(first, n), tally)
                       .Run();
        } else {
          typename Tally::Stretch stretch(tally);
          for (size_t i = first; i < first + n && status.ok(); ++i) {
            typename Tally::Counters counters = tally.NewCounters(stretch);
            Tally::Use(counters).Enter(SearchPhase::kPrepare);
            const auto found = SearchWith(Read(), queries.data() + i * bytes, parameters,
                                          hits.subspan(i * k, k), Tally::Use(counters), nullptr);
            tally.Count(counters);
            if (found.ok()) {
              counts[i] = static_cast<uint32_t>(*found);
            } else {
              status = found.status();
            }
          }
        }
        failure.Note(std::move(status));
      });
  return failure.Take();
}

template Status Table::SearchBatchWith(VectorView, size_t, const SearchParameters&, std::span<Hit>,
                                       std::span<uint32_t>, const NoTally&) const;
template Status Table::SearchBatchWith(VectorView, size_t, const SearchParameters&, std::span<Hit>,
                                       std::span<uint32_t>, const SearchTally&) const;

}  // namespace vitrine
