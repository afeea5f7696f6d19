// The small parts of the graph: selection of neighbours, entry table, row locks, distances.

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "index/entry_table.h"
#include "index/graph.h"
#include "index/neighbour_selection.h"
#include "index/row_locks.h"
#include "index/vector_store.h"
#include "random_data.h"

namespace vitrine::index_parts_test {
namespace {

const KernelTable& Kernels() { return *SelectKernels(""); }

// Whether s rules p out as a neighbour of c, from the definitions.
bool RulesOut(const VectorStore& vectors, Slot s, Slot p, const Candidate& candidate, Slot c) {
  const float distance = vectors.ScorerFor(s).ScoreOne(p);
  if (vectors.metric() != Metric::kIp) return 1.05f * 1.05f * distance < candidate.distance;
  const double sp = -distance;
  const double cp = -candidate.distance;
  const double s_norm = vectors.Norm(s);
  const double c_norm = vectors.Norm(c);
  const bool by_angle = sp * c_norm > cp * s_norm;
  const bool by_euclid = s_norm * s_norm - 2 * sp < c_norm * c_norm - 2 * cp;
  return sp > cp && by_angle && by_euclid;
}

// The rule as its sources have it: each candidate asks all that were chosen before it.
void NaiveSelect(const VectorStore& vectors, Slot centre, const std::vector<Candidate>& sorted,
                 size_t limit, std::vector<Slot>& kept, std::vector<Slot>& left) {
  for (const Candidate& candidate : sorted) {
    bool ruled_out = kept.size() == limit;
    for (size_t i = 0; i < kept.size() && !ruled_out; ++i) {
      ruled_out = RulesOut(vectors, kept[i], candidate.slot, candidate, centre);
    }
    (ruled_out ? left : kept).push_back(candidate.slot);
  }
}

TEST(NeighbourSelection, AgreesWithTheRuleAsItIsWritten) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  NeighbourSelection selection(300);
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    for (int round = 0; round < 60; ++round) {
      const size_t count = random() % 300;
      const size_t dimension = 1 + random() % 12;
      VectorStore vectors(dimension, metric, Kernels());
      ASSERT_TRUE(vectors.Grow(count + 1));
      std::vector<float> data = NormalVectors(count + 1, dimension, random());
      // Grid points: equal distances and equal vectors come up.
      if (round % 3 == 0) {
        for (float& component : data) component = std::round(component);
      }
      for (Slot slot = 0; slot <= count; ++slot) vectors.Put(slot, data.data() + slot * dimension);
      const VectorScorer scorer = vectors.ScorerFor(static_cast<Slot>(count));
      std::vector<Candidate> sorted;
      for (Slot slot = 0; slot < count; ++slot) sorted.push_back({scorer.ScoreOne(slot), slot});
      std::sort(sorted.begin(), sorted.end());
      PairDistances pairs(vectors, 300);
      for (const size_t limit : {size_t{1}, size_t{8}, size_t{24}, size_t{1000}}) {
        selection.Select(pairs, pairs.preferred(), static_cast<Slot>(count),
                         {.together = {}, .others = sorted}, limit);
        std::vector<Slot> kept;
        std::vector<Slot> left;
        NaiveSelect(vectors, static_cast<Slot>(count), sorted, limit, kept, left);
        const auto slots = [](std::span<const Candidate> candidates) {
          std::vector<Slot> of;
          for (const Candidate& candidate : candidates) of.push_back(candidate.slot);
          return of;
        };
        ASSERT_EQ(slots(selection.kept()), kept) << "limit " << limit;
        ASSERT_EQ(slots(selection.left()), left) << "limit " << limit;
      }
    }
  }
}

TEST(EntryTable, SpreadsEvenlyOverTheOrderOfInsertion) {
  EntryTable table;
  EntryTable::Snapshot entries;
  EXPECT_EQ(table.Read(entries), 0u);
  for (Slot slot = 0; slot < 100'000; ++slot) {
    table.Offer(slot);
    const size_t count = table.Read(entries);
    ASSERT_LE(count, EntryTable::kFirstLimit);
    ASSERT_GE(count, std::min<size_t>(slot + 1, EntryTable::kFirstLimit / 2));
    if (slot % 1000 != 999) continue;
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(entries[i], i * table.stride());
    ASSERT_LT(slot - entries[count - 1], table.stride());
    ASSERT_EQ(table.offered(), slot + 1);
  }
}

