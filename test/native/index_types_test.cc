// Vectors of every type: what they are as numbers, and how far apart.

#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>

#include "index/vector_store.h"
#include "index/vector_type.h"
#include "random_data.h"
#include "typed_vectors.h"

namespace vitrine::index_types_test {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
Bytes Elements(std::initializer_list<T> elements) {
  const std::vector<T> values(elements);
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

std::vector<const KernelTable*> Supported() {
  std::vector<const KernelTable*> tables;
  for (const KernelTable* const table : KernelTables()) {
    if (table->supported()) tables.push_back(table);
  }
  return tables;
}

// Numbers that every type has room for, many of them at the ends of bytes.
std::vector<float> Numbers(size_t count, VectorType type, uint64_t seed) {
  std::vector<float> numbers = NormalVectors(count, 1, seed);
  std::mt19937_64 random(seed);
  for (float& number : numbers) {
    number = number * 60 + (type == VectorType::kU8 ? 128 : 0);
    if (random() % 8 == 0) number = random() % 2 == 0 ? -1000 : 1000;
  }
  return numbers;
}

std::vector<float> ScoresOf(const VectorStore& store, const Bytes& query, size_t count) {
  const VectorScorer scorer = store.ScorerFor(query.data());
  std::vector<RowRef> refs(count + 3);
  std::vector<Slot> slots(count);
  std::vector<float> scores(count + 3);
  for (Slot slot = 0; slot < count; ++slot) {
    slots[slot] = slot;
    refs[slot] = scorer.Ref(slot);
  }
  scorer.Score(refs.data(), slots.data(), count, scores.data());
  scores.resize(count);
  return scores;
}

TEST(VectorTypes, HalvesAreTheNumbersThatTheyStandFor) {
  for (const VectorType type : {VectorType::kF16, VectorType::kBf16}) {
    for (uint32_t bits = 0; bits < 65'536; ++bits) {
      const Bytes vector = Elements({static_cast<uint16_t>(bits)});
      if (FindNonFinite(type, vector.data(), 1) == 0) continue;
      float number;
      ToFloats(type, vector.data(), 1, &number);
      const double expected = Components(type, vector.data(), 1)[0];
      ASSERT_EQ(number, expected) << bits;
      ASSERT_EQ(std::signbit(number), (bits & 0x8000) != 0) << bits;
      ASSERT_EQ(Encoded(type, std::vector<float>{number}), vector) << bits;
    }
  }
}

TEST(VectorTypes, NameTheFirstComponentThatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (size_t place = 0; place < 37; ++place) {
    std::vector<float> floats(37, -FLT_MAX);
    for (const float bad : {kInfinity, -kInfinity, NAN}) {
      floats[place] = bad;
      EXPECT_EQ(FindNonFinite(VectorType::kF32, floats.data(), 37), place);
      EXPECT_EQ(IsNaN(VectorType::kF32, floats.data(), place), std::isnan(bad));
    }
    std::vector<uint16_t> halves(37, 0xfbff);
    for (const uint16_t bad : {0x7c00, 0xfc00, 0x7c01, 0xffff}) {
      halves[place] = bad;
      EXPECT_EQ(FindNonFinite(VectorType::kF16, halves.data(), 37), place);
      EXPECT_EQ(IsNaN(VectorType::kF16, halves.data(), place), (bad & 0x3ff) != 0);
    }
    std::vector<uint16_t> uppers(37, 0xff7f);
    for (const uint16_t bad : {0x7f80, 0xff80, 0x7f81, 0xffff}) {
      uppers[place] = bad;
      EXPECT_EQ(FindNonFinite(VectorType::kBf16, uppers.data(), 37), place);
      EXPECT_EQ(IsNaN(VectorType::kBf16, uppers.data(), place), (bad & 0x7f) != 0);
    }
  }
  const std::vector<uint8_t> bytes(64, 255);
  for (const VectorType type : {VectorType::kI8, VectorType::kU8, VectorType::kBits}) {
    EXPECT_EQ(FindNonFinite(type, bytes.data(), 64), 64u);
  }
  const std::vector<uint16_t> largest = {0x7bff, 0xfbff, 0x8000, 1};
  EXPECT_EQ(FindNonFinite(VectorType::kF16, largest.data(), 4), 4u);
}

// Every type and metric on every set of kernels, in counts that do and do not fill four rows.
TEST(VectorTypes, ScoreAsTheirMetricIsDefined) {
  VITRINE_TRACE_SEED();
  constexpr size_t kRows = 9;
  for (const TypedMetric& kind : AllTypedMetrics()) {
    const auto [type, metric] = kind;
    for (const size_t dimension : {8, 16, 40, 64, 136, 784}) {
      const Bytes rows = Encoded(type, Numbers(kRows * dimension, type, TestSeed()));
      const Bytes query = Encoded(type, Numbers(dimension, type, TestSeed() + 1));
      const auto wanted = Components(type, query.data(), dimension);
      std::vector<float> of_scalar;
      for (const KernelTable* const kernels : Supported()) {
        SCOPED_TRACE(kind.Name() + " " + kernels->name + " " + std::to_string(dimension));
        VectorStore store(dimension, metric, *kernels, type);
        ASSERT_TRUE(store.Grow(kRows));
        ASSERT_EQ(store.vector_bytes() * kRows, rows.size());
        for (Slot slot = 0; slot < kRows; ++slot) {
          store.Put(slot, rows.data() + slot * store.vector_bytes());
        }
        for (const size_t count : {size_t{1}, size_t{4}, kRows}) {
          const std::vector<float> scores = ScoresOf(store, query, count);
          for (Slot slot = 0; slot < count; ++slot) {
            const auto row = Components(type, store.Row(slot), dimension);
            const double distance = DefinedDistance(metric, wanted, row);
            const double scale =
                metric == Metric::kCosine || metric == Metric::kJaccard
                    ? 1
                    : std::abs(DefinedDistance(Metric::kL2, wanted, row)) + std::abs(distance);
            ASSERT_NEAR(scores[slot], distance, scale * 1e-5);
            if (ElementBytes(type) == 1 && metric != Metric::kCosine) {
              const double exact = metric == Metric::kJaccard ? scores[slot] : distance;
              ASSERT_EQ(scores[slot], static_cast<float>(exact));
            }
            ASSERT_EQ(scores[slot], store.ScorerFor(query.data()).ScoreOne(slot));
          }
          // Sums of integers do not depend on the processor.
          if (count == kRows && ElementBytes(type) == 1) {
            if (of_scalar.empty()) of_scalar = scores;
            ASSERT_EQ(scores, of_scalar);
          }
        }
      }
    }
  }
}

TEST(VectorTypes, DoNotOverflowInTheLargestDimension) {
  constexpr size_t kD = kMaxDimension;
  const struct {
    VectorType type;
    Metric metric;
    uint8_t query, row;
    double distance;
  } cases[] = {
      {VectorType::kU8, Metric::kL2, 0, 255, double{kD} * 255 * 255},
      {VectorType::kU8, Metric::kIp, 255, 255, -double{kD} * 255 * 255},
      {VectorType::kU8, Metric::kCosine, 255, 255, 0},
      {VectorType::kI8, Metric::kL2, 128, 127, double{kD} * 255 * 255},
      {VectorType::kI8, Metric::kIp, 128, 128, -double{kD} * 128 * 128},
      {VectorType::kI8, Metric::kIp, 128, 127, double{kD} * 128 * 127},
      {VectorType::kI8, Metric::kCosine, 128, 127, 2},
      {VectorType::kBits, Metric::kHamming, 0, 255, double{kD}},
      {VectorType::kBits, Metric::kJaccard, 255, 15, 0.5},
  };
  for (const KernelTable* const kernels : Supported()) {
    for (const auto& [type, metric, query, row, distance] : cases) {
      VectorStore store(kD, metric, *kernels, type);
      ASSERT_TRUE(store.Grow(1));
      store.Put(0, Bytes(store.vector_bytes(), static_cast<std::byte>(row)).data());
      const Bytes wanted(store.vector_bytes(), static_cast<std::byte>(query));
      EXPECT_NEAR(store.ScorerFor(wanted.data()).ScoreOne(0), static_cast<float>(distance), 1e-6)
          << TypedMetric{type, metric}.Name() << ' ' << kernels->name;
    }
  }
  // The largest bf16 squared is infinite: the largest f32 instead.
  for (const KernelTable* const kernels : Supported()) {
    VectorStore store(2, Metric::kL2, *kernels, VectorType::kBf16);
    ASSERT_TRUE(store.Grow(1));
    store.Put(0, Elements<uint16_t>({0x7f7f, 0x7f7f}).data());
    const Bytes query = Elements<uint16_t>({0xff7f, 0});
    EXPECT_EQ(store.ScorerFor(query.data()).ScoreOne(0), FLT_MAX);
  }
}

TEST(VectorTypes, KnowVectorsThatAreFarFromEverything) {
  for (const TypedMetric& kind : AllTypedMetrics()) {
    const auto [type, metric] = kind;
    SCOPED_TRACE(kind.Name());
    VectorStore store(8, metric, *SelectKernels({}), type);
    ASSERT_TRUE(store.Grow(3));
    // Zeros, with signs where there are some; the smallest vector that is none; and another one.
    Bytes zero(store.vector_bytes());
    if (type == VectorType::kF16 || type == VectorType::kBf16) zero[1] = std::byte{0x80};
    if (type == VectorType::kF32) zero[3] = std::byte{0x80};
    Bytes small(store.vector_bytes());
    small[0] = std::byte{1};
    store.Put(0, zero.data());
    store.Put(1, small.data());
    store.Put(2, Encoded(type, std::vector<float>(8, 1)).data());
    EXPECT_TRUE(std::equal(zero.begin(), zero.end(), store.Row(0)));
    const bool has_zeros = metric == Metric::kCosine || metric == Metric::kJaccard;
    EXPECT_EQ(store.IsZero(0), has_zeros);
    EXPECT_FALSE(store.IsZero(1));
    EXPECT_EQ(store.ScorerFor(zero.data()).IsZeroQuery(), has_zeros);
    EXPECT_FALSE(store.ScorerFor(small.data()).IsZeroQuery());
    if (!has_zeros) continue;
    const float to_itself = metric == Metric::kJaccard ? 0 : 1;
    EXPECT_EQ(ScoresOf(store, zero, 3), (std::vector<float>{to_itself, 1, 1}));
    EXPECT_EQ(ScoresOf(store, small, 1), std::vector<float>{1});
    // The square of the smallest f32 or bf16 is no f32.
    if (type == VectorType::kF32 || type == VectorType::kBf16) continue;
    EXPECT_NEAR(ScoresOf(store, small, 2)[1], 0, 1e-6);
  }
}

}  // namespace
}  // namespace vitrine::index_types_test
