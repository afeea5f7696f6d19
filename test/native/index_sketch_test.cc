// Sketches against what their definition says: estimates without bias, of a known spread.

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "index/code_store.h"
#include "index/principal_axes.h"
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
  for (size_t from = 0; from < count; from += SketchStore::kMostRows) {
    const size_t some = std::min(SketchStore::kMostRows, count - from);
    SketchStore::RowRef rows[SketchStore::kMostRows];
    for (size_t i = 0; i < some; ++i) {
      const auto slot = static_cast<Slot>(from + i);
      rows[i] = store.Group(slot / 64) + slot % 64 * SketchStore::kRowBytes;
    }
    store.Estimate(prepared, rows, some, estimates.data() + from);
  }
  return estimates;
}

// Vectors that differ in `directions` ways, and a hundredth as much in all others.
std::vector<float> Flat(size_t count, size_t dimension, size_t directions, uint64_t seed) {
  const auto basis = NormalVectors(directions, dimension, 17);
  const auto shares = NormalVectors(count, directions, seed);
  auto vectors = NormalVectors(count, dimension, seed + 1);
  for (float& x : vectors) x = 3 + x * 0.01f * std::sqrt(static_cast<float>(directions));
  for (size_t i = 0; i < count; ++i) {
    for (size_t k = 0; k < directions; ++k) {
      for (size_t j = 0; j < dimension; ++j) {
        vectors[i * dimension + j] += shares[i * directions + k] * basis[k * dimension + j];
      }
    }
  }
  return vectors;
}

SketchStore Sketched(const std::vector<float>& vectors, size_t dimension, Metric metric,
                     const CodeKernels& kernels = Kernels()) {
  const auto centre = CodeCentreOf(vectors, dimension, metric);
  std::vector<float> sample(vectors.size());
  for (size_t from = 0; from < vectors.size(); from += dimension) {
    SketchStore::Difference(vectors.data() + from, dimension, metric, centre, kernels,
                            sample.data() + from);
  }
  return {dimension, metric, centre, PrincipalAxes(std::move(sample), dimension, kernels), kernels};
}

void PutAll(SketchStore& store, const std::vector<float>& vectors, size_t dimension) {
  const size_t count = vectors.size() / dimension;
  ASSERT_TRUE(store.Grow(count));
  for (size_t i = 0; i < count; ++i) {
    store.Put(static_cast<Slot>(i), vectors.data() + i * dimension);
  }
}

TEST(PrincipalAxes, AreOrthonormalAndSpanWhatVectorsDifferIn) {
  for (const size_t dimension : {64u, 100u, 784u}) {
    const auto vectors = Flat(400, dimension, 20, 3);
    const auto centre = CodeCentreOf(vectors, dimension, Metric::kL2);
    std::vector<float> rows(vectors);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] -= centre[i % dimension];
    const auto axes = PrincipalAxes(rows, dimension, Kernels());
    ASSERT_EQ(axes.size(), dimension * kProjected);
    for (size_t a = 0; a < kProjected; ++a) {
      for (size_t b = 0; b <= a; ++b) {
        double dot = 0;
        for (size_t j = 0; j < dimension; ++j) {
          dot += double{axes[j * kProjected + a]} * axes[j * kProjected + b];
        }
        EXPECT_NEAR(dot, a == b && a < kSketchDigits ? 1 : 0, 1e-5) << a << " " << b;
      }
    }
    double all = 0, along = 0;
    for (size_t from = 0; from < rows.size(); from += dimension) {
      float projected[kProjected];
      Kernels().project(rows.data() + from, axes.data(), dimension, projected);
      all += SquaredNorm(rows.data() + from, dimension);
      along += SquaredNorm(projected, kProjected);
    }
    EXPECT_GT(along, 0.999 * all) << dimension;
  }
}

// Long vectors count as much as others, and what has no direction as nothing.
TEST(PrincipalAxes, OfAnyRowsAreFinite) {
  for (const size_t dimension : {1u, 3u, 64u, 65u}) {
    std::vector<float> rows;
    for (const float x : {0.f, 1.f, 1.f, -2.f, FLT_MIN, FLT_TRUE_MIN, 1e18f, FLT_MAX}) {
      rows.insert(rows.end(), dimension, x);
    }
    for (const auto& some : {rows, std::vector<float>(dimension), std::vector<float>()}) {
      for (const float x : PrincipalAxes(some, dimension, Kernels()))
        ASSERT_LE(std::abs(x), 1.001f);
    }
  }
}

TEST(SketchStore, EstimatesFromWhatVectorsDifferIn) {
  VITRINE_TRACE_SEED();
  constexpr size_t kCount = 2'000;
  for (const Metric metric : kMetrics) {
    for (const size_t dimension : {64u, 100u, 784u}) {
      SCOPED_TRACE(testing::Message()
                   << kMetricNames[static_cast<size_t>(metric)] << " of " << dimension);
      // Little lies across the axes, or most of it does.
      for (const bool flat : {true, false}) {
        const auto vectors =
            flat ? Flat(kCount, dimension, 20, TestSeed()) : Gaussian(kCount, dimension, 0.5f);
        const auto query =
            flat ? Flat(1, dimension, 20, TestSeed() + 9) : Gaussian(1, dimension, -0.2f);
        SketchStore store = Sketched(vectors, dimension, metric);
        PutAll(store, vectors, dimension);
        VectorStore exact(dimension, metric, FloatKernels());
        ASSERT_TRUE(exact.Grow(kCount));
        for (Slot i = 0; i < kCount; ++i) exact.Put(i, vectors.data() + i * dimension);
        const auto estimates = EstimatesOf(store, query.data(), kCount);
        const VectorScorer scorer = exact.ScorerFor(query.data());
        double errors = 0, squares = 0, sum = 0, spread = 0;
        for (Slot i = 0; i < kCount; ++i) {
          const double d = scorer.ScoreOne(i), error = estimates[i] - d;
          errors += error;
          squares += error * error;
          sum += d;
          spread += d * d;
        }
        const double mean = sum / kCount, natural = std::sqrt(spread / kCount - mean * mean);
        const double deviation = std::sqrt(squares / kCount);
        EXPECT_LT(deviation, (flat ? 0.05 : 1.1) * natural);
        EXPECT_LT(std::abs(errors / kCount), (flat ? 0.02 : 0.2) * natural);
      }
    }
  }
}

TEST(SketchStore, GivesTheSameBitsOnEveryProcessor) {
  constexpr size_t kCount = 100, kDimension = 200;
  const auto vectors = Gaussian(kCount, kDimension, 0.1f);
  std::vector<float> first;
  for (const CodeKernelTable* table : CodeKernelTables()) {
    if (!table->supported()) continue;
    SketchStore store = Sketched(vectors, kDimension, Metric::kL2, table->codes);
    PutAll(store, vectors, kDimension);
    const auto estimates = EstimatesOf(store, vectors.data(), kCount);
    if (first.empty()) first = estimates;
    EXPECT_EQ(estimates, first) << table->name;
  }
}

TEST(SketchStore, StaysFiniteForAnyVector) {
  constexpr size_t kDimension = 70;
  const float sizes[] = {0, FLT_MIN, 1e-30f, 1, 1e18f, 1e30f, FLT_MAX};
  for (const Metric metric : kMetrics) {
    std::vector<float> vectors;
    for (const float size : sizes) vectors.insert(vectors.end(), kDimension, size);
    SketchStore store = Sketched(vectors, kDimension, metric);
    PutAll(store, vectors, kDimension);
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