TEST(EntryTable, TakesTwiceAsManyOnDemand) {
  EntryTable table;
  EntryTable::Snapshot entries;
  Slot next = 0;
  for (size_t limit = EntryTable::kFirstLimit; limit < EntryTable::kRoom; limit *= 2) {
    for (const Slot end = next + 7'001; next < end; ++next) table.Offer(next);
    ASSERT_TRUE(table.CanWiden());
    const size_t wide = table.WideCount();
    EXPECT_GT(wide, limit);
    EXPECT_LE(wide, 2 * limit);
    std::vector<Slot> spread(wide);
    for (size_t i = 0; i < wide; ++i) spread[i] = static_cast<Slot>(i * next / wide);
    table.Widen(spread.data(), wide);
    ASSERT_EQ(table.Read(entries), wide);
    EXPECT_EQ(entries[1], spread[1]);
    for (size_t i = 0; i < 20'000; ++i) {
      table.Offer(next++);
      ASSERT_LE(table.size(), 2 * limit);
      ASSERT_GE(table.size(), limit);
    }
  }
  EXPECT_FALSE(table.CanWiden());
  // As many as were saved have room again.
  EntryTable loaded;
  const size_t count = table.Read(entries);
  loaded.Restore(entries.data(), count, table.offered(), table.stride());
  for (; loaded.offered() < 200'000; ++next) loaded.Offer(next);
  EXPECT_GE(loaded.size(), EntryTable::kRoom / 2);
}

TEST(EntryTable, BeginsAnewWhenItsLastEntryIsDropped) {
  for (const Slot before : {1, 64, 65, 201, 5000, 100'001}) {
    EntryTable table;
    EntryTable::Snapshot entries;
    for (Slot slot = 0; slot < before; ++slot) table.Offer(slot);
    while (table.size() > 0) table.Drop(table.size() / 2);
    table.Offer(7);
    ASSERT_EQ(table.Read(entries), 1u) << "a graph of one node that no walk can reach";
    EXPECT_EQ(entries[0], 7u);
    for (Slot slot = 0; slot < 31; ++slot) table.Offer(slot);
    EXPECT_EQ(table.size(), 32u);
  }
}

TEST(EntryTable, ReplacesAndDrops) {
  EntryTable table;
  EntryTable::Snapshot entries;
  for (Slot slot = 10; slot < 14; ++slot) table.Offer(slot);
  table.Replace(1, 99);
  table.Drop(0);
  ASSERT_EQ(table.Read(entries), 3u);
  EXPECT_EQ(std::set(entries.begin(), entries.begin() + 3), (std::set<Slot>{99, 12, 13}));
  const std::vector<Slot> saved = {1, 2, 3};
  table.Restore(saved.data(), 3, 70, 2);
  ASSERT_EQ(table.Read(entries), 3u);
  table.Offer(4);  // the 71st: its turn
  table.Offer(5);
  EXPECT_EQ(table.size(), 4u);
}

TEST(EntryTable, IsReadWhileItIsRewritten) {
  EntryTable table;
  table.Offer(0);
  std::atomic<Slot> offered{1};
  std::thread writer([&] {
    for (Slot slot = 1; slot < 50'000; ++slot) {
      offered.store(slot + 1, std::memory_order_release);
      table.Offer(slot);
    }
  });
  EntryTable::Snapshot entries;
  while (offered.load(std::memory_order_acquire) < 50'000) {
    const size_t count = table.Read(entries);
    ASSERT_GE(count, 1u);
    const Slot limit = offered.load(std::memory_order_acquire);
    for (size_t i = 0; i < count; ++i) ASSERT_LT(entries[i], limit);
  }
  writer.join();
}

TEST(RowLocks, LetOneThreadInAtATime) {
  RowLocks locks;
  // Slots that share a lock, and two that do not.
  const Slot slots[] = {3, 3 + RowLocks::kCount, 4};
  std::array<size_t, 3> counts = {};
  std::vector<std::thread> threads;
  constexpr size_t kRounds = 20'000;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (size_t round = 0; round < kRounds; ++round) {
        const size_t at = round % 3;
        const RowLocks::Guard guard(locks, slots[at]);
        ++counts[at == 1 ? 0 : at];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counts[0] + counts[2], 4 * kRounds);
}

TEST(VectorScorer, GivesFiniteDistancesThatAgreeInBothForms) {
  const float big = FLT_MAX;
  const float tiny = FLT_TRUE_MIN;
  const std::vector<std::vector<float>> rows = {
      {0, 0, 0},       {-0.f, 0, -0.f},  {1, 2, 3},          {big, big, big}, {-big, big, -big},
      {tiny, 0, tiny}, {-tiny, tiny, 0}, {1e-30f, 1e30f, 1}, {big, -big, 1},
  };
  for (const KernelTable* const kernels : KernelTables()) {
    if (!kernels->supported()) continue;
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
      VectorStore vectors(3, metric, *kernels);
      ASSERT_TRUE(vectors.Grow(rows.size()));
      for (Slot slot = 0; slot < rows.size(); ++slot) vectors.Put(slot, rows[slot].data());
      for (Slot query = 0; query < rows.size(); ++query) {
        const VectorScorer scorer = vectors.ScorerFor(rows[query].data());
        for (size_t count = 1; count <= rows.size(); ++count) {
          RowRef refs[16];
          Slot slots[16];
          float distances[16];
          for (Slot i = 0; i < count; ++i) {
            slots[i] = i;
            refs[i] = scorer.Ref(i);
          }
          scorer.Score(refs, slots, count, distances);
          for (Slot i = 0; i < count; ++i) {
            EXPECT_TRUE(std::isfinite(distances[i])) << distances[i];
            EXPECT_EQ(distances[i], scorer.ScoreOne(i));
            if (metric == Metric::kL2) {
              EXPECT_GE(distances[i], 0);
            }
            if (metric == Metric::kCosine) {
              EXPECT_GE(distances[i], 0);
              EXPECT_LE(distances[i], 2);
              if (i <= 1 || query <= 1) {
                EXPECT_EQ(distances[i], 1) << "to a zero vector";
              }
            }
          }
        }
      }
    }
  }
}

// Two islands with entries on both, rows full or with room: a walk from any entry gets everywhere.
TEST(Graph, LeadsFromEveryEntryToEveryNodeOnceReconnected) {
  constexpr Slot kIsland = 100;
  for (const size_t next : {1, 3, 4}) {
    VectorStore vectors(2, Metric::kL2, Kernels());
    Graph graph(vectors, {.m = 2});
    LinkScratch scratch(vectors, {.m = 2});
    ASSERT_TRUE(vectors.Grow(2 * kIsland) && graph.Grow(2 * kIsland));
    for (Slot slot = 0; slot < 2 * kIsland; ++slot) {
      const float vector[] = {static_cast<float>(slot % kIsland), slot < kIsland ? 0.f : 1000.f};
      vectors.Put(slot, vector);
    }
    for (Slot slot = 0; slot < 2 * kIsland; ++slot) {
      std::vector<uint32_t> links;
      const Slot shore = slot / kIsland * kIsland;
      for (size_t i = 1; i <= next; ++i) {
        links.push_back(shore + (slot - shore + static_cast<Slot>(i)) % kIsland);
      }
      graph.RestoreNode(slot, links);
    }
    const std::vector<Slot> entries = {3, 150, 77, 199, 100};
    graph.RestoreEntries(entries, 2 * kIsland, 1);
    EXPECT_EQ(graph.CountUnreachable(), kIsland);
    graph.FinishRestore(scratch);
    EXPECT_EQ(graph.CountUnreachable(), 0u);

    const float query[] = {0, 500};
    const WalkTable& walks = WalksFor(Kernels().set);
    for (const Slot entry : entries) {
      scratch.search.Prepare(2 * kIsland, 2 * kIsland);
      walks.walk(
          {.links = &graph.links(), .scorer = vectors.ScorerFor(query), .seeds = {&entry, 1}},
          scratch.search);
      EXPECT_EQ(scratch.search.pool.size, 2 * kIsland) << next << " links, from " << entry;
      scratch.search.ClearVisited();
    }
    // Entries that a walk does not begin at are nodes like others.
    scratch.search.Prepare(2 * kIsland, 2 * kIsland);
    walks.walk({.links = &graph.links(),
                .scorer = vectors.ScorerFor(query),
                .seeds = entries,
                .seeds_kept = 1},
               scratch.search);
    EXPECT_EQ(scratch.search.pool.size, 2 * kIsland);
    scratch.search.ClearVisited();
  }
}

TEST(VectorStore, KnowsZeroVectorsUnderCosineOnly) {
  const float zero[] = {0, -0.f};
  const float tiny[] = {0, FLT_TRUE_MIN};
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kIp}) {
    VectorStore vectors(2, metric, Kernels());
    ASSERT_TRUE(vectors.Grow(2));
    vectors.Put(0, zero);
    vectors.Put(1, tiny);
    EXPECT_EQ(vectors.IsZero(0), metric == Metric::kCosine);
    EXPECT_FALSE(vectors.IsZero(1));
    EXPECT_EQ(vectors.ScorerFor(zero).IsZeroQuery(), metric == Metric::kCosine);
    EXPECT_EQ(vectors.Row(0)[7], std::byte{0x80}) << "what was put comes back bit for bit";
  }
}

}  // namespace
}  // namespace vitrine::index_parts_test
