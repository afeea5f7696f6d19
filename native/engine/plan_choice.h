#pragma once

#include <cstddef>

#include "base/status.h"
#include "engine/search_plan.h"
#include "engine/table_view.h"
#include "stats/search_counters.h"

namespace vitrine {

// kOption where they make no sense.
Status CheckParameters(const SearchParameters& parameters);

// The beam width of a walk for `parameters`.
size_t EfOf(const SearchParameters& parameters, bool on_codes);

// Whether a beam width is still to be chosen, for the recall that is asked for.
inline bool AsksForRecall(const SearchParameters& parameters) {
  return parameters.recall > 0 && parameters.ef == 0 && !parameters.exact;
}
// The same search by what was chosen.
SearchParameters ByBeamWidth(const SearchParameters& parameters, const RecallChoice& choice);
// Says in a plan for `chosen`, which ByBeamWidth made, how that came.
void NoteRecall(const SearchParameters& chosen, const RecallChoice& choice, SearchPlan& plan);

// How to go about a search. May walk a little, to see where the filter lies.
//   scorers   of its query
//   counters  of what that costs; null: nobody counts
SearchPlan ChoosePlan(const TableView& table, const QueryScorers& scorers,
                      const SearchParameters& parameters, SearchCounters* counters);

}  // namespace vitrine
