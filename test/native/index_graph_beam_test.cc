// How widely links are looked for: more so in data where new nodes keep nearly all of them, and
// again where they keep few and a wider look finds others.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "index/graph.h"
#include "random_data.h"

namespace vitrine::index_graph_beam_test {
namespace {

constexpr size_t kCount = 2'000;
constexpr GraphOptions kOptions{.m = 16, .ef_construction = 200};
constexpr size_t kUsual = 64;  // a third of ef_construction
constexpr size_t kWide = 80;
constexpr size_t kAgain = kOptions.ef_construction;

// A graph, and the beam of the last walk of each insertion.
struct Beams {
  Beams(Metric metric, size_t dimension, size_t capacity)
      : vectors(dimension, metric, *SelectKernels("")),
        graph(vectors, kOptions),
        scratch(vectors, kOptions) {
    EXPECT_TRUE(vectors.Grow(capacity) && graph.Grow(capacity));
    graph.Prepare(scratch);
  }

  void Insert(std::span<const float> vector) {
    const auto slot = static_cast<Slot>(beams.size());
    vectors.Put(slot, vector.data());
    EXPECT_FALSE(graph.Insert(slot, scratch).has_value());
    beams.push_back(scratch.search.pool.ef);
  }
  // Links of the last node to the first `among` others, but for `centre`.
  size_t CountLinksTo(Slot among, Slot centre) const {
    const auto last = static_cast<Slot>(beams.size() - 1);
    size_t count = 0;
    for (size_t i = 0; i < graph.width(); ++i) {
      const uint32_t word = graph.links().Load(last, i);
      count += Links::IsLink(word) && word < among && word != centre ? 1 : 0;
    }
    return count;
  }
  // Of the last `among` insertions, how many ended with a walk of the whole `ef_construction`.
  size_t LookedAgain(size_t among) const {
    return static_cast<size_t>(
        std::count(beams.end() - static_cast<std::ptrdiff_t>(among), beams.end(), kAgain));
  }

  VectorStore vectors;
  Graph graph;
  LinkScratch scratch;
  std::vector<size_t> beams;
};

// The beam of most of the last hundred of `kCount` insertions.
size_t LastBeam(Metric metric, size_t dimension) {
  const std::vector<float> data = NormalVectors(kCount, dimension, TestSeed());
  Beams inserted(metric, dimension, kCount);
  for (size_t i = 0; i < kCount; ++i) inserted.Insert({&data[i * dimension], dimension});
  const auto median = inserted.beams.end() - 50;
  std::nth_element(inserted.beams.end() - 100, median, inserted.beams.end());
  return *median;
}

// A point of a disc around `centre`, in its first two components.
std::vector<float> OnDisc(std::span<const float> centre, float radius, std::mt19937& random) {
  std::vector<float> point(centre.begin(), centre.end());
  std::uniform_real_distribution<float> offset(-radius, radius);
  for (size_t i = 0; i < 2; ++i) point[i] += offset(random);
  return point;
}

TEST(GraphBeam, IsWiderWhereNothingIsNearerThanAnythingElse) {
  EXPECT_EQ(LastBeam(Metric::kL2, 96), kWide);
  EXPECT_EQ(LastBeam(Metric::kCosine, 96), kWide);
}

TEST(GraphBeam, IsAsUsualInFewDimensions) { EXPECT_EQ(LastBeam(Metric::kL2, 6), kUsual); }

// A hundred points on a disc rule one another out but for a handful; all around lie others.
TEST(GraphBeam, LooksAgainFromWithinClusters) {
  VITRINE_TRACE_SEED();
  constexpr size_t kDimension = 32;
  constexpr size_t kMembers = 100;
  constexpr size_t kLearntFrom = 20;  // clusters
  constexpr size_t kClusters = 30;
  const std::vector<float> around = NormalVectors(kCount, kDimension, TestSeed());
  std::mt19937 random(TestSeed());
  Beams inserted(Metric::kL2, kDimension, kCount + kClusters * kMembers);
  for (size_t i = 0; i < kCount; ++i) inserted.Insert({&around[i * kDimension], kDimension});
  size_t looked_again = 0;
  size_t led_out = 0;
  for (Slot cluster = 0; cluster < kClusters; ++cluster) {
    for (size_t i = 0; i < kMembers; ++i) {
      inserted.Insert(OnDisc({&around[cluster * kDimension], kDimension}, 0.01f, random));
      // The first members of a cluster find others as it is.
      if (cluster < kLearntFrom || inserted.beams.back() != kAgain) continue;
      ++looked_again;
      led_out += inserted.CountLinksTo(kCount, cluster) >= 4 ? 1 : 0;
    }
  }
  EXPECT_GE(looked_again, (kClusters - kLearntFrom) * (kMembers - kUsual) / 2);
  EXPECT_GE(led_out, looked_again / 2);
}

// Of a plane a node keeps a handful however many it finds: one in 16 looks whether that is so yet.
TEST(GraphBeam, LooksAgainWhileItIsOfUse) {
  constexpr size_t kDimension = 32;
  std::mt19937 random(TestSeed());
  Beams inserted(Metric::kL2, kDimension, kCount);
  const std::vector<float> origin(kDimension);
  for (size_t i = 0; i < kCount; ++i) inserted.Insert(OnDisc(origin, 100, random));
  EXPECT_LE(inserted.LookedAgain(kCount / 2), kCount / 2 / 16 + 1);
  EXPECT_GE(inserted.LookedAgain(kCount / 2), kCount / 2 / 16 / 2);
}

// More is kept of any data there.
TEST(GraphBeam, IsAsUsualUnderInnerProduct) { EXPECT_EQ(LastBeam(Metric::kIp, 96), kUsual); }

}  // namespace
}  // namespace vitrine::index_graph_beam_test
