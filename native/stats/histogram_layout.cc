#include "stats/histogram_layout.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <utility>

namespace vitrine {
namespace {

// 2^(i / 8), rounded once.
constexpr double kRoots[8] = {1.0,
                              1.0905077326652577,
                              1.189207115002721,
                              1.2968395546510096,
                              1.4142135623730951,
                              1.5422108254079407,
                              1.681792830507429,
                              1.8340080864093424};

// The greatest whole number up to 2^(bucket / 8) * per_unit. Where that is a whole number itself it
// is a power of two times per_unit, and exact; the others are too far from one for rounding to
// matter.
uint64_t UpperOf(int bucket, double per_unit) {
  const int root = ((bucket % 8) + 8) % 8;
  return static_cast<uint64_t>(
      std::floor(std::ldexp(kRoots[root] * per_unit, (bucket - root) / 8)));
}

// Each of `tenths`, a tenth of it times each of so many powers of ten from `first` on, and the
// power after them.
std::vector<uint64_t> DecimalEdges(std::initializer_list<uint64_t> tenths, uint64_t first,
                                   int powers) {
  std::vector<uint64_t> edges;
  uint64_t power = first;
  for (int i = 0; i < powers; ++i, power *= 10) {
    for (const uint64_t step : tenths) edges.push_back(step * power / 10);
  }
  edges.push_back(power);
  return edges;
}

}  // namespace

HistogramLayout::HistogramLayout(const Range& range, std::vector<uint64_t> classic_edges)
    : per_unit_(range.per_unit),
      zero_threshold_(range.zero_threshold),
      classic_edges_(std::move(classic_edges)) {
  for (const uint64_t edge : classic_edges_) classic_bounds_.push_back(InUnits(edge));
  classic_bounds_.push_back(std::numeric_limits<double>::infinity());

  size_t classic = 0;
  const auto add = [&](uint64_t upper, int bucket) {
    if (!uppers_.empty() && upper <= uppers_.back()) return;
    uppers_.push_back(upper);
    buckets_.push_back(static_cast<int16_t>(bucket));
  };
  for (int bucket = range.zero_bucket; bucket <= range.last_bucket; ++bucket) {
    const uint64_t upper = UpperOf(bucket, per_unit_);
    for (; classic < classic_edges_.size() && classic_edges_[classic] < upper; ++classic) {
      add(classic_edges_[classic], bucket);
    }
    add(upper, bucket);
  }
  add(UINT64_MAX, range.last_bucket + 1);

  size_t cell = 0;
  for (size_t stripe = 0; stripe < first_cells_.size(); ++stripe) {
    const size_t exponent = stripe / 8;
    const uint64_t leading = 8 + stripe % 8;
    const uint64_t least = exponent >= 3 ? leading << (exponent - 3) : leading >> (3 - exponent);
    // Zero shares its stripe with one.
    while (stripe > 0 && uppers_[cell] < least) ++cell;
    first_cells_[stripe] = static_cast<uint16_t>(cell);
  }
}

const HistogramLayout& HistogramLayout::Seconds() {
  constexpr uint64_t kMicrosecond = 1000;
  static const HistogramLayout layout(
      {.per_unit = 1e9, .zero_bucket = -160, .last_bucket = 96, .zero_threshold = 0x1p-20},
      DecimalEdges({10, 25, 50}, kMicrosecond, 7));
  return layout;
}

const HistogramLayout& HistogramLayout::Counts() {
  // Nothing but zero itself counts as zero.
  static const HistogramLayout layout(
      {.per_unit = 1, .zero_bucket = -1, .last_bucket = 192, .zero_threshold = 0},
      DecimalEdges({10, 20, 50}, 1, 7));
  return layout;
}

}  // namespace vitrine
