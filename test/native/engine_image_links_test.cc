// The links of an image of a graph, and what is known of where they lead.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "engine/image_links.h"
#include "table_model.h"

namespace vitrine {
namespace {

constexpr size_t kWidth = 16;
constexpr size_t kM = 3;

// Nodes 0 to 5 of which each leads to the next, and nobody knows of node 6.
struct Ring {
  Ring() {
    EXPECT_TRUE(vectors.Grow(7) && graph.Grow(7));
    for (Slot slot = 0; slot < 6; ++slot) Restore(slot, {(slot + 1) % 6});
    for (Slot slot = 0; slot < 6; ++slot) nodes.Insert(slot);
    nodes.Number();
  }
  void Restore(Slot slot, std::vector<uint32_t> words) {
    words.resize(kWidth, kNoSlot);
    graph.RestoreNode(slot, words);
  }
  std::vector<uint32_t> Read(Slot slot) const {
    std::vector<uint32_t> words(kWidth);
    ImageLinks(graph, nodes).Read(slot, words);
    return words;
  }
  ImageLinks::Digest Written() const {
    ImageLinks::Digest digest;
    (void)nodes
        .ForEach([&](Slot slot) {
          digest.Add(slot, Read(slot));
          return Status();
        })
        .ok();
    return digest;
  }
  bool LeadsEverywhere(const std::vector<Slot>& entries, const ImageLinks::Digest& written) const {
    return ImageLinks(graph, nodes).LeadEverywhere(entries, written, nullptr);
  }
  bool LeadsEverywhere(const std::vector<Slot>& entries) const {
    return LeadsEverywhere(entries, Written());
  }

  VectorStore vectors{2, Metric::kL2, BestKernels()};
  Graph graph{vectors, {.m = kM}};
  SlotSet nodes{7};
};

TEST(ImageLinks, LeadEverywhereInARing) {
  const Ring ring;
  for (Slot entry = 0; entry < 6; ++entry) EXPECT_TRUE(ring.LeadsEverywhere({entry}));
  EXPECT_TRUE(ring.LeadsEverywhere({3, 0, 5}));
  EXPECT_FALSE(ring.LeadsEverywhere({}));
}

TEST(ImageLinks, DoNotLeadToANodeThatNobodyLinksTo) {
  Ring ring;
  ring.Restore(6, {0});
  ring.nodes.Insert(6);
  ring.nodes.Number();
  EXPECT_FALSE(ring.LeadsEverywhere({0}));
  EXPECT_TRUE(ring.LeadsEverywhere({6}));
  EXPECT_FALSE(ring.LeadsEverywhere({6, 0}));  // each entry by itself
  EXPECT_FALSE(ring.LeadsEverywhere({0, 6}));
  // A fill edge is none: only filtered walks follow it.
  ring.Restore(2, {3, 6 | Links::kFill});
  EXPECT_FALSE(ring.LeadsEverywhere({0}));
  ring.Restore(2, {3, 6});
  EXPECT_TRUE(ring.LeadsEverywhere({0, 6}));
}

TEST(ImageLinks, AreCutByANodeThatIsNotInTheImage) {
  Ring ring;
  SlotSet fewer(7);
  for (const Slot slot : {0, 1, 2, 4, 5}) fewer.Insert(slot);
  fewer.Number();
  ring.nodes = fewer;
  EXPECT_FALSE(ring.LeadsEverywhere({0}));
  EXPECT_EQ(ring.Read(2), std::vector<uint32_t>(kWidth, kNoSlot));
  ring.Restore(2, {3, 4});
  EXPECT_TRUE(ring.LeadsEverywhere({0}));
  EXPECT_EQ(ring.Read(2)[0], kNoSlot);
  EXPECT_EQ(ring.Read(2)[1], 4u);  // in its place
}

TEST(ImageLinks, AreThoseThatReadersTake) {
  Ring ring;
  ring.Restore(0, {1, 0, 2, 2, 3 | Links::kFill, 3, 4, 5, 0 | Links::kFill, 1, 6});
  const std::vector<uint32_t> words = ring.Read(0);
  const std::vector<uint32_t> expected{1, kNoSlot, 2,       kNoSlot, 3 | Links::kFill, 3,
                                       4, 5,       kNoSlot, kNoSlot, kNoSlot};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), words.begin()));
}

TEST(ImageLinks, SayNothingOfLinksThatHaveChanged) {
  Ring ring;
  const ImageLinks::Digest written = ring.Written();
  EXPECT_TRUE(ring.LeadsEverywhere({0}, written));
  ring.Restore(4, {5, 2});
  EXPECT_FALSE(ring.LeadsEverywhere({0}, written));
  ring.Restore(4, {kNoSlot, 5});  // the same link in another place
  EXPECT_FALSE(ring.LeadsEverywhere({0}, written));
  ring.Restore(4, {5});
  EXPECT_TRUE(ring.LeadsEverywhere({0}, written));
}

TEST(ImageLinks, SayNothingOnceTheyAreCancelled) {
  const Ring ring;
  const std::vector<Slot> entries{0, 3};
  const std::atomic<bool> cancelled{true};
  EXPECT_FALSE(
      ImageLinks(ring.graph, ring.nodes).LeadEverywhere(entries, ring.Written(), &cancelled));
}

TEST(ImageLinks, LeadEverywhereWhereThereIsNoNode) {
  Ring ring;
  ring.nodes = SlotSet(7);
  ring.nodes.Number();
  EXPECT_TRUE(ring.LeadsEverywhere({}));
}

}  // namespace
}  // namespace vitrine
