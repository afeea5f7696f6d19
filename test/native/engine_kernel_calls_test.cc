// Calls of distance kernels by scans of sketches and by reranking: worked out by hand, and the same
// as kernels see that count who calls them, under every instruction set.

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "engine/id_set.h"
#include "engine/query_scorers.h"
#include "engine/sketch_scan.h"
#include "engine/table.h"
#include "index/code_rerank.h"
#include "kernels/code_tables.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_kernel_calls_test {
namespace {

constexpr size_t kD = 64;
using Calls = decltype(SearchCounters::kernel_calls);

// The kernels of one instruction set that count how often they are called.
class CountedKernels {
 public:
  explicit CountedKernels(const KernelTable& kernels)
      : floats_(kernels), codes_(SelectCodeKernels(kernels.set).codes) {
    real_floats = kernels.f32;
    real_codes = codes_;
    seen = {};
    floats_.f32.l2_rows = [](const float* query, const float* const* rows, size_t count, size_t dim,
                             float* out) noexcept {
      seen[static_cast<size_t>(ComparedWith::kVectors)] += count / 4;
      real_floats.l2_rows(query, rows, count, dim, out);
    };
    floats_.f32.dot_rows = [](const float* query, const float* const* rows, size_t count,
                              size_t dim, float* out) noexcept {
      seen[static_cast<size_t>(ComparedWith::kVectors)] += count / 4;
      real_floats.dot_rows(query, rows, count, dim, out);
    };
    codes_.dot_i8_u8_rows = [](const int8_t* query, const uint8_t* const* rows, size_t count,
                               size_t dim, int32_t* out) noexcept {
      if (sketching) {
        ++seen[static_cast<size_t>(ComparedWith::kSketches)];
      } else {
        seen[static_cast<size_t>(ComparedWith::kCodes)] += count / 4;
      }
      real_codes.dot_i8_u8_rows(query, rows, count, dim, out);
    };
    codes_.dot_i8_u4_rows = [](const int8_t* query, const uint8_t* const* rows, size_t count,
                               size_t dim, int32_t* out) noexcept {
      seen[static_cast<size_t>(ComparedWith::kCodes)] += count / 4;
      real_codes.dot_i8_u4_rows(query, rows, count, dim, out);
    };
  }
  CountedKernels(const CountedKernels&) = delete;
  CountedKernels& operator=(const CountedKernels&) = delete;

  const KernelTable& floats() const { return floats_; }
  const CodeKernels& codes() const { return codes_; }

  static inline Calls seen = {};
  // Whether what is scored are sketches, which have the kernel in common with 8-bit codes.
  static inline bool sketching = false;

 private:
  // Of the last one that was made: kernels are functions without a state.
  static inline FloatKernels<float> real_floats = {};
  static inline CodeKernels real_codes = {};

  KernelTable floats_;
  CodeKernels codes_;
};

// Rows at 0, 10, 20, ... on the first axis, and a query at the place 1 of it.
struct Axis {
  Axis(const CountedKernels& kernels, Metric metric, CodeKind kind)
      : vectors(kD, metric, kernels.floats()),
        codes({.dimension = kD, .metric = metric, .kind = kind, .centre = centre},
              kernels.codes()) {
    EXPECT_TRUE(vectors.Grow(kMost) && codes.Grow(kMost));
    for (Slot i = 0; i < kMost; ++i) Put(i, 10.f * static_cast<float>(i), 0);
    query[0] = 1;
  }
  void Put(Slot slot, float along, float across) {
    std::vector<float> row(kD);
    row[0] = along;
    row[1] = across;
    vectors.Put(slot, row.data());
    codes.Put(slot, row.data());
  }

