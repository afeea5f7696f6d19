// Sketches against what their definition says: estimates without bias, of a known spread.

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "index/code_store.h"
#include "index/sketch_store.h"
#include "index/vector_store.h"
#include "kernels/code_tables.h"
#include "random_data.h"

namespace vitrine::index_sketch_test {
namespace {

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp};

const KernelTable& FloatKernels() { return *SelectKernels(""); }
const CodeKernels& Kernels() { return SelectCodeKernels(FloatKernels().set).codes; }

std::vector<float> Gaussian(size_t count, size_t dimension, float offset) {
  std::mt19937 random(static_cast<uint32_t>(TestSeed()));
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * dimension);
  for (float& x : vectors) x = offset + normal(random);
  return vectors;
}

std::vector<float> EstimatesOf(const SketchStore& store, const float* query, size_t count) {
  SketchQuery prepared;
  store.Prepare(query, prepared);
  std::vector<float> estimates(count);
  std::vector<Slot> slots(count);
  std::iota(slots.begin(), slots.end(), Slot{0});
  for (size_t i = 0; i < count; i += SketchStore::kMostRows) {
    store.Estimate(prepared, slots.data() + i, std::min(SketchStore::kMostRows, count - i),
                   estimates.data() + i);
  }
  return estimates;
}

TEST(SketchStore, EstimatesWithoutBiasAndWithTheSpreadOfOneBit) {
  VITRINE_TRACE_SEED();
  constexpr size_t kCount = 2'000;
  for (const Metric metric : kMetrics) {
    for (const size_t dimension : {64u, 100u, 784u}) {
      SCOPED_TRACE(testing::Message()
                   << kMetricNames[static_cast<size_t>(metric)] << " of " << dimension);
      const auto vectors = Gaussian(kCount, dimension, 0.5f);
      const auto centre = CodeCentreOf(vectors, dimension, metric);
      SketchStore store(dimension, metric, centre, Kernels());
      VectorStore exact(dimension, metric, FloatKernels());
      ASSERT_TRUE(store.Grow(kCount) && exact.Grow(kCount));
      for (Slot i = 0; i < kCount; ++i) {
        store.Put(i, vectors.data() + i * dimension);
        exact.Put(i, vectors.data() + i * dimension);
      }
      const auto query = Gaussian(1, dimension, -0.2f);
      const auto estimates = EstimatesOf(store, query.data(), kCount);
      const VectorScorer scorer = exact.ScorerFor(query.data());
      double sum = 0, squares = 0, lengths = 0, spread = 0;
      for (Slot i = 0; i < kCount; ++i) {
        const double error = double{estimates[i]} - scorer.ScoreOne(i);
        sum += error;
        squares += error * error;
        const double d = scorer.ScoreOne(i);
        lengths += d;
        spread += d * d;
      }
      const double deviation = std::sqrt(squares / kCount);
      // The error of one bit: sqrt((pi / 2 - 1) / n) of both lengths. Here the distances
      // themselves spread by the lengths over sqrt(n), in the same units: about as much.
      const double mean = lengths / kCount;
      const double natural = std::sqrt(spread / kCount - mean * mean);
      EXPECT_LT(std::abs(sum / kCount), 5 * deviation / std::sqrt(kCount) + 0.02 * deviation);
      EXPECT_LT(deviation, 1.6 * natural);
      EXPECT_GT(deviation, 0.2 * natural);
    }
  }
}

TEST(SketchStore, GivesTheSameBitsOnEveryProcessor) {
  constexpr size_t kCount = 100, kDimension = 200;
  const auto vectors = Gaussian(kCount, kDimension, 0.1f);
  const auto centre = CodeCentreOf(vectors, kDimension, Metric::kL2);
  std::vector<float> first;
  for (const CodeKernelTable* table : CodeKernelTables()) {
    if (!table->supported()) continue;
    SketchStore store(kDimension, Metric::kL2, centre, table->codes);
    ASSERT_TRUE(store.Grow(kCount));
    for (Slot i = 0; i < kCount; ++i) store.Put(i, vectors.data() + i * kDimension);
    const auto estimates = EstimatesOf(store, vectors.data(), kCount);
    if (first.empty()) first = estimates;
    EXPECT_EQ(estimates, first) << table->name;
  }
}

TEST(SketchStore, TakesABitADimensionAndAFewBytes) {
  for (const size_t dimension : {64u, 128u, 768u, 784u, 1536u}) {
    const std::vector<float> centre(dimension);
    const SketchStore store(dimension, Metric::kL2, centre, Kernels());
    EXPECT_LE(store.row_bytes(), dimension / 8 + 48);
  }
}

TEST(SketchStore, StaysFiniteForAnyVector) {
  constexpr size_t kDimension = 70;
  const float sizes[] = {0, FLT_MIN, 1e-30f, 1, 1e18f, 1e30f, FLT_MAX};
  for (const Metric metric : kMetrics) {
    const std::vector<float> centre(kDimension, 0.1f);
    SketchStore store(kDimension, metric, centre, Kernels());
    ASSERT_TRUE(store.Grow(std::size(sizes)));
    for (Slot i = 0; i < std::size(sizes); ++i) {
      store.Put(i, std::vector<float>(kDimension, sizes[i]).data());
    }
    for (const float size : sizes) {
      if (size == 0 && metric == Metric::kCosine) continue;
      const std::vector<float> query(kDimension, -size);
      for (const float estimate : EstimatesOf(store, query.data(), std::size(sizes))) {
        EXPECT_TRUE(std::isfinite(estimate));
      }
    }
  }
}

}  // namespace
}  // namespace vitrine::index_sketch_test
