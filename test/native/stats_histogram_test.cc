#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "random_data.h"
#include "stats/histogram.h"
#include "stats/histogram_formats.h"
#include "stats/histogram_layout.h"

namespace vitrine::stats_histogram_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

HistogramTotals Observe(const HistogramLayout& layout, const std::vector<uint64_t>& values) {
  Histogram histogram(layout);
  for (const uint64_t value : values) histogram.Observe(value);
  HistogramTotals totals;
  histogram.AddTo(totals);
  return totals;
}

// The bucket that Prometheus gives to a value above zero: the least i with value <= 2^(i / 8), by
// comparison with the edges that its client library has.
int BucketOf(double value) {
  static constexpr double kEdges[] = {0.5,
                                      0.5452538663326288,
                                      0.5946035575013605,
                                      0.6484197773255048,
                                      0.7071067811865476,
                                      0.7711054127039704,
                                      0.8408964152537145,
                                      0.9170040432046712};
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  const auto at = std::lower_bound(std::begin(kEdges), std::end(kEdges), fraction);
  return static_cast<int>(at - std::begin(kEdges)) + (exponent - 1) * 8;
}

// From below the first edge to above the last, as many in each power of ten, and edges themselves.
std::vector<uint64_t> RandomValues(const HistogramLayout& layout, size_t count, double last) {
  std::mt19937_64 random(TestSeed());
  std::uniform_real_distribution<double> logarithm(0, std::log(last));
  std::vector<uint64_t> values(count);
  for (uint64_t& value : values) {
    value = random() % 8 == 0 ? layout.classic_edges()[random() % layout.classic_edges().size()] +
                                    random() % 3 - 1
                              : static_cast<uint64_t>(std::exp(logarithm(random)));
  }
  values[0] = 0;
  return values;
}

// What each format holds, computed from the values themselves.
void ExpectFormats(const HistogramLayout& layout, const std::vector<uint64_t>& values) {
  const HistogramTotals totals = Observe(layout, values);
  EXPECT_EQ(totals.count(), values.size());
  EXPECT_EQ(totals.sum, std::accumulate(values.begin(), values.end(), uint64_t{0}));
  EXPECT_EQ(totals.max, *std::max_element(values.begin(), values.end()));

  const ClassicHistogram classic = FoldClassic(totals);
  ASSERT_EQ(classic.edges.size(), layout.classic_edges().size() + 1);
  std::map<int, uint64_t> buckets;
  std::vector<uint64_t> cumulative(classic.edges.size());
  uint64_t zeros = 0;
  for (const uint64_t value : values) {
    const double in_units = static_cast<double>(value) / layout.per_unit();
    const auto edge = std::lower_bound(classic.edges.begin(), classic.edges.end(), in_units);
    ++cumulative[static_cast<size_t>(edge - classic.edges.begin())];
    if (in_units <= layout.zero_threshold()) {
      ++zeros;
    } else {
      ++buckets[BucketOf(in_units)];
    }
  }
  std::partial_sum(cumulative.begin(), cumulative.end(), cumulative.begin());
  EXPECT_EQ(classic.cumulative_counts, cumulative);

  const ExponentialHistogram exponential = FoldExponential(totals);
  EXPECT_EQ(exponential.scale, 3);
  EXPECT_EQ(exponential.zero_count, zeros);
  EXPECT_EQ(exponential.zero_threshold, layout.zero_threshold());
  std::map<int, uint64_t> by_lower_edge;
  for (size_t i = 0; i < exponential.counts.size(); ++i) {
    if (exponential.counts[i] == 0) continue;
    by_lower_edge[exponential.offset + static_cast<int>(i) + 1] = exponential.counts[i];
  }
  EXPECT_EQ(by_lower_edge, buckets);

  const NativeHistogram native = FoldNative(totals);
  EXPECT_EQ(native.schema, 3);
  EXPECT_EQ(native.zero_count, zeros);
  std::map<int, uint64_t> by_span;
  int bucket = 0;
  size_t delta = 0;
  int64_t count = 0;
  for (const NativeHistogram::Span& span : native.spans) {
    bucket += span.offset;
    for (uint32_t i = 0; i < span.length; ++i, ++bucket) {
      count += native.deltas[delta++];
      if (count != 0) by_span[bucket] = static_cast<uint64_t>(count);
    }
  }
  EXPECT_EQ(delta, native.deltas.size());
  EXPECT_EQ(by_span, buckets);
}

