#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "index/walk.h"
#include "random_data.h"
#include "walk_support.h"

namespace vitrine::index_candidate_pool_test {
namespace {

// What a stable insertion of (distance, slot) pairs that keeps the `ef` first gives.
std::vector<std::pair<float, Slot>> StableInsertion(const Line& line, const VectorScorer& scorer,
                                                    const std::vector<Slot>& order, size_t ef) {
  std::vector<std::pair<float, Slot>> pool;
  for (const Slot slot : order) {
    const float distance = scorer.ScoreOne(slot);
    if (pool.size() == ef && distance >= pool.back().first) continue;
    const auto at = std::upper_bound(pool.begin(), pool.end(), distance,
                                     [](float d, const auto& entry) { return d < entry.first; });
    pool.insert(at, {distance, slot});
    if (pool.size() > ef) pool.pop_back();
  }
  return pool;
}

void ExpectInsertion(const Line& line, const std::vector<Slot>& order, size_t ef,
                     Scratch& scratch) {
  const float query = -1;  // the distance is then the place itself
  const VectorScorer scorer = line.vectors.ScorerFor(&query);
  const auto expected = StableInsertion(line, scorer, order, ef);
  for (const WalkTable* const form : Forms()) {
    scratch.Prepare(ef, order.size() + 1);
    // What lanes beyond the pool's end hold must not matter.
    std::fill_n(scratch.pool.distance, scratch.pool.room, -1e30f);
    std::fill_n(scratch.pool.tagged, scratch.pool.room, 0u);
    form->walk({.links = &line.links, .scorer = scorer, .seeds = order, .seeds_kept = order.size()},
               scratch);
    std::vector<std::pair<float, Slot>> pool;
    for (size_t i = 0; i < scratch.pool.size; ++i) {
      pool.emplace_back(scratch.pool.distance[i], scratch.pool.slot(i));
      ASSERT_NE(scratch.pool.tagged[i] & CandidatePool::kExpanded, 0u) << "not expanded: " << i;
    }
    scratch.ClearVisited();
    ASSERT_EQ(pool, expected) << order.size() << " insertions, ef " << ef << ", form "
                              << static_cast<int>(form->set);
  }
}

TEST(CandidatePool, TakesAnEntryAtEveryPlaceOfEverySize) {
  std::vector<float> places(301);
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<float>(i);
  const Line line(places);
  Scratch scratch;
  std::vector<Slot> order;
  for (Slot size = 1; size <= 300; size += size < Scaled(50, 18) ? 1 : Scaled(25, 70)) {
    for (Slot place = 0; place < size; ++place) {
      // All but one in order, and the one last.
      order.clear();
      for (Slot slot = 0; slot < size; ++slot) {
        if (slot != place) order.push_back(slot);
      }
      order.push_back(place);
      ExpectInsertion(line, order, size, scratch);
      if (size > 1) ExpectInsertion(line, order, size - 1, scratch);
    }
  }
}

TEST(CandidatePool, KeepsTheOrderOfEqualDistances) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  Scratch scratch;
  for (size_t round = 0; round < Scaled(1000, 100); ++round) {
    const size_t size = 1 + random() % 300;
    const size_t different = 1 + random() % 12;
    std::vector<float> places(size);
    for (float& place : places) place = static_cast<float>(random() % different);
    const Line line(places);
    std::vector<Slot> order(size);
    for (Slot slot = 0; slot < size; ++slot) order[slot] = slot;
    std::shuffle(order.begin(), order.end(), random);
    ExpectInsertion(line, order, 1 + random() % (size + 3), scratch);
  }
}

// Hidden nodes do not take the place of results, up to a bound; behind the last result they go.
TEST(CandidatePool, KeepsHiddenNodesBesideTheResults) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  SlotBitmap dead;
  ASSERT_TRUE(dead.Grow(400));
  const AliveOnly alive{&dead};
  for (size_t round = 0; round < Scaled(1000, 100); ++round) {
    const size_t size = 1 + random() % 300;
    const size_t ef = 1 + random() % 40;
    std::vector<float> places(size);
    for (float& place : places) place = static_cast<float>(random() % 1000);
    const Line line(places);
    std::vector<Slot> order(size);
    std::vector<float> results;
    for (Slot slot = 0; slot < size; ++slot) {
      order[slot] = slot;
      if (random() % 2 == 0) {
        dead.Set(slot);
      } else {
        dead.Clear(slot);
        results.push_back(places[slot]);
      }
    }
    std::shuffle(order.begin(), order.end(), random);
    std::sort(results.begin(), results.end());
    results.resize(std::min(results.size(), ef));
    const float query = -1;
    for (const WalkTable* const form : Forms()) {
      Scratch scratch;
      scratch.Prepare(ef, size);
      form->walk({.links = &line.links,
                  .scorer = line.vectors.ScorerFor(&query),
                  .seeds = order,
                  .seeds_kept = order.size(),
                  .alive = &alive},
                 scratch);
      const CandidatePool& pool = scratch.pool;
      std::vector<float> found;
      size_t hidden = 0;
      for (size_t i = 0; i < pool.size; ++i) {
        EXPECT_EQ(pool.is_result(i), !dead.Test(pool.slot(i)));
        if (pool.is_result(i)) {
          found.push_back(pool.distance[i]);
        } else {
          ++hidden;
        }
      }
      ASSERT_EQ(found, results);
      ASSERT_EQ(pool.transit, hidden);
      ASSERT_LE(pool.size, ef + hidden);
    }
  }
}