  static constexpr size_t kMost = 128;
  const std::vector<float> centre = std::vector<float>(kD);
  VectorStore vectors;
  CodeStore codes;
  std::vector<float> query = std::vector<float>(kD);
};

float FromQuery(size_t row) {
  const float apart = 10 * static_cast<float>(row) - 1;
  return apart * apart;
}

// Calls visit(kernels, kind) for all that there are.
template <typename Visit>
void WithEveryKernel(Visit visit) {
  for (const KernelTable* const table : KernelTables()) {
    if (!table->supported()) continue;
    for (const CodeKind kind : {CodeKind::kSq8, CodeKind::kRq4}) {
      SCOPED_TRACE(std::string(table->name) + (kind == CodeKind::kSq8 ? " sq8" : " rq4"));
      visit(CountedKernels(*table), kind);
    }
  }
}

struct Reranked {
  size_t rows = 0;
  Calls calls = {};
};
Reranked RerankAll(const Axis& axis, std::vector<RankedSlot> candidates, size_t k) {
  Scratch scratch;
  const QueryScorers scorers({axis.vectors, nullptr, &axis.codes}, axis.query.data(), scratch);
  SearchCounters counters;
  CountedKernels::seen = {};
  const size_t rows =
      Rerank(candidates, k, *scorers.codes(), scorers.exact(), SearchCounting(counters));
  EXPECT_EQ(counters.rerank_evaluations, rows);
  EXPECT_EQ(counters.kernel_calls, CountedKernels::seen);
  return {rows, counters.kernel_calls};
}

// k + 2 rows are scored unseen, sixteen at a time, which is four calls; and of those behind them
// what may be as near as the k-th, in groups of eight.
TEST(KernelCalls, OfRerankingAreThoseOfItsGroups) {
  WithEveryKernel([](const CountedKernels& kernels, CodeKind kind) {
    const Axis axis(kernels, Metric::kL2, kind);
    std::vector<RankedSlot> apart;
    std::vector<RankedSlot> equal;
    for (Slot i = 0; i < 20; ++i) {
      apart.push_back({FromQuery(i), i});
      equal.push_back({0, i});
    }
    // Five rows, and none of the eight that follow is near enough.
    const Reranked three = RerankAll(axis, apart, 3);
    EXPECT_EQ(three.rows, 5u);
    EXPECT_EQ(three.calls, (Calls{2, 0, 0}));
    // Twelve.
    const Reranked ten = RerankAll(axis, apart, 10);
    EXPECT_EQ(ten.rows, 12u);
    EXPECT_EQ(ten.calls, (Calls{3, 0, 0}));
    // Sixteen and four.
    const Reranked all = RerankAll(axis, apart, 20);
    EXPECT_EQ(all.rows, 20u);
    EXPECT_EQ(all.calls, (Calls{5, 0, 0}));
    // Five, eight and seven: every estimate promises the nearest row.
    const Reranked promised = RerankAll(axis, equal, 3);
    EXPECT_EQ(promised.rows, 20u);
    EXPECT_EQ(promised.calls, (Calls{6, 0, 0}));
    EXPECT_EQ(RerankAll(axis, apart, 0).calls, Calls{});
  });
}

// Under inner product a long row may follow many that need no look: groups of none are no calls.
TEST(KernelCalls, OfRerankingLeaveOutGroupsOfNone) {
  WithEveryKernel([](const CountedKernels& kernels, CodeKind kind) {
    Axis axis(kernels, Metric::kIp, kind);
    axis.Put(3, 30, 1e6f);
    std::vector<RankedSlot> candidates;
    for (Slot i = 20; i-- > 0;) candidates.push_back({-10.f * static_cast<float>(i), i});
    // Rows 19 to 15 unseen, none of 14 to 7, and of 6 to 0 the long one.
    const Reranked reranked = RerankAll(axis, candidates, 3);
    EXPECT_EQ(reranked.rows, 6u);
    EXPECT_EQ(reranked.calls, (Calls{3, 0, 0}));
  });
}

// Groups are of 32 rows, which is eight calls; after two of them it stops where what is left is too
// far. What it compares with are codes where there are some.
TEST(KernelCalls, OfALookAtWhatSketchesFoundAreThoseOfItsGroups) {
  WithEveryKernel([](const CountedKernels& kernels, CodeKind kind) {
    const Axis axis(kernels, Metric::kL2, kind);
    const auto look = [&](const CodeStore* codes, std::vector<RankedSlot> found, size_t k) {
      Scratch scratch;
      const QueryScorers scorers({axis.vectors, nullptr, codes}, axis.query.data(), scratch);
      SearchCounters counters;
      CountedKernels::seen = {};
      LookCloser(found, k, scorers, scratch.ranked, SearchCounting(counters));
      EXPECT_EQ(counters.rerank_evaluations, scratch.ranked.size());
      EXPECT_EQ(counters.kernel_calls, CountedKernels::seen);
      return counters.kernel_calls;
    };
    std::vector<RankedSlot> found;
    for (Slot i = 0; i < 100; ++i) found.push_back({FromQuery(i), i});
    EXPECT_EQ(look(nullptr, found, 5), (Calls{16, 0, 0}));
    EXPECT_EQ(look(&axis.codes, found, 5), (Calls{0, 16, 0}));
    // 32, 32, 32 and 4 where more are wanted than there are.
    EXPECT_EQ(look(nullptr, found, 101), (Calls{25, 0, 0}));
    EXPECT_EQ(look(&axis.codes, found, 101), (Calls{0, 25, 0}));
    found.resize(6);
    EXPECT_EQ(look(nullptr, found, 5), (Calls{2, 0, 0}));
  });
}

TEST(KernelCalls, OfSketchesAreOneForASetOfRows) {
  WithEveryKernel([](const CountedKernels& kernels, CodeKind) {
    const std::vector<float> vectors = NormalVectors(64, kD, 5);
    SketchStore sketches(kD, Metric::kL2, std::vector<float>(kD),
                         PrincipalAxes(vectors, kD, kernels.codes()), kernels.codes());
    ASSERT_TRUE(sketches.Grow(64));
    for (Slot i = 0; i < 64; ++i) sketches.Put(i, vectors.data() + i * kD);
    SketchQuery query;
    sketches.Prepare(vectors.data(), query);
    for (const size_t count : {1u, 63u, 64u}) {
      SketchStore::RowRef rows[64];
      for (Slot i = 0; i < count; ++i) {
        rows[i] = sketches.Group(0) + i * SketchStore::kRowBytes;
      }
      CountedKernels::seen = {};
      CountedKernels::sketching = true;
      float estimates[64];
      sketches.Estimate(query, rows, count, estimates);
      CountedKernels::sketching = false;
      EXPECT_EQ(CountedKernels::seen, (Calls{0, 0, 1}));
      EXPECT_EQ(CallsFor(ComparedWith::kSketches, count), 1u);
    }
  });
}

// A table whose first 64 rows lie 500 apart on a line away from the query, all others far from it.
constexpr size_t kNear = 64;
constexpr float kStep = 500;
constexpr float kFar = 10'000;

std::vector<float> PlaceOfQuery() {
  std::vector<float> place(kD);
  place[0] = 2 * kStep;
  return place;
}

std::unique_ptr<Table> NearAndFar(size_t rows, Quantization quantization) {
  auto table = MakeTable(
      {.dimension = kD, .graph = {.m = 4, .ef_construction = 16}, .quantization = quantization});
  std::vector<float> vectors = NormalVectors(rows, kD, 6);
  for (float& x : vectors) x *= kFar;
  for (size_t i = 0; i < kNear; ++i) {
    std::vector<float> row = PlaceOfQuery();
    row[0] += kStep * static_cast<float>(i);
    std::copy(row.begin(), row.end(), vectors.begin() + static_cast<std::ptrdiff_t>(i * kD));
  }
  std::vector<PointId> ids(rows);
  std::iota(ids.begin(), ids.end(), PointId{0});
  ExpectOk(table->Add(ids, vectors));
  return table;
}

SearchCounters SearchAmong(const Table& table, std::vector<PointId> ids, size_t k) {
  const auto filter = table.MakeIdSet(std::move(ids));
  EXPECT_TRUE(filter.ok());
  SearchCounters counters;
  SearchPlan plan;
  std::vector<Hit> hits(k);
  const Result<size_t> found =
      table.Search(PlaceOfQuery().data(), {.k = k, .filter = filter->get()}, hits, counters, &plan);
  EXPECT_TRUE(found.ok());
  EXPECT_EQ(*found, k);
  EXPECT_EQ(plan.kind, PlanKind::kSketch);
  EXPECT_EQ(counters.stop, SearchStop::kEnough);
  return counters;
}

SearchCounters SearchFirst(const Table& table, size_t allowed, size_t k) {
  std::vector<PointId> ids(allowed);
  std::iota(ids.begin(), ids.end(), PointId{0});
  return SearchAmong(table, std::move(ids), k);
}

// 2,000 rows are 31 calls of 64 sketches and one of 16.
TEST(KernelCalls, OfAScanOfSketchesAreThoseOfItsParts) {
  constexpr size_t kAllowed = 2'000;
  const auto plain = NearAndFar(6'400, Quantization::kNone);
  // Two groups of 32 rows, and what is left is far.
  const SearchCounters ten = SearchFirst(*plain, kAllowed, 10);
  EXPECT_EQ(ten.sketch_evaluations, kAllowed);
  EXPECT_EQ(ten.rerank_evaluations, 64u);
  EXPECT_EQ(ten.kernel_calls, (Calls{16, 0, 32}));
  // 62 groups and 16 rows, when all are wanted.
  const SearchCounters all = SearchFirst(*plain, kAllowed, kAllowed);
  EXPECT_EQ(all.rerank_evaluations, kAllowed);
  EXPECT_EQ(all.kernel_calls, (Calls{500, 0, 32}));

  const auto coded = NearAndFar(6'400, Quantization::kSq8);
  // The same two groups by code, and of them twelve rows once more.
  const SearchCounters twice = SearchFirst(*coded, kAllowed, 10);
  EXPECT_EQ(twice.rerank_evaluations, 64u + 12u);
  EXPECT_EQ(twice.kernel_calls, (Calls{3, 16, 32}));
  EXPECT_EQ(twice.code_kernel, DistanceKernel::kSq8);
  // All by code, and all once more.
  const SearchCounters everything = SearchFirst(*coded, kAllowed, kAllowed);
  EXPECT_EQ(everything.rerank_evaluations, 2 * kAllowed);
  EXPECT_EQ(everything.kernel_calls, (Calls{500, 500, 32}));
}

// Of very many rows eight of each 64 are looked at first, for where the threshold may lie: 180
// groups of 64 give 1,440, which is 22 calls and one of 32. Of the rows that are near a quarter is
// allowed: where most of them are a walk finds them.
TEST(KernelCalls, OfAScanOfSketchesHaveThoseOfItsSample) {
  constexpr size_t kGroups = 180;
  const auto table = NearAndFar(3 * 64 * kGroups, Quantization::kNone);
  std::vector<PointId> ids;
  for (PointId id = 0; id < 64 * kGroups; ++id) {
    if (id >= kNear || id % 4 == 0) ids.push_back(id);
  }
  const SearchCounters counters = SearchAmong(*table, ids, 10);
  EXPECT_EQ(counters.sketch_evaluations, ids.size() + 1'440);
  EXPECT_EQ(counters.kernel_calls[static_cast<size_t>(ComparedWith::kSketches)], kGroups + 23);
}

}  // namespace
}  // namespace vitrine::engine_kernel_calls_test
