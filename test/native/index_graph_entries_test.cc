// How many nodes walks begin at.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "index/graph.h"
#include "kernels/kernels.h"

namespace vitrine::index_graph_entries_test {
namespace {

constexpr size_t kCount = 6000;
constexpr size_t kDimension = 32;

// Short vectors are the nearest to nothing, themselves included: that walks do not find them says
// nothing of the entries, and more of those would only cost time.
TEST(GraphEntries, StayFewUnderInnerProductWhereNormsDiffer) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  VectorStore vectors(kDimension, Metric::kIp, *SelectKernels(""));
  Graph graph(vectors, {.m = 4, .ef_construction = 40});
  ASSERT_TRUE(vectors.Grow(kCount) && graph.Grow(kCount));
  LinkScratch scratch(vectors, graph.options());
  graph.Prepare(scratch);
  std::vector<float> vector(kDimension);
  for (Slot slot = 0; slot < kCount; ++slot) {
    const float norm = std::exp(normal(random));
    for (float& x : vector) x = norm * normal(random);
    vectors.Put(slot, vector.data());
    ASSERT_FALSE(graph.Insert(slot, scratch).has_value());
  }
  EXPECT_EQ(graph.entries().limit(), EntryTable::kFirstLimit);
}

}  // namespace
}  // namespace vitrine::index_graph_entries_test
