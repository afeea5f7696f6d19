#pragma once

#include <cstddef>

#include "engine/table_view.h"
#include "stats/search_counters.h"

namespace vitrine {

// A scan of what a filter allows by sketches, of which the best are looked at closer.
//   Counting  SearchCounting, or NoCounting
template <class Counting>
class SketchSearch {
 public:
  // What it is given outlives it. REQUIRES: the table has sketches, and `parameters` a filter
  SketchSearch(const TableView& table, const QueryScorers& scorers,
               const SearchParameters& parameters, Counting counting)
      : table_(table),
        scratch_(table.scratch()),
        sketches_(*table.sketches()),
        scorers_(scorers),
        parameters_(parameters),
        filter_(*parameters.filter),
        counting_(counting) {}

  // Leaves in `ranked` of the scratch what was looked at, ascending by what is next exact: codes,
  // or vectors where there are none.
  //   query  a vector of the table's type, the one of the scorers
  StopReason Find(const void* query);
  // Whether sketches told too little to find all that is near.
  bool too_coarse() const { return too_coarse_; }

 private:
  template <typename Visitor>
  void ForEachBlock(size_t stride, Visitor visit) const;
  float Threshold(size_t kept) const;
  StopReason Gather(size_t kept, float threshold);

  const TableView& table_;
  Scratch& scratch_;
  const SketchStore& sketches_;
  const QueryScorers& scorers_;
  const SearchParameters& parameters_;
  const PointFilter& filter_;
  const Counting counting_;
  size_t seen_ = 0;  // rows, by the last Gather
  bool too_coarse_ = false;
};

}  // namespace vitrine
