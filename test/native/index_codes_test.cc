// Codes against what their definitions say, on vectors of every kind.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "index/code_rotation.h"
#include "index/code_store.h"
#include "index/vector_store.h"
#include "kernels/code_tables.h"
#include "random_data.h"

namespace vitrine::index_codes_test {
namespace {

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp};
constexpr CodeKind kKinds[] = {CodeKind::kSq8, CodeKind::kRq4};

const CodeKernels& Kernels() { return SelectCodeKernels(SelectKernels("")->set).codes; }

std::string NameOf(Metric metric, CodeKind kind) {
  return std::string(kMetricNames[static_cast<size_t>(metric)]) +
         (kind == CodeKind::kSq8 ? " sq8" : " rq4");
}

std::unique_ptr<CodeStore> Encoded(const std::vector<float>& vectors, size_t dimension,
                                   Metric metric, CodeKind kind,
                                   const CodeKernels& kernels = Kernels()) {
  const auto centre = CodeCentreOf(vectors, dimension, metric);
  auto store = std::make_unique<CodeStore>(
      CodeStore::Options{.dimension = dimension, .metric = metric, .kind = kind, .centre = centre},
      kernels);
  const size_t count = vectors.size() / dimension;
  EXPECT_TRUE(store->Grow(count));
  for (size_t i = 0; i < count; ++i) {
    store->Put(static_cast<Slot>(i), vectors.data() + i * dimension);
  }
  return store;
}

// Distances to slots [0, count), as the search loop asks for them.
std::vector<float> EstimatesOf(const CodeScorer& scorer, size_t count) {
  std::vector<Slot> slots(count);
  std::iota(slots.begin(), slots.end(), 0);
  std::vector<CodeScorer::RowRef> refs(count + 3);
  for (size_t i = 0; i < count; ++i) refs[i] = scorer.Ref(slots[i]);
  std::vector<float> distances((count + 3) / 4 * 4);
  scorer.Score(refs.data(), slots.data(), count, distances.data());
  distances.resize(count);
  return distances;
}

double ExactDistance(Metric metric, const float* a, const float* b, size_t dimension) {
  double l2 = 0, dot = 0;
  for (size_t i = 0; i < dimension; ++i) {
    l2 += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    dot += double{a[i]} * b[i];
  }
  if (metric == Metric::kL2) return l2;
  if (metric == Metric::kIp) return -dot;
  const double norms = std::sqrt(SquaredNorm(a, dimension) * SquaredNorm(b, dimension));
  return norms == 0 ? 1 : 1 - dot / norms;
}

TEST(CodeRotation, KeepsLengthsAndInnerProducts) {
  for (const size_t dimension : {1, 2, 25, 64, 65, 100, 128, 192, 300, 784, 1024, 1100, 4096}) {
    const CodeRotation rotation(dimension, kCodeSeed, Kernels());
    ASSERT_EQ(rotation.padded() % 64, 0u);
    ASSERT_GE(rotation.padded(), dimension);
    ASSERT_LT(rotation.padded(), dimension + 64);
    auto a = NormalVectors(1, dimension, dimension), b = NormalVectors(1, dimension, dimension + 1);
    const double dot = -ExactDistance(Metric::kIp, a.data(), b.data(), dimension);
    const double a_squared = SquaredNorm(a.data(), dimension);
    const double b_squared = SquaredNorm(b.data(), dimension);
    a.resize(rotation.padded());
    b.resize(rotation.padded());
    rotation.Apply(a.data());
    rotation.Apply(b.data());
    const double tolerance = 1e-6 * std::sqrt(a_squared * b_squared);
    EXPECT_NEAR(-ExactDistance(Metric::kIp, a.data(), b.data(), a.size()), dot, tolerance)
        << dimension;
    EXPECT_NEAR(SquaredNorm(a.data(), a.size()), a_squared, 1e-6 * a_squared) << dimension;
  }
}

TEST(CodeRotation, SpreadsAnyComponentOverAll) {
  for (const size_t dimension : {64, 100, 128, 784, 832, 1024}) {
    const CodeRotation rotation(dimension, kCodeSeed, Kernels());
    const size_t n = rotation.padded();
    for (size_t at = 0; at < dimension; at += 7) {
      std::vector<float> v(n);
      v[at] = 1;
      rotation.Apply(v.data());
      double largest = 0, fourth = 0;
      for (const float x : v) {
        largest = std::max(largest, std::abs(double{x}));
        fourth += std::pow(double{x}, 4);
      }
      // A component of a random direction rarely exceeds five times its deviation, and the fourth
      // moment of n of them is 3 / n; 1 for what has not been spread.
      ASSERT_LT(largest * largest * static_cast<double>(n), 36) << dimension << " at " << at;
      ASSERT_LT(fourth * static_cast<double>(n), 9) << dimension << " at " << at;
    }
  }
}

TEST(CodeRotation, IsGivenByItsSeed) {
  const auto rotated = [](uint64_t seed, const CodeKernels& kernels) {
    const CodeRotation rotation(100, seed, kernels);
    auto v = NormalVectors(1, rotation.padded(), 1);
    rotation.Apply(v.data());
    return v;
  };
  EXPECT_NE(rotated(1, Kernels()), rotated(2, Kernels()));
  for (const CodeKernelTable* table : CodeKernelTables()) {
    if (!table->supported()) continue;
    EXPECT_EQ(rotated(1, table->codes), rotated(1, kScalarCodes.codes)) << table->name;
  }
}

TEST(CodeStore, GivesTheSameBitsOnEveryProcessor) {
  for (const size_t dimension : {1, 2, 16, 17, 32, 33, 64, 100, 129, 256, 784, 1100}) {
    const auto vectors = NormalVectors(37, dimension, dimension);
    const auto query = NormalVectors(1, dimension, 99);
    for (const Metric metric : kMetrics) {
      for (const CodeKind kind : kKinds) {
        const auto reference = Encoded(vectors, dimension, metric, kind, kScalarCodes.codes);
        CodeQuery prepared;
        reference->Prepare(query.data(), prepared);
        const auto expected = EstimatesOf(reference->ScorerFor(prepared), 37);
        for (const CodeKernelTable* table : CodeKernelTables()) {
          if (!table->supported()) continue;
          const auto store = Encoded(vectors, dimension, metric, kind, table->codes);
          for (Slot slot = 0; slot < 37; ++slot) {
            ASSERT_EQ(std::memcmp(store->Row(slot), reference->Row(slot), store->row_bytes()), 0);
          }
          CodeQuery own;
          store->Prepare(query.data(), own);
          const CodeScorer scorer = store->ScorerFor(own);
          ASSERT_EQ(EstimatesOf(scorer, 37), expected) << table->name << NameOf(metric, kind);
          for (Slot slot = 0; slot < 37; ++slot) {
            ASSERT_EQ(scorer.ScoreOne(slot), expected[slot]) << NameOf(metric, kind);
          }
        }
      }
    }
  }
}

TEST(CodeStore, GivesTheSameBitsOnAnyNumberOfThreads) {
  constexpr size_t kDimension = 100, kCount = 60, kThreads = 3;
  const auto vectors = NormalVectors(kCount, kDimension, 11);
  for (const CodeKind kind : kKinds) {
    const auto expected = Encoded(vectors, kDimension, Metric::kIp, kind);
    CodeStore store({.dimension = kDimension,
                     .metric = Metric::kIp,
                     .kind = kind,
                     .centre = expected->centre()},
                    Kernels());
    ASSERT_TRUE(store.Grow(kCount));
    std::vector<std::thread> threads;
    for (size_t first = 0; first < kThreads; ++first) {
      threads.emplace_back([&, first] {
        std::vector<float> work;
        for (size_t i = first; i < kCount; i += kThreads) {
          store.Put(static_cast<Slot>(i), vectors.data() + i * kDimension, work);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (Slot slot = 0; slot < kCount; ++slot) {
      EXPECT_EQ(std::memcmp(store.Row(slot), expected->Row(slot), store.row_bytes()), 0);
    }
  }
}

TEST(CodeStore, EstimatesWithinFiveDeviationsInEveryDimension) {
  constexpr size_t kCount = 8;
  std::mt19937_64 random(TestSeed());
  VITRINE_TRACE_SEED();
  for (size_t dimension = 1; dimension <= 1100; dimension += Scaled(1, 37)) {
    const auto rows = NormalVectors(kCount, dimension, random());
    const auto query_vector = NormalVectors(1, dimension, random());
    const float* const query = query_vector.data();
    for (const Metric metric : kMetrics) {
      for (const CodeKind kind : kKinds) {
        const auto store = Encoded(rows, dimension, metric, kind);
        CodeQuery prepared;
        store->Prepare(query, prepared);
        const CodeScorer scorer = store->ScorerFor(prepared);
        const auto estimates = EstimatesOf(scorer, kCount);
        for (size_t i = 0; i < kCount; ++i) {
          const float deviation = scorer.Deviation(static_cast<Slot>(i), estimates[i]);
          const double exact = ExactDistance(metric, query, rows.data() + i * dimension, dimension);
          // Errors of few dimensions are no normal distribution.
          const double limit = dimension < 32 ? 8 : 5.5;
          ASSERT_NEAR(estimates[i], exact, limit * deviation)
              << NameOf(metric, kind) << " dimension " << dimension;
        }
      }
    }
  }
}

TEST(CodeStore, TakesTheBytesItSays) {
  const auto bytes = [](size_t dimension, CodeKind kind, Metric metric = Metric::kL2) {
    const auto store = Encoded({}, dimension, metric, kind);
    return std::pair(store->row_bytes(), store->side_bytes());
  };
  using Bytes = std::pair<size_t, size_t>;
  EXPECT_EQ(bytes(784, CodeKind::kRq4), Bytes(416, 12));
  EXPECT_EQ(bytes(768, CodeKind::kRq4), Bytes(384, 12));
  EXPECT_EQ(bytes(128, CodeKind::kRq4), Bytes(64, 8));  // lengths are carried
  EXPECT_EQ(bytes(256, CodeKind::kRq4, Metric::kCosine), Bytes(128, 8));
  EXPECT_EQ(bytes(128, CodeKind::kRq4, Metric::kIp), Bytes(64, 16));
  EXPECT_EQ(bytes(384, CodeKind::kRq4), Bytes(192, 12));
  EXPECT_EQ(bytes(25, CodeKind::kRq4), Bytes(32, 12));
  EXPECT_EQ(bytes(784, CodeKind::kSq8, Metric::kCosine), Bytes(832, 12));
  EXPECT_EQ(bytes(128, CodeKind::kSq8, Metric::kIp), Bytes(128, 16));
  EXPECT_EQ(bytes(25, CodeKind::kSq8), Bytes(32, 12));
  EXPECT_EQ(bytes(3, CodeKind::kSq8), Bytes(16, 12));
  const auto in_memory = [](size_t dimension) {
    return Encoded({}, dimension, Metric::kL2, CodeKind::kRq4)->memory_bytes();
  };
  EXPECT_EQ(in_memory(784), 448u + 4);  // factors in the last line
  EXPECT_EQ(in_memory(768), 384u + 12);
  EXPECT_EQ(in_memory(128), 64u + 8);
  EXPECT_EQ(in_memory(300), 160u + 12);  // a line would be a fifth more
}

TEST(CodeStore, EstimatesDistancesBetweenItsRows) {
  constexpr size_t kCount = 60;
  for (const size_t dimension : {100, 128, 784}) {
    const auto vectors = ClusteredVectors(kCount, dimension, 5, dimension);
    for (const Metric metric : kMetrics) {
      for (const CodeKind kind : kKinds) {
        const auto store = Encoded(vectors, dimension, metric, kind);
        double squares = 0;
        for (Slot from = 0; from < kCount; ++from) {
          CodeQuery prepared;
          store->Prepare(from, prepared);
          const CodeScorer scorer = store->ScorerFor(prepared);
          const auto estimates = EstimatesOf(scorer, kCount);
          for (Slot to = 0; to < kCount; ++to) {
            // Its own errors are not independent of each other.
            if (to == from) continue;
            const double error =
                estimates[to] - ExactDistance(metric, vectors.data() + from * dimension,
                                              vectors.data() + to * dimension, dimension);
            const double deviation = scorer.Deviation(to, estimates[to]);
            ASSERT_GT(deviation, 0);
            squares += error * error / (deviation * deviation);
          }
        }
        const double spread = std::sqrt(squares / (kCount * (kCount - 1)));
        EXPECT_GT(spread, 0.85) << NameOf(metric, kind) << " " << dimension;
        EXPECT_LT(spread, 1.15) << NameOf(metric, kind) << " " << dimension;
      }
    }
  }
}

TEST(CodeStore, IsExactForTheCentre) {
  // All vectors equal: every one of them is the centre.
  constexpr size_t kDimension = 100;
  const auto one = NormalVectors(1, kDimension, 1), query = NormalVectors(1, kDimension, 2);
  std::vector<float> vectors;
  for (size_t i = 0; i < 8; ++i) vectors.insert(vectors.end(), one.begin(), one.end());
  for (const Metric metric : kMetrics) {
    for (const CodeKind kind : kKinds) {
      const auto store = Encoded(vectors, kDimension, metric, kind);
      for (const float* q : {query.data(), one.data()}) {
        CodeQuery prepared;
        store->Prepare(q, prepared);
        const CodeScorer scorer = store->ScorerFor(prepared);
        const double exact = ExactDistance(metric, q, one.data(), kDimension);
        for (const float estimate : EstimatesOf(scorer, 8)) {
          EXPECT_NEAR(estimate, exact, 1e-4) << NameOf(metric, kind);
          EXPECT_LT(scorer.Deviation(0, estimate), 1e-3) << NameOf(metric, kind);
        }
      }
    }
  }
}

TEST(CodeStore, PutsZeroVectorsAtCosineDistanceOne) {
  constexpr size_t kDimension = 128;
  auto vectors = NormalVectors(9, kDimension, 3);
  std::fill(vectors.begin() + 4 * kDimension, vectors.begin() + 5 * kDimension, 0.f);
  const std::vector<float> zero(kDimension);
  for (const CodeKind kind : kKinds) {
    const auto store = Encoded(vectors, kDimension, Metric::kCosine, kind);
    CodeQuery prepared;
    store->Prepare(vectors.data(), prepared);
    EXPECT_FALSE(store->ScorerFor(prepared).IsZeroQuery());
    EXPECT_EQ(EstimatesOf(store->ScorerFor(prepared), 9)[4], 1);
    EXPECT_EQ(store->ScorerFor(prepared).ScoreOne(4), 1);
    EXPECT_EQ(store->ScorerFor(prepared).Deviation(4, 1), 0);
    store->Prepare(zero.data(), prepared);
    EXPECT_TRUE(store->ScorerFor(prepared).IsZeroQuery());
    EXPECT_EQ(EstimatesOf(store->ScorerFor(prepared), 9), std::vector<float>(9, 1.f));
    EXPECT_EQ(store->ScorerFor(prepared).ScoreOne(0), 1);
    store->Prepare(Slot{4}, prepared);
    EXPECT_EQ(EstimatesOf(store->ScorerFor(prepared), 9), std::vector<float>(9, 1.f));
    EXPECT_EQ(store->ScorerFor(prepared).Deviation(0, 1), 0);
  }
  // Elsewhere they are vectors like others.
  for (const Metric metric : {Metric::kL2, Metric::kIp}) {
    for (const CodeKind kind : kKinds) {
      const auto store = Encoded(vectors, kDimension, metric, kind);
      CodeQuery prepared;
      store->Prepare(vectors.data(), prepared);
      const CodeScorer scorer = store->ScorerFor(prepared);
      const float estimate = scorer.ScoreOne(4);
      EXPECT_NEAR(estimate, ExactDistance(metric, vectors.data(), zero.data(), kDimension),
                  5 * scorer.Deviation(4, estimate))
          << NameOf(metric, kind);
    }
  }
}

TEST(CodeStore, StaysFiniteForVectorsThatAreNot) {
  constexpr size_t kDimension = 70;
  std::vector<float> vectors;
  for (const float component :
       {0.f, 1.f, FLT_MIN, FLT_TRUE_MIN, 1e-30f, 1e18f, 1e30f, FLT_MAX, -FLT_MAX, -1e-40f}) {
    vectors.insert(vectors.end(), kDimension, component);
    vectors.insert(vectors.end(), kDimension, 0.f);
    vectors.back() = component;
  }
  const size_t count = vectors.size() / kDimension;
  const std::vector<float> centre(kDimension);
  for (const Metric metric : kMetrics) {
    for (const CodeKind kind : kKinds) {
      CodeStore store({.dimension = kDimension, .metric = metric, .kind = kind, .centre = centre},
                      Kernels());
      ASSERT_TRUE(store.Grow(count));
      for (size_t i = 0; i < count; ++i) {
        store.Put(static_cast<Slot>(i), vectors.data() + i * kDimension);
      }
      for (size_t i = 0; i < count; ++i) {
        CodeQuery of_vector, of_slot;
        store.Prepare(vectors.data() + i * kDimension, of_vector);
        store.Prepare(static_cast<Slot>(i), of_slot);
        for (const CodeQuery* query : {&of_vector, &of_slot}) {
          const CodeScorer scorer = store.ScorerFor(*query);
          const auto estimates = EstimatesOf(scorer, count);
          for (size_t j = 0; j < count; ++j) {
            ASSERT_TRUE(std::isfinite(estimates[j])) << NameOf(metric, kind) << i << " " << j;
            const float deviation = scorer.Deviation(static_cast<Slot>(j), estimates[j]);
            ASSERT_TRUE(std::isfinite(deviation) && deviation >= 0) << i << " " << j;
          }
        }
      }
    }
  }
}

TEST(CodeStore, ScoresEveryCountOfRows) {
  constexpr size_t kDimension = 96;
  const auto vectors = NormalVectors(11, kDimension, 5), query = NormalVectors(1, kDimension, 6);
  for (const CodeKind kind : kKinds) {
    const auto store = Encoded(vectors, kDimension, Metric::kL2, kind);
    CodeQuery prepared;
    store->Prepare(query.data(), prepared);
    const CodeScorer scorer = store->ScorerFor(prepared);
    const auto all = EstimatesOf(scorer, 11);
    for (size_t count = 0; count < 11; ++count) {
      const auto some = EstimatesOf(scorer, count);
      EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << count;
    }
  }
}

TEST(CodeStore, ReplacesARow) {
  constexpr size_t kDimension = 64;
  const auto vectors = NormalVectors(3, kDimension, 7);
  for (const CodeKind kind : kKinds) {
    const auto store = Encoded(vectors, kDimension, Metric::kIp, kind);
    CodeQuery prepared;
    store->Prepare(vectors.data(), prepared);
    const float before = store->ScorerFor(prepared).ScoreOne(1);
    store->Put(1, vectors.data() + 2 * kDimension);
    EXPECT_NE(store->ScorerFor(prepared).ScoreOne(1), before);
    EXPECT_EQ(store->ScorerFor(prepared).ScoreOne(1), store->ScorerFor(prepared).ScoreOne(2));
  }
}

TEST(CodeStore, IsReadBesideItsWriter) {
  constexpr size_t kDimension = 64, kCount = Scaled(20000, 4000);
  const auto vectors = NormalVectors(kCount, kDimension, 8);
  const auto centre = CodeCentreOf(vectors, kDimension, Metric::kL2);
  CodeStore store(
      {.dimension = kDimension, .metric = Metric::kL2, .kind = CodeKind::kRq4, .centre = centre},
      Kernels());
  CodeQuery prepared;
  store.Prepare(vectors.data(), prepared);
  std::atomic<size_t> published{0};  // release by the writer, acquire by the reader
  std::thread writer([&] {
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_TRUE(store.Grow(i + 1));
      store.Put(static_cast<Slot>(i), vectors.data() + i * kDimension);
      published.store(i + 1, std::memory_order_release);
    }
  });
  const CodeScorer scorer = store.ScorerFor(prepared);
  std::vector<float> seen(kCount);
  for (size_t read = 0; read < kCount;) {
    const size_t limit = published.load(std::memory_order_acquire);
    for (; read < limit; ++read) seen[read] = scorer.ScoreOne(static_cast<Slot>(read));
  }
  writer.join();
  EXPECT_EQ(seen, EstimatesOf(scorer, kCount));
}

TEST(CodeCentreOf, IsTheMean) {
  const std::vector<float> rows = {1, 2, 3, 4, 5, 9};
  EXPECT_EQ(CodeCentreOf(rows, 2, Metric::kL2), (std::vector<float>{3, 5}));
  EXPECT_EQ(CodeCentreOf({}, 2, Metric::kL2), (std::vector<float>{0, 0}));
  // Of directions under cosine, where a zero vector has none.
  const std::vector<float> directions = {3, 4, 0, 0, 0, 0.5f};
  const auto centre = CodeCentreOf(directions, 2, Metric::kCosine);
  EXPECT_FLOAT_EQ(centre[0], 0.3f);
  EXPECT_FLOAT_EQ(centre[1], 0.9f);
  EXPECT_EQ(CodeCentreOf(std::vector<float>(4), 2, Metric::kCosine), std::vector<float>(2));
}

TEST(CodeCentreOf, IsNotPulledAwayByAFewLongVectors) {
  std::vector<float> rows = NormalVectors(101, 16, 9);
  for (size_t i = 0; i < 16; ++i) rows[100 * 16 + i] = 1e6f;
  EXPECT_LT(SquaredNorm(CodeCentreOf(rows, 16, Metric::kL2).data(), 16), 1);
  EXPECT_LT(SquaredNorm(CodeCentreOf(rows, 16, Metric::kIp).data(), 16), 1);
}

}  // namespace
}  // namespace vitrine::index_codes_test
