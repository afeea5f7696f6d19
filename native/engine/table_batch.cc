// Many searches at once: blocks of queries go to the threads of the pool, and the queries of a
// block walk side by side, so that one works while the others wait for memory.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/first_failure.h"
#include "engine/table_search.h"
#include "stats/search_tally.h"

namespace vitrine {
namespace {

// Queries that one thread takes at a time from a batch.
constexpr size_t kBatchBlock = 32;
// A batch of so many queries waits for a calibration rather than being searched too widely.
constexpr size_t kBatchWorthCalibrating = 64;
// Walks wait for little where all that they read is in the cache of the core, or near it: one after
// the other they are sooner done, for four have four times the memory in hand. Not where beams are
// narrow: what goes before and after a walk is a good part of it then, and overlaps with others.
constexpr size_t kCachedBytes = size_t{6} << 20;
constexpr size_t kNarrowBeam = 32;
// Searches of a batch that are offered to be checked.
constexpr size_t kOfferedOfBatch = 16;

// Queries, one after the other, and where their hits go.
struct Batch {
  VectorView queries;
  size_t vector_bytes;
  const SearchParameters& parameters;
  std::span<Hit> hits;         // [k] a query
  std::span<uint32_t> counts;  // one a query: how many of them there are

  size_t size() const { return counts.size(); }
  const std::byte* vector(size_t i) const { return queries.data() + i * vector_bytes; }
  TableQuery query(size_t i) const {
    return {vector(i), parameters, hits.subspan(i * parameters.k, parameters.k)};
  }
  Batch Part(size_t first, size_t count) const {
    return {{queries.data() + first * vector_bytes, count * vector_bytes},
            vector_bytes,
            parameters,
            hits.subspan(first * parameters.k, count * parameters.k),
            counts.subspan(first, count)};
  }
};

// One search of a batch, by itself.
template <class Counting>
Status SearchOne(const Table& table, const Batch& batch, size_t i, Counting counting) {
  const ReaderPool::Lease lease = table.Read();
  const Result<size_t> found =
      TableSearch(TableView(table, lease), batch.query(i), counting).Run(nullptr);
  if (!found.ok()) return found.status();
  batch.counts[i] = static_cast<uint32_t>(*found);
  return {};
}

// The searches of a block that walk, without a filter.
template <class Tally>
class BatchWalks final : public WalkSource {
 public:
  BatchWalks(const Table& table, const Batch& batch, const Tally& tally)
      : table_(table),
        batch_(batch),
        tally_(tally),
        stretch_(tally),
        leases_{table.Read(), table.Read(), table.Read(), table.Read()},
        // The first lease is the oldest: what it sees is protected for all lanes.
        views_{View(0), View(1), View(2), View(3)},
        codes_(views_[0].codes()),
        requests_(kWalkLanes,
                  WalkRequest{.scorer = views_[0].vectors().ScorerFor(batch.queries.data())}) {
    static_assert(kWalkLanes == 4);
    entry_count_ = views_[0].graph().ReadEntries(entries_);
  }

  Status Run() {
    const SnapshotVisible visible = views_[0].Visible();
    Scratch* const scratches[kWalkLanes] = {&views_[0].scratch(), &views_[1].scratch(),
                                            &views_[2].scratch(), &views_[3].scratch()};
    views_[0].walks().walk_interleaved(*this,
                                       {.on_codes = codes_ != nullptr,
                                        .counted = Counting::kCounting,
                                        .snapshot = views_[0].AllSettled() ? nullptr : &visible},
                                       scratches);
    for (const TableView& view : views_) Note(view.scratch().failure);
    return status_;
  }

  const WalkRequest* Next(size_t lane) override {
    while (status_.ok() && next_ < batch_.size()) {
      const size_t i = next_++;
      const TableView& view = views_[lane];
      counters_[lane] = tally_.NewCounters(stretch_);
      TableSearch<Counting>& search =
          searches_[lane].emplace(view, batch_.query(i), Tally::Use(counters_[lane]));
      search.Prepare(codes_);
      search.NoteStrategy(SearchStrategy::kGraph);
      const QueryScorers& scorers = search.scorers();
      if (scorers.exact().IsZeroQuery()) {
        SearchAlone(lane, i);
        continue;
      }
      index_[lane] = i;
      requests_[lane] = WalkRequest{.links = &view.graph().links(),
                                    .scorer = scorers.exact(),
                                    .codes = scorers.codes(),
                                    .seeds = {entries_.data(), entry_count_},
                                    .control = batch_.parameters.control};
      view.scratch().Prepare(EfOf(batch_.parameters, codes_ != nullptr), view.SlotLimit());
      return &requests_[lane];
    }
    return nullptr;
  }

  SearchCounters* CountersOf(size_t lane) override {
    if constexpr (Counting::kCounting) return &counters_[lane];
    return nullptr;
  }

  void Done(size_t lane, StopReason reason) override {
    Scratch& scratch = views_[lane].scratch();
    if (reason != StopReason::kExhausted) {
      Note(StopStatus(reason));
      scratch.ClearVisited();
      tally_.Count(counters_[lane]);
      return;
    }
    TableSearch<Counting>& search = *searches_[lane];
    const size_t count = search.TakeWalked();
    scratch.ClearVisited();
    if (search.IsShort(count)) {
      SearchAlone(lane, index_[lane]);
    } else {
      batch_.counts[index_[lane]] = static_cast<uint32_t>(count);
      search.End(count);
      tally_.Count(counters_[lane]);
    }
  }