TEST(HistogramLayout, HasTheDecimalEdgesInUnits) {
  const std::vector<double> seconds = {1e-6, 2.5e-6, 5e-6,   1e-5, 2.5e-5, 5e-5,   1e-4,     2.5e-4,
                                       5e-4, 1e-3,   2.5e-3, 5e-3, 1e-2,   2.5e-2, 5e-2,     0.1,
                                       0.25, 0.5,    1,      2.5,  5,      10,     kInfinity};
  const auto edges_of = [](const HistogramLayout& layout) {
    const std::span<const double> edges = FoldClassic(Observe(layout, {1})).edges;
    return std::vector<double>(edges.begin(), edges.end());
  };
  EXPECT_EQ(edges_of(HistogramLayout::Seconds()), seconds);
  const std::vector<double> counts = {1,   2,   5,   10,  20,  50,  100,      200,
                                      500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4,      1e5,
                                      2e5, 5e5, 1e6, 2e6, 5e6, 1e7, kInfinity};
  EXPECT_EQ(edges_of(HistogramLayout::Counts()), counts);
}

TEST(HistogramLayout, PutsEveryEdgeIntoTheCellThatItEnds) {
  for (const HistogramLayout* layout : {&HistogramLayout::Seconds(), &HistogramLayout::Counts()}) {
    for (size_t cell = 0; cell < layout->cells(); ++cell) {
      ASSERT_EQ(layout->CellOf(layout->upper(cell)), cell);
      if (cell == 0) continue;
      ASSERT_EQ(layout->CellOf(layout->upper(cell - 1) + 1), cell);
    }
  }
}

TEST(HistogramLayout, TakesAtMostWhatIsPromised) {
  EXPECT_LE(Histogram(HistogramLayout::Seconds()).memory_bytes(), 2300u);
  EXPECT_LE(Histogram(HistogramLayout::Counts()).memory_bytes(), 2300u);
}

TEST(HistogramFormats, OfAMillionDurationsAreWhatTheValuesGive) {
  VITRINE_TRACE_SEED();
  const HistogramLayout& layout = HistogramLayout::Seconds();
  // What is longer than 4,096 s has its own test.
  ExpectFormats(layout, RandomValues(layout, 1'000'000, 4096e9));
}

TEST(HistogramFormats, OfAMillionCountsAreWhatTheValuesGive) {
  VITRINE_TRACE_SEED();
  const HistogramLayout& layout = HistogramLayout::Counts();
  ExpectFormats(layout, RandomValues(layout, 1'000'000, 0x1p24));
}

TEST(HistogramFormats, CountWhatIsBeyondTheLastEdgeInTheBucketAfterIt) {
  const HistogramTotals totals = Observe(HistogramLayout::Seconds(), {UINT64_MAX / 2});
  EXPECT_EQ(FoldExponential(totals).offset, 96);
  EXPECT_EQ(FoldExponential(totals).counts, std::vector<uint64_t>{1});
  EXPECT_EQ(FoldNative(totals).spans.front().offset, 97);
  const ClassicHistogram classic = FoldClassic(totals);
  EXPECT_EQ(classic.cumulative_counts.back(), 1u);
  EXPECT_EQ(classic.cumulative_counts[classic.edges.size() - 2], 0u);
}

