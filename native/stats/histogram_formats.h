#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stats/histogram.h"

namespace vitrine {

// One histogram in the formats that readers ask for, from the same cells, each without loss.
// Distances, durations and edges are in units of what is exported: seconds, or things.

// Of Prometheus' text format: how many observations were at most each `le` edge. The last edge is
// infinity.
struct ClassicHistogram {
  std::span<const double> edges;            // the layout's
  std::vector<uint64_t> cumulative_counts;  // [edges.size()]
};
ClassicHistogram FoldClassic(const HistogramTotals& totals);

// Of OpenTelemetry: bucket i of `counts` holds what is above 2^((offset + i) / 8), and at most
// 2^((offset + i + 1) / 8). No bucket at either end is empty.
struct ExponentialHistogram {
  int scale = HistogramLayout::kScale;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  int offset = 0;
  std::vector<uint64_t> counts;
};
ExponentialHistogram FoldExponential(const HistogramTotals& totals);

// A native histogram of Prometheus: runs of buckets, the first offset being a bucket's number and
// the others gaps, and each bucket's count less the one's before it.
struct NativeHistogram {
  struct Span {
    int offset = 0;
    uint32_t length = 0;
  };
  int schema = HistogramLayout::kScale;
  double zero_threshold = 0;
  uint64_t zero_count = 0;
  std::vector<Span> spans;
  std::vector<int64_t> deltas;
};
NativeHistogram FoldNative(const HistogramTotals& totals);

// The observation that a share `q` of all are at most, 0 <= q <= 1: within the cell that it lies
// in, and so within a ninth, by linear interpolation; 0 when there are none.
double Quantile(const HistogramTotals& totals, double q);

}  // namespace vitrine