 private:
  using Counting = typename Tally::Counting;

  TableView View(size_t lane) const {
    return {table_, leases_[lane].scratch(), leases_[0].snapshot()};
  }

  void Note(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  // Searches for a query by itself, besides what the counters of the lane hold already.
  void SearchAlone(size_t lane, size_t i) {
    Note(SearchOne(table_, batch_, i, Tally::Use(counters_[lane])));
    tally_.Count(counters_[lane]);
  }

  const Table& table_;
  const Batch& batch_;
  const Tally& tally_;
  typename Tally::Stretch stretch_;
  const std::array<ReaderPool::Lease, kWalkLanes> leases_;
  const std::array<TableView, kWalkLanes> views_;
  const CodeStore* const codes_;  // the same for all: codes may come while a batch is under way
  std::vector<WalkRequest> requests_;
  std::array<size_t, kWalkLanes> index_ = {};
  std::array<typename Tally::Counters, kWalkLanes> counters_ = {};
  std::array<std::optional<TableSearch<typename Tally::Counting>>, kWalkLanes> searches_;
  EntryTable::Snapshot entries_;
  size_t entry_count_ = 0;
  size_t next_ = 0;
  Status status_;
};

bool WalksSideBySide(const Table& table, const SearchParameters& parameters) {
  if (parameters.exact || parameters.filter != nullptr || !table.linked()) return false;
  const ReaderPool::Lease lease = table.Read();
  const TableView view(table, lease);
  const CodeStore* const codes = view.codes();
  const size_t row_bytes = (codes != nullptr ? codes->row_bytes() : view.vectors().row_bytes()) +
                           view.graph().links().row_bytes();
  const size_t rows = view.graph().size();
  return rows > 0 &&
         (rows * row_bytes > kCachedBytes || EfOf(parameters, codes != nullptr) < kNarrowBeam);
}

// A block of a batch, on one thread.
template <class Tally>
Status SearchBlock(const Table& table, const Batch& block, const Tally& tally) {
  // Searches of small tables end before they look at the flag.
  const StopReason stopped = block.parameters.control.Check();
  if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  if (WalksSideBySide(table, block.parameters)) {
    return BatchWalks<Tally>(table, block, tally).Run();
  }
  typename Tally::Stretch stretch(tally);
  Status status;
  for (size_t i = 0; i < block.size() && status.ok(); ++i) {
    typename Tally::Counters counters = tally.NewCounters(stretch);
    Tally::Use(counters).Enter(SearchPhase::kPrepare);
    status = SearchOne(table, block, i, Tally::Use(counters));
    tally.Count(counters);
  }
  return status;
}

// The threads that a batch may have.
struct Workers {
  ThreadPool* pool;
  size_t threads;
};

template <class Tally>
Status SearchBlocks(const Table& table, const Workers& workers, const Batch& batch,
                    const Tally& tally) {
  FirstFailure failure;
  const size_t blocks = (batch.size() + kBatchBlock - 1) / kBatchBlock;
  ParallelFor(workers.pool, workers.threads, blocks, [&](size_t, size_t block) {
    const size_t first = block * kBatchBlock;
    const size_t count = std::min(kBatchBlock, batch.size() - first);
    failure.Note(SearchBlock(table, batch.Part(first, count), tally));
  });
  return failure.Take();
}

template <class Tally>
Status SearchByRecall(const Table& table, const Workers& workers, const Batch& batch,
                      const Tally& tally) {
  RecallGuide& guide = table.recall_guide();
  const SearchParameters& asked = batch.parameters;
  if (batch.size() >= kBatchWorthCalibrating) {
    const StopReason stopped = guide.CalibrateNow(asked.control);
    if (stopped != StopReason::kExhausted) return StopStatus(stopped);
  }
  const SearchParameters chosen = ByBeamWidth(asked, guide.Choose(asked.k, asked.recall));
  const uint64_t version = table.version();
  const Batch by_beam{batch.queries, batch.vector_bytes, chosen, batch.hits, batch.counts};
  VITRINE_RETURN_IF_ERROR(SearchBlocks(table, workers, by_beam, tally));
  if (asked.filter != nullptr || chosen.exact) return {};
  const size_t ef = EfOf(chosen, table.quantization_used() != Quantization::kNone);
  for (size_t i = 0; i < batch.size(); i += std::max<size_t>(1, batch.size() / kOfferedOfBatch)) {
    const TableQuery query = batch.query(i);
    guide.Observe(query.vector, asked.k, ef, query.hits.first(batch.counts[i]), version);
  }
  return {};
}

}  // namespace

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
  VITRINE_RETURN_IF_ERROR(CheckParameters(parameters));
  VITRINE_RETURN_IF_ERROR(CheckVectors(queries));
  const Batch batch{queries, vector_bytes(), parameters, hits, counts.first(count)};
  const Workers workers{pool_, Parallelism()};
  return AsksForRecall(parameters) ? SearchByRecall(*this, workers, batch, tally)
                                   : SearchBlocks(*this, workers, batch, tally);
}

}  // namespace vitrine