TEST(HistogramFormats, OfNothingAreEmpty) {
  const HistogramTotals none;
  EXPECT_TRUE(FoldClassic(none).edges.empty());
  EXPECT_TRUE(FoldExponential(none).counts.empty());
  EXPECT_TRUE(FoldNative(none).spans.empty());
  EXPECT_EQ(Quantile(none, 0.5), 0);
}

TEST(HistogramQuantiles, LieInTheCellOfTheTrueOne) {
  VITRINE_TRACE_SEED();
  const HistogramLayout& layout = HistogramLayout::Seconds();
  std::vector<uint64_t> values = RandomValues(layout, 10'000, 1e10);
  const HistogramTotals totals = Observe(layout, values);
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(q * 10'000)));
    const size_t cell = layout.CellOf(values[rank - 1]);
    const double lower = cell == 0 ? 0 : layout.InUnits(layout.upper(cell - 1));
    EXPECT_GE(Quantile(totals, q), lower) << q;
    EXPECT_LE(Quantile(totals, q), layout.InUnits(layout.upper(cell))) << q;
  }
  EXPECT_EQ(Quantile(totals, 1), layout.InUnits(values.back()));
}

// Every cell of the sum of two, computed one by one; each has but a part of them.
TEST(HistogramTotals, OfSomeCellsAddUpWhateverEachHolds) {
  const HistogramLayout& layout = HistogramLayout::Counts();
  const std::vector<uint64_t> kinds[] = {{},       {0},         {5}, {1'000'000, 1}, {1u << 24, 9},
                                         {17, 18}, {UINT64_MAX}};
  for (const auto& first : kinds) {
    for (const auto& second : kinds) {
      HistogramTotals sum = Observe(layout, first);
      sum.Add(Observe(layout, second));
      std::vector<uint64_t> cells(layout.cells());
      for (const auto* const values : {&first, &second}) {
        for (const uint64_t value : *values) ++cells[layout.CellOf(value)];
      }
      for (size_t cell = 0; cell < cells.size(); ++cell) ASSERT_EQ(sum.cell(cell), cells[cell]);
      ASSERT_EQ(sum.count(), first.size() + second.size());
      ASSERT_LE(sum.first + sum.cells.size(), layout.cells());
    }
  }
}

TEST(HistogramTotals, HoldNoMoreThanIsNearWhatWasObserved) {
  const HistogramTotals totals = Observe(HistogramLayout::Seconds(), {1'000'000, 1'100'000});
  EXPECT_LE(totals.cells.size(), 16u);
}

TEST(Histogram, TakesOverWhatAnotherHolds) {
  Histogram one(HistogramLayout::Counts());
  Histogram other(HistogramLayout::Counts());
  one.Observe(4);
  other.Observe(1'000'000);
  other.Observe(4);
  one.Absorb(other);
  HistogramTotals totals;
  one.AddTo(totals);
  EXPECT_EQ(totals.cell(HistogramLayout::Counts().CellOf(4)), 2u);
  EXPECT_EQ(totals.cell(HistogramLayout::Counts().CellOf(1'000'000)), 1u);
  EXPECT_EQ(totals.sum, 1'000'008u);
  EXPECT_EQ(totals.max, 1'000'000u);
}

TEST(HistogramTotals, SubtractWhatWasObservedBefore) {
  Histogram histogram(HistogramLayout::Counts());
  histogram.Observe(100);
  HistogramTotals before;
  histogram.AddTo(before);
  histogram.Observe(3);
  histogram.Observe(7);
  HistogramTotals after;
  histogram.AddTo(after);
  const HistogramTotals between = after.Since(before);
  EXPECT_EQ(between.count(), 2u);
  EXPECT_EQ(between.sum, 10u);
  // The greatest of all came before: of these only the cell is known, and it holds 6 and 7.
  EXPECT_EQ(between.max, 7u);
  EXPECT_EQ(after.Since(after).max, 0u);
  EXPECT_EQ(after.Since({}).count(), 3u);
}

}  // namespace
}  // namespace vitrine::stats_histogram_test
