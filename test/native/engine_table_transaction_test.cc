// Writes that become visible as a whole, images of a table, and tables made from images.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "engine/table_image.h"
#include "engine/table_restorer.h"
#include "engine/table_transaction.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_table_transaction_test {
namespace {

constexpr size_t kDimension = 6;

using Point = TableTransaction::Point;

std::vector<Point> PointsOf(std::span<const PointId> ids, const std::vector<float>& vectors) {
  std::vector<Point> points;
  for (size_t i = 0; i < ids.size(); ++i) {
    points.push_back({ids[i], vectors.data() + i * kDimension});
  }
  return points;
}

// Some vectors are equal, some are zero.
std::vector<float> MixedVectors(size_t count, uint64_t seed) {
  std::vector<float> vectors = NormalVectors(count, kDimension, seed);
  for (size_t i = 0; i < count; ++i) {
    float* const vector = vectors.data() + i * kDimension;
    if (i % 7 == 3) std::copy_n(vectors.data(), kDimension, vector);
    if (i % 13 == 5) std::fill_n(vector, kDimension, 0.f);
  }
  return vectors;
}

std::unique_ptr<Table> SmallTable(Metric metric = Metric::kCosine) {
  return MakeTable({.dimension = kDimension, .metric = metric, .graph = {.m = 6}});
}

std::vector<Hit> AllHits(const Table& table, bool exact) {
  const float query[kDimension] = {1, -2, 3, 0.5f, 1, 1};
  return SearchHits(table, query,
                    {.k = 5000, .ef = exact ? size_t{0} : size_t{8000}, .exact = exact});
}

TEST(TableTransaction, ShowsNothingBeforeItIsPublishedAndThenEverything) {
  const auto table = SmallTable();
  const std::vector<PointId> first = IdsFrom(0, 700);
  const std::vector<float> vectors = MixedVectors(700, 1);
  ExpectOk(table->Add(first, vectors));
  const std::vector<Hit> before = AllHits(*table, true);
  {
    const std::vector<PointId> more = IdsFrom(1000, 1500);
    const std::vector<float> more_vectors = MixedVectors(1500, 2);
    TableTransaction write(*table);
    ExpectOk(write.Prepare(PointsOf(more, more_vectors), IdsFrom(0, 600)));
    EXPECT_EQ(AllHits(*table, true), before);
    EXPECT_EQ(AllHits(*table, false), before);
    EXPECT_EQ(table->size(), 700u);
    EXPECT_FALSE(table->Has(1000));
    write.Publish();
    EXPECT_EQ(table->size(), 1600u);
    EXPECT_FALSE(table->Has(599));
    EXPECT_TRUE(table->Has(2499));
    EXPECT_EQ(AllHits(*table, true).size(), 1600u);
    write.Tidy();
  }
  EXPECT_EQ(AllHits(*table, false), AllHits(*table, true));
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->CountUnreachable(), 0u);
}

TEST(TableTransaction, LeavesNothingWithoutPublish) {
  const auto table = SmallTable();
  ExpectOk(table->Add(IdsFrom(0, 300), MixedVectors(300, 1)));
  const std::vector<Hit> before = AllHits(*table, true);
  for (int round = 0; round < 5; ++round) {
    const std::vector<float> vectors = MixedVectors(900, 2);
    TableTransaction write(*table);
    ExpectOk(write.Prepare(PointsOf(IdsFrom(1000, 900), vectors), IdsFrom(5, 50)));
  }
  ExpectOk(table->Sweep());
  EXPECT_EQ(table->size(), 300u);
  EXPECT_EQ(AllHits(*table, true), before);
  EXPECT_EQ(AllHits(*table, false), before);
  EXPECT_EQ(table->CountUnreachable(), 0u);
  // The rows that it had are used again.
  const size_t rows = table->memory().vectors;
  {
    const std::vector<float> vectors = MixedVectors(900, 3);
    TableTransaction write(*table);
    ExpectOk(write.Prepare(PointsOf(IdsFrom(1000, 900), vectors), {}));
    write.Publish();
  }
  EXPECT_EQ(table->memory().vectors, rows);
}

// All points of a round carry its number: a search that sees two numbers saw half a write.
TEST(TableTransaction, NoSearchSeesHalfOfIt) {
  const auto table = MakeTable({.dimension = 2, .metric = Metric::kL2, .graph = {.m = 4}});
  constexpr size_t kPoints = 1100;
  std::atomic<bool> stop{false};
  std::atomic<size_t> searches{0};
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const float query[2] = {0, 0};
      std::vector<Hit> hits(kPoints * 2);
      const auto found = table->Search(query, {.k = kPoints * 2, .exact = true}, hits);
      ASSERT_TRUE(found.ok());
      ASSERT_TRUE(*found == 0 || *found == kPoints) << *found;
      for (size_t i = 1; i < *found; ++i) {
        ASSERT_EQ(hits[i].id / 10'000, hits[0].id / 10'000);
      }
      searches.fetch_add(1, std::memory_order_relaxed);
    }
  });
  std::vector<PointId> there;
  for (PointId round = 1; round <= Scaled(30, 4); ++round) {
    const std::vector<PointId> ids = IdsFrom(round * 10'000, kPoints);
    const std::vector<float> vectors = NormalVectors(kPoints, 2, round);
    std::vector<Point> points;
    for (size_t i = 0; i < kPoints; ++i) points.push_back({ids[i], vectors.data() + 2 * i});
    TableTransaction write(*table);
    ExpectOk(write.Prepare(points, there));
    write.Publish();
    write.Tidy();
    there = ids;
  }
  while (searches.load(std::memory_order_relaxed) < 3) std::this_thread::yield();
  stop.store(true, std::memory_order_relaxed);
  reader.join();
}

