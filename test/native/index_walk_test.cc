#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "index/walk.h"
#include "random_data.h"
#include "walk_support.h"

namespace vitrine::index_walk_test {
namespace {

const WalkTable& Portable() { return WalksFor(InstructionSet::kScalar); }

// Versions of the rows and readers below are counted from here: stamps go once around the circle.
constexpr uint64_t kFirst = (uint64_t{5} << 31) - 3;

// A graph without any rule: links and fill edges at random.
struct RandomGraph {
  RandomGraph(size_t node_count, size_t width, size_t dimension, uint64_t seed)
      : count(node_count), vectors(dimension, Metric::kL2, ScalarKernels()), links(width) {
    EXPECT_TRUE(vectors.Grow(count) && links.Grow(count));
    EXPECT_TRUE(unsettled.Grow(count) && shared.Grow(count) && dead.Grow(count));
    EXPECT_TRUE(allowed.Grow(count) && stamps.Grow(count));
    std::mt19937_64 random(seed);
    const std::vector<float> data = NormalVectors(count, dimension, seed + 1);
    for (Slot slot = 0; slot < count; ++slot) {
      vectors.Put(slot, data.data() + slot * dimension);
      for (size_t i = 0; i < width; ++i) {
        const Slot to = static_cast<Slot>(random() % count);
        const uint64_t kind = random() % 8;
        links.Store(slot, i, kind < 4 ? to : kind < 6 ? to | Links::kFill : kNoSlot);
      }
      births.push_back(kFirst + 1 + random() % 4);
      deaths.push_back(random() % 2 == 0 ? UINT64_MAX : kFirst + 3 + random() % 4);
      stamps[slot].birth = births.back() == kFirst + 1 ? kAlways : StampOf(births.back());
      stamps[slot].death = deaths.back() == UINT64_MAX ? kNever : StampOf(deaths.back());
      if (births.back() > kFirst + 2 || deaths.back() != UINT64_MAX) unsettled.Set(slot);
      if (random() % 16 == 0) shared.Set(slot);
      if (random() % 5 == 0) dead.Set(slot);
    }
  }

  void Allow(double share, uint64_t seed) {
    std::mt19937_64 random(seed);
    for (Slot slot = 0; slot < count; ++slot) {
      if (std::uniform_real_distribution<>()(random) < share) {
        allowed.Set(slot);
      } else {
        allowed.Clear(slot);
      }
    }
  }

