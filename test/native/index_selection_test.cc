// Which links are chosen does not depend on what is known of the candidates beforehand.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "index/neighbour_selection.h"
#include "kernels/code_kernels.h"
#include "random_data.h"

namespace vitrine::index_selection_test {
namespace {

using Source = PairDistances::Source;

constexpr size_t kCount = 200;
constexpr size_t kDimension = 100;
constexpr Slot kAlike = 8;  // rows that may be near-duplicates

// Vectors of different lengths around a centre, row 0 among them, and their codes.
class Rows {
 public:
  //   apart  how far row 0 and the next few lie from each other, as a share of a length
  explicit Rows(Metric metric, float apart = 1)
      : floats_(Vectors(apart)),
        vectors_(kDimension, metric, *SelectKernels("")),
        codes_({.dimension = kDimension,
                .metric = metric,
                .kind = CodeKind::kRq4,
                .centre = CodeCentreOf(floats_, kDimension, metric)},
               SelectCodeKernels(SelectKernels("")->set).codes),
        pairs(vectors_, kCount) {
    EXPECT_TRUE(vectors_.Grow(kCount) && codes_.Grow(kCount));
    for (Slot slot = 0; slot < kCount; ++slot) {
      vectors_.Put(slot, floats_.data() + slot * kDimension);
      codes_.Put(slot, floats_.data() + slot * kDimension);
    }
    pairs.UseCodes(codes_);
  }

  // The rows from `first` to `end`, nearest to row 0 first.
  std::vector<Candidate> Sorted(Source source, Slot first, Slot end) {
    std::vector<Slot> slots(end - first);
    std::iota(slots.begin(), slots.end(), first);
    std::vector<float> distances(slots.size() + 4);
    pairs.Score(source, 0, slots, distances.data());
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < slots.size(); ++i) candidates.push_back({distances[i], slots[i]});
    std::sort(candidates.begin(), candidates.end());
    return candidates;
  }

 private:
  static std::vector<float> Vectors(float apart) {
    std::mt19937 random(static_cast<uint32_t>(TestSeed()));
    std::normal_distribution<float> normal;
    std::vector<float> vectors(kCount * kDimension);
    for (size_t row = 0; row < kCount; ++row) {
      const float length = std::exp(0.5f * normal(random));
      for (size_t i = 0; i < kDimension; ++i) {
        // A few directions matter: with as many as there are nothing would rule anything out.
        vectors[row * kDimension + i] = length * (normal(random) * (i < 12 ? 1.f : 0.1f) + 0.3f);
      }
    }
    for (size_t i = kDimension; apart < 1 && i < kAlike * kDimension; ++i) {
      const float of_first = vectors[i % kDimension];
      vectors[i] = of_first + apart * (vectors[i] - of_first);
    }
    return vectors;
  }

  std::vector<float> floats_;
  VectorStore vectors_;
  CodeStore codes_;

 public:
  PairDistances pairs;
};

std::vector<Slot> SlotsOf(std::span<const Candidate> candidates) {
  std::vector<Slot> slots;
  for (const Candidate& candidate : candidates) slots.push_back(candidate.slot);
  return slots;
}

void ExpectSameWhenSomeAreKnown(Rows& rows, Source source, size_t limit) {
  NeighbourSelection before(kCount), with(kCount), without(kCount);
  before.Select(rows.pairs, source, 0, {.together = {}, .others = rows.Sorted(source, 1, 60)}, 26);
  const auto together = before.kept();
  EXPECT_GT(together.size(), 3u);
  EXPECT_FALSE(before.left().empty());
  const auto others = rows.Sorted(source, 60, 80);
  with.Select(rows.pairs, source, 0, {.together = together, .others = others}, limit);

  std::vector<Candidate> all(together.begin(), together.end());
  all.insert(all.end(), others.begin(), others.end());
  std::sort(all.begin(), all.end());
  without.Select(rows.pairs, source, 0, {.together = {}, .others = all}, limit);
  EXPECT_EQ(SlotsOf(with.kept()), SlotsOf(without.kept()));
  EXPECT_EQ(SlotsOf(with.left()), SlotsOf(without.left()));
  EXPECT_EQ(with.kept().size() + with.left().size(), all.size());
  EXPECT_LE(with.kept().size(), limit);
}

TEST(NeighbourSelection, ChoosesTheSameWhenSomeAreKnownToHaveBeenChosenTogether) {
  VITRINE_TRACE_SEED();
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    SCOPED_TRACE(kMetricNames[static_cast<size_t>(metric)]);
    Rows rows(metric);
    for (const size_t limit : {1u, 5u, 26u, 100u}) {
      ExpectSameWhenSomeAreKnown(rows, Source::kVectors, limit);
      ExpectSameWhenSomeAreKnown(rows, Source::kCodes, limit);
    }
  }
}

TEST(PairDistances, AreByCodesUnlessTheyAreOfNearDuplicates) {
  VITRINE_TRACE_SEED();
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    SCOPED_TRACE(kMetricNames[static_cast<size_t>(metric)]);
    for (const auto& [apart, resolved] : {std::pair{1.f, true}, std::pair{1e-4f, false}}) {
      Rows rows(metric, apart);
      ASSERT_EQ(rows.pairs.preferred(), Source::kCodes);
      const auto sorted = rows.Sorted(Source::kCodes, 1, kAlike);
      EXPECT_EQ(rows.pairs.Resolve(0, sorted[2].slot, sorted[2].distance), resolved) << apart;
    }
  }
}

TEST(PairDistances, AreByVectorsWhereThoseAreShort) {
  constexpr size_t kShort = 64;
  const std::vector<float> floats(4 * kShort, 1.f);
  VectorStore vectors(kShort, Metric::kL2, *SelectKernels(""));
  CodeStore codes({.dimension = kShort,
                   .metric = Metric::kL2,
                   .kind = CodeKind::kRq4,
                   .centre = CodeCentreOf(floats, kShort, Metric::kL2)},
                  SelectCodeKernels(SelectKernels("")->set).codes);
  PairDistances pairs(vectors, 4);
  pairs.UseCodes(codes);
  EXPECT_EQ(pairs.preferred(), Source::kVectors);
}

}  // namespace
}  // namespace vitrine::index_selection_test
