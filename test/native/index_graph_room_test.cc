// What a row has and what a walk found are looked at together, also where they share nothing. The
// sanitizer sees who writes beyond the room that there is.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "index/graph.h"
#include "random_data.h"

namespace vitrine::index_graph_room_test {
namespace {

// More than the square of a row, and so what the room is made for.
constexpr GraphOptions kOptions{.m = 40, .ef_construction = 6'700};
constexpr size_t kDimension = 4;
constexpr Slot kFar = 80;  // all that a row may have
constexpr Slot kNear = 7'500;
constexpr Slot kNode = kFar + kNear;

TEST(GraphRoom, IsThereForALinkedRowAndAllThatAWalkFinds) {
  VectorStore vectors(kDimension, Metric::kL2, *SelectKernels(""));
  Graph graph(vectors, kOptions);
  ASSERT_TRUE(vectors.Grow(kNode + 1) && graph.Grow(kNode + 1));
  std::mt19937_64 random(TestSeed());
  std::vector<float> data = NormalVectors(kNode + 1, kDimension, TestSeed());
  for (size_t i = 0; i < kFar * kDimension; ++i) data[i] += 1'000;
  for (Slot slot = 0; slot <= kNode; ++slot) vectors.Put(slot, &data[slot * kDimension]);

  // The far ones hang together, and so do those that are near; the node is linked to the far ones.
  std::vector<Slot> far_links;
  for (Slot slot = 0; slot < kFar; ++slot) {
    far_links.push_back(slot);
    graph.RestoreNode(slot, std::vector<uint32_t>{(slot + 1) % kFar});
  }
  for (Slot i = 0; i < kNear; ++i) {
    std::vector<uint32_t> links{kFar + (i + 1) % kNear};
    for (Slot step = 2; links.size() < 8; step = step * 3 + random() % 3) {
      links.push_back(kFar + (i + step) % kNear);
    }
    graph.RestoreNode(kFar + i, links);
  }
  graph.RestoreNode(kNode, far_links);
  graph.RestoreEntries(std::vector<Slot>{kFar}, kNode + 1, 64);
  LinkScratch scratch(vectors, kOptions);
  graph.Prepare(scratch);
  graph.FinishRestore(scratch);
  graph.StoreNode(kNode, far_links);

  graph.Relink(kNode, Graph::Care::kFull, scratch);
  EXPECT_EQ(scratch.around.size(), kOptions.ef_construction);
  std::vector<uint32_t> words(graph.width());
  graph.CopyNode(kNode, words);
  EXPECT_TRUE(std::any_of(words.begin(), words.end(),
                          [](uint32_t word) { return Links::IsLink(word) && word >= kFar; }));
}

}  // namespace
}  // namespace vitrine::index_graph_room_test