  size_t count;
  VectorStore vectors;
  Links links;
  SlotBitmap unsettled, shared, dead, allowed;
  SlotArray<Stamps> stamps;
  std::vector<uint64_t> births, deaths;  // what the stamps stand for
};

struct Outcome {
  std::vector<std::pair<float, uint32_t>> pool;  // distances and tagged slots
  std::vector<uint32_t> visited;                 // a bit a slot
  SearchCounters counters;

  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.pool == b.pool && a.visited == b.visited && a.counters.hops == b.counters.hops &&
           a.counters.entry_evaluations == b.counters.entry_evaluations &&
           a.counters.graph_evaluations == b.counters.graph_evaluations &&
           a.counters.transit_nodes == b.counters.transit_nodes &&
           a.counters.kernel_calls == b.counters.kernel_calls;
  }
};

std::vector<std::pair<float, uint32_t>> PoolOf(const Scratch& scratch) {
  std::vector<std::pair<float, uint32_t>> pool;
  for (size_t i = 0; i < scratch.pool.size; ++i) {
    pool.emplace_back(scratch.pool.distance[i], scratch.pool.tagged[i]);
  }
  return pool;
}

Outcome WalkOnce(const WalkTable& form, const WalkRequest& request, size_t ef, size_t count,
                 Scratch& scratch) {
  Outcome outcome;
  scratch.Prepare(ef, count);
  const StopReason reason = request.alive == nullptr
                                ? form.walk_counted(request, scratch, outcome.counters)
                                : form.walk(request, scratch);
  EXPECT_EQ(reason, StopReason::kExhausted);
  outcome.pool = PoolOf(scratch);
  outcome.visited.assign(scratch.visited, scratch.visited + count / 32 + 1);
  scratch.ClearVisited();
  return outcome;
}

std::vector<Slot> SomeSeeds(size_t count, size_t of, std::mt19937_64& random) {
  std::vector<Slot> seeds(count);
  for (Slot& seed : seeds) seed = static_cast<Slot>(random() % of);  // some of them come twice
  return seeds;
}

TEST(Walk, GivesTheSamePoolInEveryForm) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  const auto forms = Forms();
  const size_t query_count = Rounds(12, 3);
  for (const size_t width : {16, 32, 64, 256}) {
    RandomGraph graph(Scaled(3000, 600), width, 5, random());
    const std::vector<float> queries = NormalVectors(query_count, 5, random());
    Scratch scratch;
    for (size_t q = 0; q < query_count; ++q) {
      const SnapshotVisible snapshot{&graph.unsettled, &graph.shared, &graph.stamps,
                                     kFirst + 1 + q % 6};
      const AliveOnly alive{&graph.dead};
      graph.Allow(std::array{0.05, 0.3, 0.8}[q % 3], random());
      const AllowedVisible pass{snapshot, &graph.allowed};
      const FilterWalk filter{.admit = {&graph.allowed}, .use_fill_edges = q % 2 == 0};
      const auto seeds = SomeSeeds(1 + random() % 70, graph.count, random);
      const WalkRequest plain{.links = &graph.links,
                              .scorer = graph.vectors.ScorerFor(queries.data() + q * 5),
                              .seeds = seeds};
      for (const size_t ef : {1, 7, 16, 17, 28, 64, 100, 600}) {
        for (int kind = 0; kind < 6; ++kind) {
          WalkRequest request = plain;
          if (kind == 1 || kind == 4) request.snapshot = &snapshot;
          if (kind == 2) request.alive = &alive;
          if (kind == 3 || kind == 4) request.filter = &filter;
          if (kind == 5) request.allowed = &pass;
          const Outcome expected = WalkOnce(Portable(), request, ef, graph.count, scratch);
          for (const WalkTable* const form : forms) {
            ASSERT_TRUE(WalkOnce(*form, request, ef, graph.count, scratch) == expected)
                << "width " << width << " query " << q << " ef " << ef << " kind " << kind
                << " form " << static_cast<int>(form->set);
          }
          for (size_t i = 1; i < expected.pool.size(); ++i) {
            ASSERT_LE(expected.pool[i - 1].first, expected.pool[i].first);
          }
        }
      }
    }
  }
}

// With a beam as wide as the graph a walk is a traversal: what it finds is known.
TEST(Walk, FindsWhatCanBeReachedAndTellsWhatIsHidden) {
  VITRINE_TRACE_SEED();
  RandomGraph graph(600, 16, 3, TestSeed());
  const std::vector<float> query = NormalVectors(1, 3, TestSeed() + 9);
  const VectorScorer scorer = graph.vectors.ScorerFor(query.data());
  const std::vector<Slot> seeds = {5, 99};
  for (uint64_t version = kFirst + 1; version <= kFirst + 6; ++version) {
    const SnapshotVisible snapshot{&graph.unsettled, &graph.shared, &graph.stamps, version};
    std::set<Slot> reachable(seeds.begin(), seeds.end());
    for (std::vector<Slot> open = seeds; !open.empty();) {
      const Slot slot = open.back();
      open.pop_back();
      for (size_t i = 0; i < graph.links.width(); ++i) {
        const uint32_t word = graph.links.Load(slot, i);
        if (Links::IsLink(word) && reachable.insert(word).second) open.push_back(word);
      }
    }
    for (const WalkTable* const form : Forms()) {
      Scratch scratch;
      const Outcome found = WalkOnce(*form,
                                     {.links = &graph.links,
                                      .scorer = scorer,
                                      .seeds = seeds,
                                      .seeds_kept = 2,
                                      .snapshot = &snapshot},
                                     graph.count, graph.count, scratch);
      for (Slot slot = 0; slot < graph.count; ++slot) {
        EXPECT_EQ(found.visited[slot / 32] >> (slot % 32) & 1, reachable.contains(slot) ? 1u : 0u);
      }
      ASSERT_EQ(found.pool.size(), reachable.size());
      for (const auto& [distance, tagged] : found.pool) {
        const Slot slot = tagged & CandidatePool::kSlotMask;
        EXPECT_EQ(distance, scorer.ScoreOne(slot));
        EXPECT_EQ((tagged & CandidatePool::kTransit) == 0, snapshot(slot));
        EXPECT_NE(tagged & CandidatePool::kExpanded, 0u);
        const bool shown = graph.births[slot] <= version && version < graph.deaths[slot];
        EXPECT_EQ(snapshot(slot), shown || graph.shared.Test(slot) || !graph.unsettled.Test(slot));
      }
    }
  }
}