TEST(CandidatePool, BoundsHiddenNodes) {
  const size_t size = Scratch::kMaxTransit + 500;
  std::vector<float> places(size);
  for (size_t i = 0; i < size; ++i) places[i] = static_cast<float>(size - i);
  const Line line(places);
  SlotBitmap dead;
  ASSERT_TRUE(dead.Grow(size));
  std::vector<Slot> order(size);
  for (Slot slot = 0; slot < size; ++slot) {
    order[slot] = slot;
    if (slot != 0) dead.Set(slot);  // the farthest, which comes first, is the only result
  }
  const AliveOnly alive{&dead};
  const float query = -1;
  for (const WalkTable* const form : Forms()) {
    Scratch scratch;
    scratch.Prepare(1, size);
    form->walk({.links = &line.links,
                .scorer = line.vectors.ScorerFor(&query),
                .seeds = order,
                .seeds_kept = order.size(),
                .alive = &alive},
               scratch);
    const CandidatePool& pool = scratch.pool;
    EXPECT_EQ(pool.transit, Scratch::kMaxTransit);
    ASSERT_EQ(pool.size, Scratch::kMaxTransit + 1);
    EXPECT_EQ(pool.slot(pool.size - 1), 0u);
  }
}

TEST(Scratch, ForgetsAllMarksWhenItsLogWasTooShort) {
  Scratch scratch;
  scratch.Prepare(10, 1'000'000);
  ASSERT_LT(scratch.touched_room, 200'000u);
  for (int round = 0; round < 2; ++round) {
    for (Slot slot = 0; slot < 1'000'000; slot += 5) ASSERT_TRUE(scratch.Visit(slot));
    for (Slot slot = 0; slot < 1'000'000; slot += 5) ASSERT_FALSE(scratch.Visit(slot));
    EXPECT_GT(scratch.touched_count, scratch.touched_room);
    scratch.ClearVisited();
  }
  // And with a log that was long enough.
  for (Slot slot = 3; slot < 3000; ++slot) ASSERT_TRUE(scratch.Visit(slot));
  EXPECT_LE(scratch.touched_count, scratch.touched_room);
  scratch.ClearVisited();
  for (Slot slot = 0; slot < scratch.slot_limit; ++slot) ASSERT_TRUE(scratch.Visit(slot));
}

TEST(Scratch, GrowsWithTheTableAndTheBeam) {
  Scratch scratch;
  size_t bytes = scratch.memory_bytes();
  for (const size_t slots : {0, 1, 31, 32, 1000, 100'000}) {
    for (const size_t ef : {1, 16, 1000, 16'384}) {
      scratch.Prepare(ef, slots);
      EXPECT_GT(scratch.slot_limit, slots);
      EXPECT_GE(scratch.pool.room, ef + Scratch::kMaxTransit + 1);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch.pool.distance) % 64, 0u);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch.pool.tagged) % 64, 0u);
      EXPECT_EQ(scratch.pool.size, 0u);
      EXPECT_GE(scratch.memory_bytes(), bytes);
      bytes = scratch.memory_bytes();
    }
  }
  scratch.Prepare(1, 1);
  EXPECT_EQ(scratch.memory_bytes(), bytes);
}

}  // namespace
}  // namespace vitrine::index_candidate_pool_test
