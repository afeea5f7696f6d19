// How widely links are looked for: more so in data where new nodes keep nearly all of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "index/graph.h"
#include "random_data.h"

namespace vitrine::index_graph_beam_test {
namespace {

constexpr size_t kCount = 2'000;
constexpr GraphOptions kOptions{.m = 16, .ef_construction = 200};
constexpr size_t kUsual = 66;  // a third of ef_construction
constexpr size_t kWide = 82;

// The widest beam among those of the last hundred of `kCount` insertions.
size_t LastBeam(Metric metric, size_t dimension) {
  const std::vector<float> data = NormalVectors(kCount, dimension, TestSeed());
  VectorStore vectors(dimension, metric, *SelectKernels(""));
  Graph graph(vectors, kOptions);
  EXPECT_TRUE(vectors.Grow(kCount) && graph.Grow(kCount));
  LinkScratch scratch(vectors, graph.options());
  graph.Prepare(scratch);
  size_t beam = 0;
  for (Slot slot = 0; slot < kCount; ++slot) {
    vectors.Put(slot, data.data() + slot * dimension);
    EXPECT_FALSE(graph.Insert(slot, scratch).has_value());
    if (slot >= kCount - 100) beam = std::max(beam, scratch.search.pool.ef);
  }
  return beam;
}

TEST(GraphBeam, IsWiderWhereNothingIsNearerThanAnythingElse) {
  EXPECT_EQ(LastBeam(Metric::kL2, 96), kWide);
  EXPECT_EQ(LastBeam(Metric::kCosine, 96), kWide);
}

TEST(GraphBeam, IsAsUsualInFewDimensions) { EXPECT_EQ(LastBeam(Metric::kL2, 6), kUsual); }

// More is kept of any data there.
TEST(GraphBeam, IsAsUsualUnderInnerProduct) { EXPECT_EQ(LastBeam(Metric::kIp, 96), kUsual); }

}  // namespace
}  // namespace vitrine::index_graph_beam_test
