// Digits that carry a number: what is read from them, and what it costs.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "index/code_digits.h"
#include "index/code_rotation.h"
#include "index/code_store.h"
#include "kernels/code_tables.h"
#include "random_data.h"

namespace vitrine::index_digits_test {
namespace {

constexpr size_t kCounts[] = {128, 256};

const CodeKernels& Kernels() { return SelectCodeKernels(SelectKernels("")->set).codes; }

struct Carrying {
  std::vector<uint8_t> row;
  CodeMatch match;
  double dot;  // that was asked for
};

Carrying Encoded(const float* vector, size_t count, uint32_t number) {
  Carrying carrying{std::vector<uint8_t>(count / 2), {}, 0};
  carrying.dot = std::sqrt(SquaredNorm(vector, count)) * std::sqrt(static_cast<double>(count)) /
                 kCarryingStretch;
  carrying.match =
      EncodeCarrying(vector, count, Kernels(), number, carrying.dot, carrying.row.data());
  return carrying;
}

uint32_t CarriedBy(const std::vector<uint8_t>& row) {
  const uint8_t* const rows[] = {row.data()};
  uint32_t number;
  Kernels().carried(rows, 1, row.size(), &number);
  return number;
}

// 1 / cos^2 - 1 of the angle between a code and its vector.
double Loss(const CodeMatch& match, double squared_length) {
  return match.squared_length * squared_length / (match.dot * match.dot) - 1;
}

TEST(CodeDigits, CarryAnyNumber) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (const size_t count : kCounts) {
    auto vectors = NormalVectors(40, count, random());
    // Zeros, one component, all alike, and some that no step suits.
    std::fill_n(vectors.begin(), 4 * count, 0.f);
    vectors[count + 3] = 1;
    std::fill_n(vectors.begin() + static_cast<ptrdiff_t>(2 * count), count, -1.f);
    for (size_t i = 0; i < 4; ++i) vectors[3 * count + 29 * i] = 1e18f;
    for (size_t i = 0; i < 40; ++i) {
      for (const uint32_t number :
           {0u, (1u << kCarriedBits) - 1, static_cast<uint32_t>(random() >> (64 - kCarriedBits))}) {
        const Carrying carrying = Encoded(vectors.data() + i * count, count, number);
        ASSERT_EQ(CarriedBy(carrying.row), number) << "vector " << i << " of " << count;
      }
    }
  }
}

TEST(CodeDigits, HaveTheInnerProductThatIsAskedFor) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  constexpr size_t kVectors = 2000;
  for (const size_t count : kCounts) {
    const auto vectors = NormalVectors(kVectors, count, random());
    double missing = 0, loss = 0, loss_without = 0;
    for (size_t i = 0; i < kVectors; ++i) {
      const float* const vector = vectors.data() + i * count;
      const double squared_length = SquaredNorm(vector, count);
      const Carrying carrying = Encoded(vector, count, random() % (1u << kCarriedBits));
      missing += std::pow(carrying.match.dot / carrying.dot - 1, 2);
      loss += Loss(carrying.match, squared_length);
      std::vector<uint8_t> row(count / 2);
      loss_without += Loss(EncodeRotated(vector, count, Kernels(), row.data()), squared_length);
    }
    EXPECT_LT(std::sqrt(missing / kVectors), 3e-4) << count;
    // Errors are a seventh and a twentieth larger.
    EXPECT_LT(std::sqrt(loss / loss_without), count == 128 ? 1.17 : 1.07) << count;
  }
}

TEST(CodeDigits, SayWhatTheyHaveInCommonWithTheVector) {
  for (const size_t count : kCounts) {
    const auto vectors = NormalVectors(20, count, count);
    for (size_t i = 0; i < 20; ++i) {
      const float* const vector = vectors.data() + i * count;
      const Carrying carrying = Encoded(vector, count, 12345);
      double dot = 0, squared_length = 0;
      for (size_t j = 0; j < count; ++j) {
        const int byte = carrying.row[j / 128 * 64 + j % 64];
        const double value = (j % 128 < 64 ? byte & 15 : byte >> 4) - double{kRotatedOffset};
        dot += value * vector[j];
        squared_length += value * value;
      }
      EXPECT_NEAR(carrying.match.dot, dot, 1e-9 * dot);
      EXPECT_EQ(carrying.match.squared_length, squared_length);
    }
  }
}

// Vectors that rotation makes as unlike a normal distribution as can be: no step has the inner
// product that is asked for, and deviations say so.
TEST(CodeDigits, DeviationsCoverVectorsThatNoDigitsSuit) {
  constexpr size_t kDimension = 128;
  const CodeRotation rotation(kDimension, kCodeSeed, Kernels());
  // Column j of the rotation is what becomes of component j, so rows are what becomes one
  // component.
  std::vector<float> columns;
  for (size_t j = 0; j < kDimension; ++j) {
    std::vector<float> unit(kDimension);
    unit[j] = 1;
    rotation.Apply(unit.data());
    columns.insert(columns.end(), unit.begin(), unit.end());
  }
  const auto query = NormalVectors(1, kDimension, 3);
  const std::vector<float> centre(kDimension);
  for (size_t spikes = 1; spikes <= 8; ++spikes) {
    std::vector<float> vector(kDimension);
    for (size_t j = 0; j < kDimension; ++j) {
      for (size_t spike = 0; spike < spikes; ++spike) {
        vector[j] += columns[j * kDimension + 7 * spike];
      }
    }
    CodeStore store(
        {.dimension = kDimension, .metric = Metric::kL2, .kind = CodeKind::kRq4, .centre = centre},
        Kernels());
    ASSERT_TRUE(store.Grow(1));
    store.Put(0, vector.data());
    for (const float* q : {query.data(), std::as_const(vector).data()}) {
      double exact = 0;
      for (size_t j = 0; j < kDimension; ++j) {
        exact += (double{q[j]} - vector[j]) * (double{q[j]} - vector[j]);
      }
      CodeQuery prepared;
      store.Prepare(q, prepared);
      const CodeScorer scorer = store.ScorerFor(prepared);
      const float estimate = scorer.ScoreOne(0);
      EXPECT_NEAR(estimate, exact, 5 * scorer.Deviation(0, estimate)) << spikes;
    }
  }
}

TEST(CodeStore, RefusesWhatStandsBesideNoCode) {
  constexpr size_t kDimension = 128;
  const auto vectors = NormalVectors(2, kDimension, 4);
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    const std::vector<float> centre(kDimension);
    CodeStore store(
        {.dimension = kDimension, .metric = metric, .kind = CodeKind::kRq4, .centre = centre},
        Kernels());
    ASSERT_TRUE(store.Grow(2));
    store.Put(0, vectors.data());
    std::vector<std::byte> side(store.side_bytes());
    store.CopySide(0, side.data());
    ASSERT_TRUE(store.RestoreSide(1, side.data()));
    std::vector<std::byte> restored(side.size());
    store.CopySide(1, restored.data());
    EXPECT_EQ(restored, side);
    const size_t count = side.size() / sizeof(float);
    for (size_t i = 0; i < count; ++i) {
      for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -1.f}) {
        // Factors may be negative; the last two are none.
        if (wrong < 0 && i + 2 < count) continue;
        auto damaged = side;
        std::memcpy(damaged.data() + i * sizeof(float), &wrong, sizeof(wrong));
        EXPECT_FALSE(store.RestoreSide(1, damaged.data()))
            << kMetricNames[static_cast<size_t>(metric)];
      }
    }
  }
}

}  // namespace
}  // namespace vitrine::index_digits_test