struct Graph {
  std::vector<TableRestorer::Guest> guests;
  std::vector<uint32_t> links;
  TableImage::Entries entries;
};

Graph GraphOf(TableImage& image) {
  Graph graph;
  image.NumberRows();
  ImageLinks::Digest written;
  graph.links.resize(image.size() * image.width());
  for (size_t i = 0; i < image.size(); ++i) {
    const auto point = static_cast<uint32_t>(i);
    if (image.HostOf(i) != point) graph.guests.push_back({point, image.HostOf(i)});
    image.CopyLinks(i, std::span(graph.links).subspan(i * image.width(), image.width()), written);
  }
  graph.entries = image.CopyEntries();
  return graph;
}

TableRestorer RestorerOf(const Table& table, const TableImage& image) {
  auto restorer =
      TableRestorer::Create(table.options(), BestKernels(), nullptr, image.size(), nullptr);
  EXPECT_TRUE(restorer.ok());
  for (size_t i = 0; i < image.size(); ++i) {
    restorer->PutVector(static_cast<uint32_t>(i), *image.Vector(i));
  }
  return std::move(*restorer);
}

std::unique_ptr<Table> Finished(TableRestorer& restorer) {
  Result<std::unique_ptr<Table>> table = restorer.Finish();
  EXPECT_TRUE(table.ok());
  return std::move(*table);
}

// What is wrong with a graph; empty once the restorer has taken it. Its links come on demand.
std::string GiveGraph(TableRestorer& restorer, const Graph& graph, bool connected = false) {
  const Status status = restorer.BeginGraph(
      {.guests = graph.guests, .entries = graph.entries, .connected = connected});
  if (!status.ok()) return status.message();
  const std::string_view wrong = restorer.link_rules()->Check(0, graph.links);
  if (!wrong.empty()) return std::string(wrong);
  ExpectOk(restorer.UseGraph(std::make_unique<const LazyRows>(
      graph.links.size() / restorer.width(), restorer.width() * sizeof(uint32_t), 4096,
      [target = restorer.target(), links = graph.links, rules = restorer.link_rules(),
       width = restorer.width()](Slot first, size_t count, std::vector<std::byte>&) {
        for (size_t i = first; i < first + count; ++i) {
          const auto point = static_cast<uint32_t>(i);
          const std::span<const uint32_t> words = std::span(links).subspan(i * width, width);
          if (rules->IsNode(point)) target.RestoreLinks(point, words);
        }
        return Status();
      })));
  return {};
}

// The points of `table` in the numbers that an image of it gives them.
std::vector<Hit> Renumbered(std::vector<Hit> hits, const TableImage& image) {
  std::map<PointId, PointId> numbers;
  for (size_t i = 0; i < image.size(); ++i) numbers[image.id(i)] = i;
  for (Hit& hit : hits) hit.id = numbers.at(hit.id);
  return hits;
}

class TableImages : public testing::TestWithParam<Metric> {
 protected:
  void SetUp() override {
    table_ = SmallTable(GetParam());
    ExpectOk(table_->Add(IdsFrom(0, 800), MixedVectors(800, 4)));
    std::vector<PointId> gone = IdsFrom(0, 150, 3);
    ASSERT_TRUE(table_->Remove(gone).ok());
    image_.emplace(*table_);
    image_->Sort();
  }
  std::unique_ptr<Table> table_;
  std::optional<TableImage> image_;
};

TEST_P(TableImages, StayAsTheyWereWhileWritesGoOn) {
  std::vector<std::vector<std::byte>> vectors;
  for (size_t i = 0; i < image_->size(); ++i) {
    vectors.emplace_back(*image_->Vector(i), *image_->Vector(i) + kDimension * sizeof(float));
  }
  ASSERT_EQ(image_->size(), 650u);
  for (uint64_t round = 0; round < Scaled(5, 2); ++round) {
    ExpectOk(table_->Upsert(IdsFrom(0, 900), MixedVectors(900, 50 + round)));
    ExpectOk(table_->Sweep());
  }
  for (size_t i = 0; i < image_->size(); ++i) {
    ASSERT_TRUE(std::equal(vectors[i].begin(), vectors[i].end(), *image_->Vector(i))) << i;
  }
}

