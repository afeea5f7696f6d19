// What a row remembers of its last pruning saves work and changes nothing: it is forgotten where a
// row loses a link. Each test has a graph beside another one that remembers nothing.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "index/graph.h"
#include "random_data.h"

namespace vitrine::index_graph_pruning_test {
namespace {

constexpr size_t kCount = 400;
constexpr size_t kDimension = 6;
constexpr GraphOptions kOptions{.m = 4, .ef_construction = 60};

class GraphPruning : public testing::Test {
 protected:
  GraphPruning() : vectors_(kDimension, Metric::kL2, *SelectKernels("")) {
    EXPECT_TRUE(vectors_.Grow(kCount));
    std::mt19937 random(static_cast<uint32_t>(TestSeed()));
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    for (Slot slot = 0; slot < kCount; ++slot) {
      for (float& x : vector) x = normal(random);
      vectors_.Put(slot, vector.data());
    }
  }

  void Grow(Graph& graph) {
    ASSERT_TRUE(graph.Grow(kCount));
    graph.Prepare(scratch_);
  }
  void InsertAll(Graph& graph) {
    Grow(graph);
    for (Slot slot = 0; slot < kCount; ++slot) {
      ASSERT_FALSE(graph.Insert(slot, scratch_).has_value());
    }
  }

  static std::vector<uint32_t> WordsOf(const Graph& graph, Slot slot) {
    std::vector<uint32_t> words(graph.width());
    graph.CopyNode(slot, words);
    return words;
  }
  // A row that is stored has not been pruned, as far as it remembers.
  static void StoreAnew(Graph& graph) {
    for (Slot slot = 0; slot < kCount; ++slot) graph.StoreNode(slot, WordsOf(graph, slot));
  }

  // Prunes every row of both.
  void ExpectTheSameWhenPruned(Graph& graph, Graph& forgetful) {
    for (Slot slot = 0; slot < kCount; ++slot) {
      if (!graph.IsAlive(slot)) continue;
      graph.Relink(slot, Graph::Care::kUsual, scratch_);
      forgetful.Relink(slot, Graph::Care::kUsual, scratch_);
    }
    for (Slot slot = 0; slot < kCount; ++slot) {
      ASSERT_EQ(WordsOf(graph, slot), WordsOf(forgetful, slot)) << "row " << slot;
    }
  }

  VectorStore vectors_;
  LinkScratch scratch_{vectors_, kOptions};
};

TEST_F(GraphPruning, IsForgottenWhereARemovedNeighbourIsUnlinked) {
  VITRINE_TRACE_SEED();
  Graph graph(vectors_, kOptions), forgetful(vectors_, kOptions);
  for (Graph* const each : {&graph, &forgetful}) {
    InsertAll(*each);
    for (Slot slot = 0; slot < kCount; slot += 7) each->Remove(slot, scratch_);
  }
  StoreAnew(forgetful);
  ExpectTheSameWhenPruned(graph, forgetful);
}

TEST_F(GraphPruning, IsForgottenWhereASweepDropsALink) {
  VITRINE_TRACE_SEED();
  Graph graph(vectors_, kOptions), forgetful(vectors_, kOptions);
  for (Graph* const each : {&graph, &forgetful}) {
    InsertAll(*each);
    // Without a repair: nothing is unlinked before the sweep.
    for (Slot slot = 0; slot < kCount; slot += 7) each->Abandon(slot);
    EXPECT_FALSE(each->Sweep(scratch_).empty());
  }
  StoreAnew(forgetful);
  ExpectTheSameWhenPruned(graph, forgetful);
}

TEST_F(GraphPruning, IsForgottenWhereARowIsStored) {
  VITRINE_TRACE_SEED();
  Graph graph(vectors_, kOptions), forgetful(vectors_, kOptions);
  InsertAll(graph);
  graph.Sweep(scratch_);  // counts the links to each node, as the end of a restoration does
  Grow(forgetful);
  for (Slot slot = 0; slot < kCount; ++slot) {
    // The same links in another order, so that others are the first.
    const std::vector<uint32_t> words = WordsOf(graph, slot);
    const std::vector<uint32_t> reversed(words.rbegin(), words.rend());
    graph.StoreNode(slot, reversed);
    forgetful.RestoreNode(slot, reversed);
  }
  EntryTable::Snapshot entries;
  uint64_t offered = 0;
  uint64_t stride = 0;
  const size_t entry_count = graph.CopyEntries(entries, offered, stride);
  forgetful.RestoreEntries({entries.data(), entry_count}, offered, stride);
  forgetful.FinishRestore(scratch_);
  ExpectTheSameWhenPruned(graph, forgetful);
}

}  // namespace
}  // namespace vitrine::index_graph_pruning_test
