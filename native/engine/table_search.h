#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/best_hits.h"
#include "engine/plan_choice.h"
#include "engine/search_plan.h"
#include "engine/table_view.h"

namespace vitrine {

// What a search ends with that was stopped.
Status StopStatus(StopReason reason);

// What is searched for in a table, and where the hits go.
struct TableQuery {
  const void* vector;  // of the table's type
  const SearchParameters& parameters;
  std::span<Hit> hits;  // [k] or more
};

// One search of a table: `Run` chooses a plan (engine/plan_choice.h) and executes it: a walk over
// the graph (index/walk.h), a scan of all rows that may match, or one of their sketches
// (engine/sketch_search.h). Walks and scans of sketches leave rows in the scratch, of which hits
// are taken, on codes after a look at the vectors (index/code_rerank.h). Where they find too few a
// scan takes over.
//   Counting  SearchCounting, or NoCounting: a search that nobody measures does nothing for those
//             that somebody does
template <class Counting>
class TableSearch {
 public:
  // What it is given outlives it.
  TableSearch(const TableView& table, const TableQuery& query, Counting counting)
      : table_(table),
        scratch_(table.scratch()),
        query_(query),
        parameters_(query.parameters),
        counting_(counting) {}

  // The whole search; returns how many hits there are. Fails as Table::Search does.
  //   plan_out  receives the plan; may be null
  Result<size_t> Run(SearchPlan* plan_out);

  // The parts of a search without a filter, for who walks several side by side. Parameters have
  // been checked, and say a beam width.

  // Makes the query ready to be compared. Nothing is to be walked when it IsZeroQuery().
  //   codes  that rows are compared by; may be null
  void Prepare(const CodeStore* codes);
  const QueryScorers& scorers() const { return *scorers_; }
  void NoteStrategy(SearchStrategy strategy) const {
    if constexpr (Counting::kCounting) {
      counting_.SetStrategy(strategy, scorers_->exact().kernel(), scorers_->code_kernel());
    }
  }
  // Takes hits from what a walk to its end has left in the scratch; returns how many.
  size_t TakeWalked();
  // Whether there could be more hits than so many: the walk got lost among rows that are hidden or
  // not allowed, and a scan is needed.
  bool IsShort(size_t count) const;
  // Counts a search that has ended, and lets it be repeated exactly, if it is approximate and was
  // drawn.
  void End(size_t count) const;

 private:
  Result<size_t> RunByRecall(SearchPlan* plan_out);
  // By a beam width.
  Result<size_t> RunPlanned(SearchPlan* plan_out);
  Result<size_t> Execute(const SearchPlan& plan);
  Result<size_t> Scan();
  Result<size_t> ScanSketches();
  // Walks; scans sketches once that is no dearer.
  Result<size_t> Walk(const SearchPlan& plan);
  // The seeds of a walk to what a filter allows; returns how many.
  size_t FilterSeeds(const SlotBitmap& allowed, std::span<Slot> seeds) const;

  // Hits, ascending, from the pool of a walk; from a pool of estimates; and from `ranked` of the
  // scratch, which is ascending by what scorers tell first. Each returns how many.
  size_t TakeHits();
  size_t TakeReranked();
  size_t TakeRanked();
  // Adds those of zero vectors.
  size_t MergeZeroRows(size_t count);
  // Offers the points of a row, until no more are wanted.
  template <class Hits>
  void OfferRow(Slot slot, float distance, Hits& hits) const;

  // Null: nobody counts.
  SearchCounters* counters() const {
    if constexpr (Counting::kCounting) return &counting_.counters();
    return nullptr;
  }

  const TableView& table_;
  Scratch& scratch_;
  const TableQuery query_;
  const SearchParameters& parameters_;
  const Counting counting_;
  std::optional<QueryScorers> scorers_;
};

}  // namespace vitrine
