// What statistics cost a search, against the same program compiled with VITRINE_NO_STATISTICS. It
// is linked with the engine's own objects, as users get them, and calls as the binding's searchInto
// does. bench/stats.mjs runs it.
//
//   statistics_cost search LEVEL SEARCHES   ns a search, as JSON; under callgrind the instructions
//                                           of MeasuredSearches are those of the searches
//   statistics_cost flush                   ns that counting one search takes, by level, as JSON
//   statistics_cost memory                  bytes and snapshot times, as JSON

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "engine/table.h"
#include "kernels/kernels.h"
#include "stats/histogram_layout.h"
#include "stats/lazy_statistics.h"
#include "stats/operation_span.h"
#include "stats/recall_sampler.h"

namespace {

using namespace vitrine;
using Clock = std::chrono::steady_clock;

constexpr size_t kDimension = 32;
constexpr size_t kPoints = 2000;
constexpr size_t kQueries = 64;
constexpr size_t kHits = 10;
// Counters, and one search of a thousand is repeated exactly.
constexpr std::string_view kSampled = "sampled";
constexpr double kSampleRate = 0.001;

double NanosecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

std::vector<float> RandomVectors(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * kDimension);
  for (float& component : vectors) component = normal(random);
  return vectors;
}

std::span<const std::byte> Bytes(const std::vector<float>& vectors) {
  return std::as_bytes(std::span(vectors));
}

// As IndexHandle in native/binding/index_handle.h.
struct Handle {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Table> table;
  LocalStatistics statistics;
};

[[gnu::noinline]] Result<size_t> SearchCounted(Handle& handle, const float* query,
                                               const SearchParameters& parameters,
                                               std::span<Hit> hits) {
  OperationSpan span(handle.statistics.counting(), CountedOperation::kSearch);
  const RecallSampler recall(*handle.statistics.counting());
  SearchCounters counters = CountersOf(recall);
  span.Start();
  Result<size_t> found = handle.table->Search(query, parameters, hits, counters);
  span.Stop();
  span.End(found.ok() ? Status() : found.status(), {.search = &counters});
  return found;
}

// One search, in the shape of SearchInto in native/binding/search_functions.cc: a call of its own,
// out of which nothing is moved.
[[gnu::noipa]] Result<size_t> SearchOnce(Handle& handle, const float* query,
                                         const SearchParameters& parameters, std::span<Hit> hits) {
  if (handle.statistics.on()) [[unlikely]]
    return SearchCounted(handle, query, parameters, hits);
  return handle.table->Search(query, parameters, hits);
}

// Kept whole and apart: its name is what callgrind collects within.
[[gnu::noinline]] size_t MeasuredSearches(Handle& handle, const std::vector<float>& queries,
                                          size_t searches) {
  std::vector<Hit> hits(kHits);
  size_t sum = 0;
  for (size_t i = 0; i < searches; ++i) {
    const float* const query = queries.data() + (i % kQueries) * kDimension;
    const Result<size_t> found = SearchOnce(handle, query, {.k = kHits}, hits);
    sum += found.ok() ? *found + hits[0].id : 0;
  }
  return sum;
}

std::unique_ptr<Table> MakeTable(ThreadPool* pool) {
  const char* const isa = std::getenv("VITRINE_ISA");
  const KernelTable* const kernels = SelectKernels(isa == nullptr ? "" : isa);
  if (kernels == nullptr) std::exit(2);
  TableOptions options;
  options.dimension = kDimension;
  auto table = Table::Create(options, *kernels, pool);
  if (!table.ok()) std::exit(2);
  const std::vector<float> points = RandomVectors(kPoints, 1);
  std::vector<PointId> ids;
  if (!(*table)->AddNumbered(kPoints, Bytes(points), ids).ok()) std::exit(2);
  return std::move(*table);
}

bool SetLevel(LocalStatistics& statistics, std::string_view level) {
  statistics.Use()->SetRecallSampleRate(level == kSampled ? kSampleRate : 0);
  if (level == kSampled) level = "counters";
  const auto* const found =
      std::find(std::begin(kStatsLevelNames), std::end(kStatsLevelNames), level);
  if (found == std::end(kStatsLevelNames)) return false;
  // Off is off again, and not off still: nobody pays for what was on once.
  statistics.SetLevel(StatsLevel::kPhases);
  statistics.SetLevel(static_cast<StatsLevel>(found - std::begin(kStatsLevelNames)));
  return true;
}

int Search(std::string_view level, size_t searches) {
  // Who repeats searches.
  auto pool = std::make_unique<ThreadPool>(1);
  auto table = MakeTable(pool.get());
  Handle handle{std::move(pool), std::move(table), {}};
  if (!SetLevel(handle.statistics, level)) return 2;
  const std::vector<float> queries = RandomVectors(kQueries, 2);
  // Shards and scratches are made by the first.
  MeasuredSearches(handle, queries, kQueries);
  const Clock::time_point start = Clock::now();
  const size_t sum = MeasuredSearches(handle, queries, searches);
  const double ns = NanosecondsSince(start) / static_cast<double>(searches);
  std::printf("{\"nanoseconds\": %.1f, \"checksum\": %zu}\n", ns, sum);
  return 0;
}