TEST_P(TableImages, MakeATableThatAnswersAlike) {
  const Graph graph = GraphOf(*image_);
  TableRestorer restorer = RestorerOf(*table_, *image_);
  ASSERT_EQ(GiveGraph(restorer, graph), "");
  const std::unique_ptr<Table> restored = Finished(restorer);
  EXPECT_TRUE(restored->linked());
  EXPECT_EQ(restored->size(), table_->size());
  EXPECT_EQ(AllHits(*restored, true), Renumbered(AllHits(*table_, true), *image_));
  EXPECT_EQ(AllHits(*restored, false), AllHits(*restored, true));
  EXPECT_EQ(restored->CountUnreachable(), 0u);
  // And goes on: what was there can go, and new points come.
  ASSERT_TRUE(restored->Remove(IdsFrom(100, 400)).ok());
  ExpectOk(restored->Add(IdsFrom(1000, 500), MixedVectors(500, 9)));
  ExpectOk(restored->Sweep());
  EXPECT_EQ(AllHits(*restored, false), AllHits(*restored, true));
}

TEST_P(TableImages, MakeATableWithoutAGraphThatLinksItselfAgain) {
  TableRestorer restorer = RestorerOf(*table_, *image_);
  const std::unique_ptr<Table> restored = Finished(restorer);
  ASSERT_FALSE(restored->linked());
  const std::vector<Hit> all = Renumbered(AllHits(*table_, true), *image_);
  EXPECT_EQ(AllHits(*restored, false), all);
  const float query[kDimension] = {1, -2, 3, 0.5f, 1, 1};
  const auto plan = restored->Explain(query, {.k = 5});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->reason, PlanReason::kNoGraph);
  // Writes go on between the steps.
  size_t steps = 0;
  for (;; ++steps) {
    const auto more = restored->LinkSome(100);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    ASSERT_TRUE(restored->Remove(IdsFrom(steps * 3, 2)).ok());
    ExpectOk(restored->Add(IdsFrom(2000 + steps, 1), MixedVectors(1, steps)));
    EXPECT_EQ(AllHits(*restored, false), AllHits(*restored, true));
  }
  EXPECT_GE(steps, 3u);
  EXPECT_TRUE(restored->linked());
  // One run, of many steps.
  EXPECT_EQ(restored->maintenance().of(Maintenance::kRebuild, RunOutcome::kOk), 1u);
  EXPECT_EQ(restored->maintenance().of(Maintenance::kRebuild, RunOutcome::kError), 0u);
  EXPECT_EQ(restored->size(), image_->size() - steps);
  EXPECT_EQ(AllHits(*restored, false), AllHits(*restored, true));
  EXPECT_EQ(AllHits(*restored, false).size(), restored->size());
  EXPECT_EQ(restored->CountUnreachable(), 0u);
}

TEST_P(TableImages, RefuseAGraphThatIsNotTheirs) {
  const Graph whole = GraphOf(*image_);
  TableRestorer restorer = RestorerOf(*table_, *image_);
  const auto refused = [&](auto change) {
    Graph graph = whole;
    change(graph);
    return !GiveGraph(restorer, graph).empty();
  };
  const size_t width = restorer.width();
  const auto refused_guest = [&](uint32_t point, uint32_t host) {
    return refused([&](Graph& graph) {
      std::erase_if(graph.guests, [&](const auto& guest) { return guest.point == point; });
      graph.guests.push_back({point, host});
      std::sort(graph.guests.begin(), graph.guests.end(),
                [](const auto& a, const auto& b) { return a.point < b.point; });
    });
  };
  ASSERT_FALSE(whole.guests.empty());
  const uint32_t guest = whole.guests.back().point;
  const uint32_t host = whole.guests.back().host;
  const auto other = std::find_if(whole.guests.begin(), whole.guests.end(), [&](const auto& one) {
    return one.host == host && one.point != guest;
  });
  ASSERT_NE(other, whole.guests.end());
  EXPECT_FALSE(refused_guest(guest, host));
  EXPECT_TRUE(refused_guest(guest, 100'000));
  EXPECT_TRUE(refused_guest(guest, host + 1));
  EXPECT_TRUE(refused_guest(guest, other->point));
  EXPECT_TRUE(refused([](Graph& graph) { graph.links[0] = 0; }));
  EXPECT_TRUE(refused([](Graph& graph) { graph.links[0] = 700; }));
  EXPECT_TRUE(
      refused([&](Graph& graph) { std::fill_n(graph.links.begin(), width, image_->HostOf(1)); }));
  EXPECT_TRUE(refused([](Graph& graph) { graph.entries.points = {}; }));
  EXPECT_TRUE(refused([](Graph& graph) { graph.entries.points[0] = 100'000; }));
  EXPECT_TRUE(refused([](Graph& graph) { graph.entries.stride = 3; }));
  ASSERT_EQ(GiveGraph(restorer, whole), "");
  EXPECT_EQ(Finished(restorer)->size(), image_->size());
}

INSTANTIATE_TEST_SUITE_P(Metrics, TableImages,
                         testing::Values(Metric::kL2, Metric::kCosine, Metric::kIp),
                         [](const auto& info) {
                           return std::string(kMetricNames[static_cast<size_t>(info.param)]);
                         });

}  // namespace
}  // namespace vitrine::engine_table_transaction_test
