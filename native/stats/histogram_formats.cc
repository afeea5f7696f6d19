#include "stats/histogram_formats.h"

#include <algorithm>
#include <cmath>

namespace vitrine {
namespace {

// A run of empty buckets that takes less room as zeros than as the beginning of another span.
constexpr size_t kShortGap = 2;

}  // namespace

ClassicHistogram FoldClassic(const HistogramTotals& totals) {
  ClassicHistogram classic;
  if (totals.layout == nullptr) return classic;
  const HistogramLayout& layout = *totals.layout;
  classic.edges = layout.classic_bounds();
  classic.cumulative_counts.reserve(classic.edges.size());
  uint64_t count = 0;
  size_t i = 0;
  for (const uint64_t edge : layout.classic_edges()) {
    for (; i < totals.cells.size() && layout.upper(totals.first + i) <= edge; ++i) {
      count += totals.cells[i];
    }
    classic.cumulative_counts.push_back(count);
  }
  classic.cumulative_counts.push_back(totals.count());
  return classic;
}

ExponentialHistogram FoldExponential(const HistogramTotals& totals) {
  ExponentialHistogram folded;
  if (totals.layout == nullptr) return folded;
  const HistogramLayout& layout = *totals.layout;
  folded.zero_threshold = layout.zero_threshold();
  folded.zero_count = totals.cell(0);
  for (size_t i = totals.first == 0 ? 1 : 0; i < totals.cells.size(); ++i) {
    const size_t cell = totals.first + i;
    if (totals.cells[i] == 0) continue;
    // OpenTelemetry numbers a bucket by its lower edge.
    const int bucket = layout.bucket(cell) - 1;
    if (folded.counts.empty()) folded.offset = bucket;
    folded.counts.resize(static_cast<size_t>(bucket - folded.offset) + 1);
    folded.counts.back() += totals.cells[i];
  }
  return folded;
}

NativeHistogram FoldNative(const HistogramTotals& totals) {
  const ExponentialHistogram folded = FoldExponential(totals);
  NativeHistogram native{.zero_threshold = folded.zero_threshold, .zero_count = folded.zero_count};
  int64_t before = 0;
  const auto append = [&](uint64_t count) {
    native.deltas.push_back(static_cast<int64_t>(count) - before);
    before = static_cast<int64_t>(count);
    ++native.spans.back().length;
  };
  size_t gap = 0;
  for (const uint64_t count : folded.counts) {
    if (count == 0) {
      ++gap;
      continue;
    }
    if (native.spans.empty()) {
      native.spans.push_back({.offset = folded.offset + 1});
    } else if (gap > kShortGap) {
      native.spans.push_back({.offset = static_cast<int>(gap)});
    } else {
      for (; gap > 0; --gap) append(0);
    }
    gap = 0;
    append(count);
  }
  return native;
}

double Quantile(const HistogramTotals& totals, double q) {
  const uint64_t count = totals.count();
  if (count == 0) return 0;
  const HistogramLayout& layout = *totals.layout;
  const double rank = std::max(1.0, std::ceil(q * static_cast<double>(count)));
  double below = 0;
  size_t cell = totals.first;
  while (below + static_cast<double>(totals.cell(cell)) < rank) {
    below += static_cast<double>(totals.cell(cell++));
  }
  const double lower = cell == 0 ? 0 : static_cast<double>(layout.upper(cell - 1));
  // The greatest may not have been stored yet when the cells were read.
  const double upper =
      std::max(lower, static_cast<double>(std::min(layout.upper(cell), totals.max)));
  const double share = (rank - below) / static_cast<double>(totals.cell(cell));
  return (lower + share * (upper - lower)) / layout.per_unit();
}

}  // namespace vitrine
