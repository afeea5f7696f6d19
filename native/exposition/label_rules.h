#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "exposition/metric_set.h"

namespace vitrine {

// Series of a family that are exported at most, over all sources; the last is for all others.
inline constexpr size_t kMostSeries = 1000;
// Collections of a database that are told apart at most; the others have one name.
inline constexpr size_t kMostCollections = 200;
// The value of every label of the series that takes up those beyond a limit.
inline constexpr std::string_view kOtherValue = "__other__";

// Drops all labels but `names`, and makes one series of those that are told apart by nothing else:
// counters, sums and cells are added up. So are gauges, except moments and levels, of which the
// greatest counts, and ratios, of which the mean by weight does. Quantiles of summaries are
// dropped, for they do not add up.
//   first  of the families that it does this to, with those behind it
void KeepLabels(std::span<const std::string> names, MetricSet& set, size_t first = 0);

// Makes one of the series of a family that have the same labels, likewise.
void JoinEqual(MetricSet& set, ExportedFamily& family);

// Joins the series of each family beyond the first kMostSeries - 1 to one, whose labels all have
// the value kOtherValue, so that totals stay what they are. Returns how many were joined, of those
// families of which some were.
Overflow LimitSeries(MetricSet& set);

}  // namespace vitrine
