#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vitrine {

// Where the cells of a histogram end: at every edge of the base-2 exponential buckets of scale 3
// (eight to a factor of two) and at every decimal `le` edge. So each cell lies in one bucket of
// each format, and folding cells into buckets loses nothing.
//
// What is observed are whole numbers of the smallest unit; so edges are whole numbers too, and a
// cell that none lies in is left out. Buckets are numbered as Prometheus does it: bucket i holds
// what is above 2^((i - 1) / 8) units, and at most 2^(i / 8).
//
// What is above the last exponential edge counts in the bucket after it, however far above it is.
class HistogramLayout {
 public:
  static constexpr int kScale = 3;
  // That any layout has.
  static constexpr size_t kMostCells = 320;

  // Observed in nanoseconds, exported in seconds: 2^-20 s to 2^12 s, and 1, 2.5 and 5 times each
  // power of ten from 1e-6 to 10 s. Of ratios, in billionths, too.
  static const HistogramLayout& Seconds();
  // Of things: 1 to 2^24, and 1, 2 and 5 times each power of ten from 1 to 1e7.
  static const HistogramLayout& Counts();
  HistogramLayout(const HistogramLayout&) = delete;
  HistogramLayout& operator=(const HistogramLayout&) = delete;

  size_t cells() const { return uppers_.size(); }
  // The cell of an observation: the first whose edge is not below it.
  size_t CellOf(uint64_t value) const {
    size_t cell = first_cells_[StripeOf(value)];
    while (value > uppers_[cell]) ++cell;
    return cell;
  }
  // The greatest observation of a cell; of the last one there is none.
  uint64_t upper(size_t cell) const { return uppers_[cell]; }
  // The exponential bucket that a cell lies in. REQUIRES: cell > 0: cell 0 is the zero bucket.
  int bucket(size_t cell) const { return buckets_[cell]; }
  // The decimal edges, ascending; each is the edge of a cell.
  std::span<const uint64_t> classic_edges() const { return classic_edges_; }
  // The same in units, and infinity behind them.
  std::span<const double> classic_bounds() const { return classic_bounds_; }
  // Observations to a unit of what is exported.
  double per_unit() const { return per_unit_; }
  double InUnits(uint64_t value) const { return static_cast<double>(value) / per_unit_; }
  // In units: what is at most this counts as zero.
  double zero_threshold() const { return zero_threshold_; }

 private:
  struct Range {
    double per_unit;
    int zero_bucket;  // the last bucket that counts as zero
    int last_bucket;
    double zero_threshold;
  };
  HistogramLayout(const Range& range, std::vector<uint64_t> classic_edges);

  // Numbers that begin with the same bit and have the next three in common: few edges lie between
  // them.
  static size_t StripeOf(uint64_t value) {
    const uint64_t positive = std::max<uint64_t>(value, 1);
    const auto exponent = static_cast<size_t>(std::bit_width(positive)) - 1;
    const uint64_t next = exponent >= 3 ? positive >> (exponent - 3) : positive << (3 - exponent);
    return exponent * 8 + (next & 7);
  }

  const double per_unit_;
  const double zero_threshold_;
  const std::vector<uint64_t> classic_edges_;
  std::vector<double> classic_bounds_;
  std::vector<uint64_t> uppers_;
  std::vector<int16_t> buckets_;
  std::array<uint16_t, 64 * 8> first_cells_;
};

}  // namespace vitrine