// How long a loop takes each time, without what an empty one takes.
template <typename Body>
double CostOf(Body body) {
  constexpr size_t kTimes = 200'000;
  std::vector<double> costs;
  for (size_t round = 0; round < 15; ++round) {
    Clock::time_point start = Clock::now();
    for (size_t i = 0; i < kTimes; ++i) asm volatile("" : : "r"(i) : "memory");
    const double empty = NanosecondsSince(start);
    start = Clock::now();
    for (size_t i = 0; i < kTimes; ++i) {
      asm volatile("" : : "r"(i) : "memory");
      body(i);
    }
    costs.push_back((NanosecondsSince(start) - empty) / kTimes);
  }
  return Median(std::move(costs));
}

int Flush() {
  std::printf("{");
  const char* separator = "";
  volatile size_t drawn = 0;
  std::vector<std::string_view> levels(std::begin(kStatsLevelNames), std::end(kStatsLevelNames));
  levels.push_back(kSampled);
  for (const std::string_view level : levels) {
    LocalStatistics statistics;
    if (!SetLevel(statistics, level)) return 2;
    const double ns = CostOf([&](size_t i) {
      if (!statistics.on()) return;
      OperationSpan span(statistics.counting(), CountedOperation::kSearch);
      const RecallSampler recall(*statistics.counting());
      SearchCounters counters = CountersOf(recall);
      span.Submit();
      span.Start();
      // What a search would have done.
      counters.strategy = SearchStrategy::kGraph;
      counters.hops = 60 + i % 8;
      counters.entry_evaluations = 63;
      counters.graph_evaluations = 900 + i % 64;
      counters.kernel_calls[static_cast<size_t>(ComparedWith::kVectors)] = 250 + i % 16;
      counters.returned = 10;
      if (counters.recall->Draw()) drawn = drawn + 1;
      span.Stop();
      span.End({}, {.search = &counters});
    });
    std::printf("%s\"%s\": %.2f", separator, level.data(), ns);
    separator = ", ";
  }
  std::printf("}\n");
  return 0;
}

// How much the statistics of a table grow with it, when all histograms of writes are there.
size_t BytesOfThousandVectors() {
  Handle handle{nullptr, MakeTable(nullptr), {}};
  if (!SetLevel(handle.statistics, "cpu")) std::exit(2);
  const auto add = [&] {
    constexpr size_t kMore = 1000;
    std::vector<PointId> ids;
    OperationSpan span(handle.statistics.counting(), CountedOperation::kInsert);
    span.Start();
    const Status status = handle.table->AddNumbered(kMore, Bytes(RandomVectors(kMore, 3)), ids);
    span.Stop();
    span.End(status, {.vectors = kMore, .indexed = kMore});
    return handle.statistics.memory_bytes();
  };
  const size_t before = add();
  return add() - before;
}

int Memory() {
  std::vector<std::shared_ptr<Statistics>> all;
  SearchCounters search{.hops = 60, .strategy = SearchStrategy::kGraph};
  search.graph_evaluations = 900;
  for (size_t i = 0; i < 1000; ++i) {
    all.push_back(Statistics::Create());
    all.back()->Count({.level = StatsLevel::kCounters, .search = &search});
  }
  const size_t counters = sizeof(StatsShard);
  const size_t one_database = all.front()->memory_bytes();
  const size_t seconds = Histogram(HistogramLayout::Seconds()).memory_bytes();
  const size_t counts = Histogram(HistogramLayout::Counts()).memory_bytes();
  const auto snapshots = [&] {
    std::vector<double> times;
    for (size_t round = 0; round < 31; ++round) {
      const Clock::time_point start = Clock::now();
      uint64_t finished = 0;
      for (const auto& statistics : all) {
        finished += statistics->Snapshot().finished(CountedOperation::kSearch);
      }
      times.push_back(NanosecondsSince(start));
      if (finished < all.size()) std::exit(2);
    }
    return Median(std::move(times));
  };
  const double of_counters = snapshots();
  for (const auto& statistics : all) {
    statistics->Count({.level = StatsLevel::kHistograms, .duration_ns = 1000, .search = &search});
  }
  std::printf("{\"statistics\": %zu, \"thousandVectors\": %zu, ", one_database,
              BytesOfThousandVectors());
  std::printf("\"shard\": %zu, \"histogramOfSeconds\": %zu, \"histogramOfCounts\": %zu, ", counters,
              seconds, counts);
  std::printf("\"snapshots1000\": %.0f, \"snapshots1000WithHistograms\": %.0f}\n", of_counters,
              snapshots());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "search" && argc == 4) return Search(argv[2], std::strtoul(argv[3], nullptr, 10));
  if (what == "flush") return Flush();
  if (what == "memory") return Memory();
  return 2;
}
