// Memory that runs out at every allocation of a write in turn.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <new>

#include "random_data.h"
#include "recall_probe_support.h"
#include "refused_allocations.h"
#include "table_model.h"

namespace vitrine::engine_table_memory_test {
namespace {

constexpr size_t kDimension = 4;
constexpr size_t kBefore = 200;

// Runs `write` with room for `allocations` of them; whether it came to its end.
bool Attempt(long allocations, const std::function<Status()>& write) {
  allocations_left = allocations;
  try {
    const Status status = write();
    allocations_left = -1;
    if (!status.ok()) ExpectFails(status, ErrorCode::kOutOfMemory);
    return status.ok();
  } catch (const std::bad_alloc&) {
    allocations_left = -1;
    return false;
  }
}

// Vectors of which some are equal to one another and some are zero.
std::vector<float> MixedVectors(size_t count, uint64_t seed) {
  std::vector<float> vectors = NormalVectors(count, kDimension, seed);
  for (size_t i = 0; i < count; ++i) {
    float* const vector = vectors.data() + i * kDimension;
    if (i % 7 == 3) std::copy_n(vectors.data(), kDimension, vector);
    if (i % 11 == 5) std::fill_n(vector, kDimension, 0.f);
  }
  return vectors;
}

std::vector<Hit> AllHits(const Table& table) {
  const float query[kDimension] = {1, 2, 3, 4};
  return SearchHits(table, query, {.k = 1000, .exact = true});
}

class TableMemoryRunsOut : public testing::Test {
 protected:
  void SetUp() override {
    table_ = MakeTable({.dimension = kDimension, .metric = Metric::kCosine, .graph = {.m = 4}});
    ExpectOk(table_->Add(IdsFrom(0, kBefore), MixedVectors(kBefore, 1)));
    const auto set = table_->MakeIdSet(IdsFrom(0, 300));
    ASSERT_TRUE(set.ok());
    set_ = *set;
  }

  // Gives `write` one allocation more each time, until it has all it needs. What it did is done
  // whole or not at all.
  void ExpectWhole(const std::function<Status()>& write) {
    const std::vector<Hit> before = AllHits(*table_);
    long failures = 0;
    while (!Attempt(failures, write)) {
      ++failures;
      ASSERT_LT(failures, 10'000);
      const std::vector<Hit> hits = AllHits(*table_);
      if (hits != before) break;  // done, and only what was to be tidied afterwards was not
      ASSERT_EQ(table_->size(), before.size());
      ExpectOk(table_->Sweep());
    }
    EXPECT_GT(failures, 3);
    ExpectOk(table_->Sweep());
    EXPECT_EQ(table_->CountUnreachable(), 0u);
    const std::vector<Hit> after = AllHits(*table_);
    EXPECT_EQ(table_->size(), after.size());
    // A walk that keeps all of them finds all of them.
    const float query[kDimension] = {1, 2, 3, 4};
    EXPECT_EQ(SearchHits(*table_, query, {.k = 1000, .ef = 2000}), after);
  }

  size_t Rows() const { return table_->memory().vectors / ((kDimension + 1) * sizeof(float)); }

  std::unique_ptr<Table> table_;
  std::shared_ptr<IdSet> set_;
};

TEST_F(TableMemoryRunsOut, DuringAdd) {
  const std::vector<float> vectors = MixedVectors(60, 2);
  ExpectWhole([&] { return table_->Add(IdsFrom(kBefore, 60), vectors); });
  EXPECT_EQ(table_->size(), kBefore + 60);
  EXPECT_LE(Rows(), kBefore + 2 * 60) << "rows of failed attempts are used again";
}

TEST_F(TableMemoryRunsOut, DuringUpsert) {
  const std::vector<float> vectors = MixedVectors(60, 3);
  ExpectWhole([&] { return table_->Upsert(IdsFrom(kBefore - 30, 60), vectors); });
  EXPECT_EQ(table_->size(), kBefore + 30);
  EXPECT_LE(Rows(), kBefore + 2 * 60);
}

TEST_F(TableMemoryRunsOut, DuringRemove) {
  ExpectWhole([&] { return table_->Remove(IdsFrom(0, kBefore - 20)).status(); });
  EXPECT_EQ(table_->size(), 20u);
}

// Of a search whose repetition gets no memory.
TEST(RecallProber, CountsAnErrorAndLetsTheSearchBe) {
  ThreadPool pool(1);
  const auto table = MakeTable({.dimension = kDimension, .graph = {.m = 4}}, &pool);
  ExpectOk(table->Add(IdsFrom(0, kBefore), NormalVectors(kBefore, kDimension, 1)));
  const float query[kDimension] = {1, 2, 3, 4};
  std::vector<Hit> hits(3);
  ProbedStatistics statistics;
  const auto search = [&] {
    SearchCounters counters = statistics.NewCounters();
    const Result<size_t> found = table->Search(query, {.k = 3}, hits, counters);
    return found.ok() ? Status() : found.status();
  };
  // What is used again has its memory afterwards: two scratches, and a place to count in.
  {
    const ReaderPool::Lease lease = table->Read();
    EXPECT_EQ(SearchHits(*table, query, {.k = 3}).size(), 3u);
    ASSERT_TRUE(table->Search(lease, query, {.k = 3}, hits).ok());
  }
  ExpectOk(search());
  statistics.WaitFor(1);
  uint64_t failures = 0;
  while (statistics.Count(ProbeOutcome::kOk) == 1) {
    ASSERT_TRUE(Attempt(static_cast<long>(failures), search)) << failures;
    statistics.WaitFor(++failures + 1);
    ASSERT_LT(failures, 100u);
  }
  EXPECT_GT(failures, 4u);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kError), failures - 1);
  EXPECT_EQ(statistics.Count(ProbeOutcome::kSkipped), 0u);
}

}  // namespace
}  // namespace vitrine::engine_table_memory_test
