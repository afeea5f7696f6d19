#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/quantization.h"
#include "engine/recall_curve.h"
#include "stats/catalog.h"

namespace vitrine {

// How a search goes about its work.
enum class PlanKind : uint8_t {
  kNothing,     // no row can match
  kWalk,        // walk the graph
  kScan,        // compute every distance
  kFilterScan,  // compute the distance to every row that the filter allows
  kFilterWalk,  // walk the graph, scoring allowed rows only
  kFilterPass,  // walk the graph, passing through rows that are not allowed
  kSketch,      // estimate the distance to every row that the filter allows, then look closer
};

// As statistics have it.
constexpr SearchStrategy StrategyOf(PlanKind kind) {
  switch (kind) {
    case PlanKind::kNothing:
      return SearchStrategy::kNothing;
    case PlanKind::kWalk:
      return SearchStrategy::kGraph;
    case PlanKind::kScan:
      return SearchStrategy::kExact;
    case PlanKind::kFilterWalk:
    case PlanKind::kFilterPass:
      return SearchStrategy::kGraphFiltered;
    case PlanKind::kFilterScan:
    case PlanKind::kSketch:
      break;
  }
  return SearchStrategy::kPrefilter;
}

enum class PlanReason : uint8_t {
  kDefault,      // nothing speaks against a walk
  kExactAsked,   // `exact: true`
  kEmpty,        // there are no rows, or the filter allows none
  kZeroQuery,    // a zero vector, under cosine or jaccard, is in no graph
  kFewAllowed,   // a scan of so few rows is cheaper than a walk
  kFarFilter,    // almost none of the rows near the query are allowed: walks get lost
  kSomeAllowed,  // some of the rows near the query are allowed: follow them by two hops
  kMuchAllowed,  // so many are allowed that an ordinary walk finds them
  kNoGraph,      // the graph was lost and is being built anew
  kRecall,       // no walk reaches the recall asked for
};

inline constexpr std::string_view kPlanKindNames[] = {
    "nothing", "walk", "scan", "filter-scan", "filter-walk", "filter-pass", "sketch"};
inline constexpr std::string_view kPlanReasonNames[] = {
    "default",    "exact-asked",  "empty",        "zero-query", "few-allowed",
    "far-filter", "some-allowed", "much-allowed", "no-graph",   "recall"};

struct SearchPlan {
  PlanKind kind = PlanKind::kWalk;
  PlanReason reason = PlanReason::kDefault;
  size_t ef = 0;            // beam width of the walk; 0 for scans
  size_t rows = 0;          // rows in the table
  size_t allowed_rows = 0;  // rows that the filter allows; `rows` without a filter
  float local_share = -1;   // allowed among the rows near the query, -1 when not looked at
  bool fill_edges = false;  // the walk also follows fill edges
  Quantization quantization = Quantization::kNone;  // what the walk scores; none for scans
  std::optional<RecallChoice> recall;               // how `ef` came of the recall asked for
};

}  // namespace vitrine
