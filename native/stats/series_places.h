#pragma once

#include <array>
#include <cstddef>

#include "stats/catalog.h"

// Where the series of the catalog are counted: all of it is known when the engine is compiled.

namespace vitrine {

// The series of all families of one kind lie behind each other; here they begin, and end.
//   source  of which families; histograms have places of their own
constexpr size_t PlacesBefore(size_t family, Source source, bool histograms) {
  size_t places = 0;
  for (size_t i = 0; i < family; ++i) {
    if (kFamilies[i].source != source) continue;
    if ((kFamilies[i].type == MetricType::kHistogram) == histograms)
      places += kFamilies[i].stored();
  }
  return places;
}
inline constexpr auto kPlaces = [] {
  std::array<size_t, kFamilyCount> places{};
  for (size_t i = 0; i < kFamilyCount; ++i) {
    places[i] = PlacesBefore(i, kFamilies[i].source, kFamilies[i].type == MetricType::kHistogram);
  }
  return places;
}();
constexpr size_t PlaceOf(Family family) { return kPlaces[static_cast<size_t>(family)]; }
inline constexpr size_t kShardCounters = PlacesBefore(kFamilyCount, Source::kShards, false);
inline constexpr size_t kHistograms = PlacesBefore(kFamilyCount, Source::kShards, true);
inline constexpr size_t kRareCounters = PlacesBefore(kFamilyCount, Source::kRare, false);
inline constexpr size_t kRunningValues = PlacesBefore(kFamilyCount, Source::kRunning, false);
inline constexpr size_t kProbeCounters = PlacesBefore(kFamilyCount, Source::kProbes, false);
inline constexpr size_t kStateValues = PlacesBefore(kFamilyCount, Source::kState, false);
inline constexpr size_t kTotalValues = PlacesBefore(kFamilyCount, Source::kTotals, false);

// The series of a family, by the values of its labels.
template <typename First>
constexpr size_t SeriesOf(First first) {
  return static_cast<size_t>(first);
}
template <typename First, typename Second>
constexpr size_t SeriesOf(Family family, First first, Second second) {
  return static_cast<size_t>(first) * RowOf(family).labels[1].values.size() +
         static_cast<size_t>(second);
}

}  // namespace vitrine