TEST(Walk, UnderAFilterScoresOnlyWhatIsAllowed) {
  VITRINE_TRACE_SEED();
  RandomGraph graph(3000, 32, 4, TestSeed());
  const std::vector<float> query = NormalVectors(1, 4, TestSeed() + 9);
  for (const double share : {0.01, 0.1, 0.5, 0.9}) {
    graph.Allow(share, TestSeed());
    std::vector<Slot> seeds;
    for (Slot slot = 0; seeds.size() < 8; ++slot) {
      if (graph.allowed.Test(slot)) seeds.push_back(slot);
    }
    const FilterWalk filter{.admit = {&graph.allowed}, .use_fill_edges = share < 0.1};
    for (const WalkTable* const form : Forms()) {
      Scratch scratch;
      const Outcome found = WalkOnce(*form,
                                     {.links = &graph.links,
                                      .scorer = graph.vectors.ScorerFor(query.data()),
                                      .seeds = seeds,
                                      .filter = &filter},
                                     64, graph.count, scratch);
      EXPECT_GE(found.pool.size(), 8u);
      for (const auto& [distance, tagged] : found.pool) {
        EXPECT_TRUE(graph.allowed.Test(tagged & CandidatePool::kSlotMask));
      }
    }
  }
}

class ListedWalks final : public WalkSource {
 public:
  ListedWalks(std::vector<WalkRequest> requests, size_t ef, size_t count,
              std::span<Scratch> scratches)
      : requests_(std::move(requests)), ef_(ef), count_(count), scratches_(scratches) {
    pools.resize(requests_.size());
    counters.resize(requests_.size());
  }

  const WalkRequest* Next(size_t lane) override {
    if (next_ == requests_.size()) return nullptr;
    in_lane_[lane] = next_;
    scratches_[lane].Prepare(ef_, count_);
    return &requests_[next_++];
  }
  SearchCounters* CountersOf(size_t lane) override { return &counters[in_lane_[lane]]; }
  void Done(size_t lane, StopReason reason) override {
    EXPECT_FALSE(pools[in_lane_[lane]].has_value()) << "a walk ended twice";
    pools[in_lane_[lane]] = PoolOf(scratches_[lane]);
    scratches_[lane].ClearVisited();
    reasons.insert(reason);
  }

  std::vector<std::optional<std::vector<std::pair<float, uint32_t>>>> pools;
  std::set<StopReason> reasons;
  std::vector<SearchCounters> counters;

 private:
  const std::vector<WalkRequest> requests_;
  const size_t ef_, count_;
  const std::span<Scratch> scratches_;
  std::array<size_t, kWalkLanes> in_lane_ = {};
  size_t next_ = 0;
};

TEST(Stamps, SayTheSameAllAroundTheCircle) {
  for (const uint64_t now : {uint64_t{1}, uint64_t{1} << 30, (uint64_t{1} << 31) - 1,
                             uint64_t{1} << 31, (uint64_t{7} << 31) + 5}) {
    for (const uint64_t ago : {0, 1, 2, 1000, (1 << 30) - 1}) {
      if (ago >= now) continue;
      const Stamp stamp = StampOf(now - ago);
      EXPECT_TRUE(HasHappened(stamp, now)) << now << " - " << ago;
      EXPECT_EQ(VersionOf(stamp, now), now - ago);
      if (ago > 0) {
        EXPECT_FALSE(HasHappened(StampOf(now), now - ago)) << now << " - " << ago;
      }
    }
    EXPECT_TRUE(HasHappened(kAlways, now));
    EXPECT_FALSE(HasHappened(kNever, now));
    EXPECT_EQ(VersionOf(kAlways, now), 1u);
    SlotArray<Stamps> fresh;
    ASSERT_TRUE(fresh.Grow(1));
    EXPECT_FALSE(fresh[0].VisibleAt(now));
  }
}

TEST(InterleavedWalks, FindWhatSingleWalksFind) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  RandomGraph graph(4000, 32, 6, random());
  const SnapshotVisible snapshot{&graph.unsettled, &graph.shared, &graph.stamps, kFirst + 3};
  for (const WalkTable* const form : Forms()) {
    std::vector<Scratch> scratches(kWalkLanes);
    Scratch* const lanes[kWalkLanes] = {&scratches[0], &scratches[1], &scratches[2], &scratches[3]};
    for (const size_t walks : {0, 1, 2, 3, 4, 5, 33}) {
      const std::vector<float> queries = NormalVectors(walks, 6, random());
      const std::vector<Slot> seeds = SomeSeeds(40, graph.count, random);
      for (const SnapshotVisible* const shown :
           {static_cast<const SnapshotVisible*>(nullptr), &snapshot}) {
        std::vector<WalkRequest> requests;
        for (size_t i = 0; i < walks; ++i) {
          // Some have no seeds, and end before they begin.
          requests.push_back({.links = &graph.links,
                              .scorer = graph.vectors.ScorerFor(queries.data() + i * 6),
                              .seeds = std::span(seeds).first(i % 5 == 4 ? 0 : 10 + i % 30)});
        }
        for (const bool counted : {false, true}) {
          ListedWalks source(requests, 50, graph.count, scratches);
          form->walk_interleaved(source, {.counted = counted, .snapshot = shown}, lanes);
          for (size_t i = 0; i < walks; ++i) {
            WalkRequest alone = requests[i];
            alone.snapshot = shown;
            Scratch scratch;
            const Outcome expected = WalkOnce(*form, alone, 50, graph.count, scratch);
            ASSERT_TRUE(source.pools[i].has_value());
            EXPECT_EQ(*source.pools[i], expected.pool);
            EXPECT_EQ(source.counters[i].hops, counted ? expected.counters.hops : 0);
            EXPECT_EQ(source.counters[i].evaluations(),
                      counted ? expected.counters.evaluations() : 0);
            EXPECT_EQ(source.counters[i].kernel_calls,
                      counted ? expected.counters.kernel_calls : SearchCounters{}.kernel_calls);
          }
        }
      }
    }
  }
}

TEST(InterleavedWalks, EndWhenCancelled) {
  RandomGraph graph(1000, 16, 4, 1);
  const std::vector<float> query = NormalVectors(1, 4, 2);
  const std::vector<Slot> seeds = {1, 2, 3};
  const std::atomic<bool> cancelled{true};
  for (const WalkTable* const form : Forms()) {
    std::vector<Scratch> scratches(kWalkLanes);
    Scratch* const lanes[kWalkLanes] = {&scratches[0], &scratches[1], &scratches[2], &scratches[3]};
    const WalkRequest request{.links = &graph.links,
                              .scorer = graph.vectors.ScorerFor(query.data()),
                              .seeds = seeds,
                              .control = {.cancelled = &cancelled}};
    ListedWalks source(std::vector(9, request), 20, graph.count, scratches);
    form->walk_interleaved(source, {}, lanes);
    EXPECT_EQ(source.reasons, std::set{StopReason::kCancelled});
    for (const auto& pool : source.pools) EXPECT_TRUE(pool.has_value());
  }
}

using KernelCalls = decltype(SearchCounters::kernel_calls);

// Ten rows at the places 0 to 9, each linked to its neighbours on both sides; a walk from row 0 to
// the place 4.2 with a beam of two scores row 0 as its seed and rows 1 to 6 on its way. It expands
// rows 0 to 5: when row 6 is met, rows 4 and 5 are both nearer and have been expanded.
TEST(SearchCounters, CountWhatAWalkAlongALineDoes) {
  Line line({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Metric::kL2);
  for (Slot slot = 0; slot < 10; ++slot) {
    if (slot > 0) line.links.Store(slot, 0, slot - 1);
    if (slot < 9) line.links.Store(slot, 1, slot + 1);
  }
  const float query = 4.2F;
  const std::vector<Slot> seeds = {0};
  for (const WalkTable* const form : Forms()) {
    Scratch scratch;
    const Outcome outcome = WalkOnce(
        *form, {.links = &line.links, .scorer = line.vectors.ScorerFor(&query), .seeds = seeds}, 2,
        10, scratch);
    EXPECT_EQ(outcome.counters.entry_evaluations, 1u);
    EXPECT_EQ(outcome.counters.graph_evaluations, 6u);
    EXPECT_EQ(outcome.counters.hops, 6u);
    EXPECT_EQ(outcome.counters.transit_nodes, 0u);
    EXPECT_EQ(outcome.counters.evaluations(), 7u);
    // One for the seed and one for each hop, as each meets a single row.
    EXPECT_EQ(outcome.counters.kernel_calls, (KernelCalls{7, 0, 0}));
  }
}

// The same line under a filter that allows every other row: rows 0, 2, 4 and 6 are walked from, by
// way of rows 1, 3, 5 and 7, which lead to rows 2, 4, 6 and 8.
TEST(SearchCounters, CountTheRowsThatAreReadInTheSteadOfOthers) {
  struct Recorder final : PhaseListener {
    void Enter(SearchPhase phase) override { entered.push_back(phase); }
    std::vector<SearchPhase> entered;
  };
  Line line({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Metric::kL2);
  SlotBitmap even;
  ASSERT_TRUE(even.Grow(10));
  for (Slot slot = 0; slot < 10; ++slot) {
    if (slot > 0) line.links.Store(slot, 0, slot - 1);
    if (slot < 9) line.links.Store(slot, 1, slot + 1);
    if (slot % 2 == 0) even.Set(slot);
  }
  const float query = 4.2F;
  const std::vector<Slot> seeds = {0};
  const FilterWalk filter{.admit = {&even}};
  const WalkRequest request{.links = &line.links,
                            .scorer = line.vectors.ScorerFor(&query),
                            .seeds = seeds,
                            .filter = &filter};
  for (const WalkTable* const form : Forms()) {
    Scratch scratch;
    scratch.Prepare(2, 10);
    Recorder recorder;
    SearchCounters counters;
    counters.phases = &recorder;
    EXPECT_EQ(form->walk_counted(request, scratch, counters), StopReason::kExhausted);
    scratch.ClearVisited();
    EXPECT_EQ(counters.hops, 4u);
    EXPECT_EQ(counters.second_hops, 4u);
    EXPECT_EQ(counters.entry_evaluations, 1u);
    EXPECT_EQ(counters.graph_evaluations, 4u);
    EXPECT_EQ(counters.kernel_calls, (KernelCalls{5, 0, 0}));
    EXPECT_EQ(recorder.entered, (std::vector{SearchPhase::kEntries, SearchPhase::kGraph}));
  }
}

}  // namespace
}  // namespace vitrine::index_walk_test
