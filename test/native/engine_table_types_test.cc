// Tables of every type of vectors and every metric: recall floors on real data after everything
// that may happen to them, exact searches against the definition, and what they refuse.

#include <gtest/gtest.h>

#include <random>

#include "engine/table.h"
#include "random_data.h"
#include "sample_vectors.h"
#include "table_file_support.h"
#include "table_model.h"
#include "typed_vectors.h"

namespace vitrine::engine_table_types_test {
namespace {

constexpr size_t kD = kSampleDimension;
constexpr size_t kRows = Scaled(1'600, 600);
constexpr size_t kQueries = Scaled(50, 20);

// Pictures as vectors of a type. Bits are the dark parts; halves and bytes of unit length would
// lose what is told apart by inner product, so that norms differ there.
std::vector<std::byte> Pictures(const std::string& file, size_t count, VectorType type) {
  std::vector<float> numbers = SampleVectors(file, count);
  for (float& number : numbers) {
    if (type == VectorType::kBits) number -= 127;
    if (type == VectorType::kI8) number = (number - 127) / 2;
  }
  return Encoded(type, numbers);
}

class TableTypes : public testing::TestWithParam<TypedMetric> {
 protected:
  TableTypes()
      : base_(Pictures("base", kRows, type())), queries_(Pictures("queries", kQueries, type())) {}

  VectorType type() const { return GetParam().type; }
  Metric metric() const { return GetParam().metric; }
  size_t bytes() const { return VectorBytes(type(), kD); }
  const std::byte* Row(size_t i) const { return base_.data() + i * bytes(); }
  const std::byte* Query(size_t i) const { return queries_.data() + i * bytes(); }
  VectorView Rows(size_t from, size_t count) const { return {Row(from), count * bytes()}; }

  TableOptions Options(Quantization quantization = Quantization::kAuto) const {
    return {.dimension = kD, .type = type(), .metric = metric(), .quantization = quantization};
  }

  // Mean recall@10 against a scan of every row.
  double Recall(const Table& table, size_t ef) const {
    double sum = 0;
    for (size_t i = 0; i < kQueries; ++i) {
      const auto truth = SearchHits(table, Query(i), {.k = 10, .exact = true});
      sum += RecallOf(SearchHits(table, Query(i), {.k = 10, .ef = ef}), truth, 10);
    }
    return sum / kQueries;
  }

  // Exact searches find what the definition says.
  void ExpectExact(const Table& table, const std::vector<PointId>& ids) const {
    for (size_t i = 0; i < 3; ++i) {
      const auto query = Components(type(), Query(i), kD);
      std::vector<double> distances;
      for (const PointId id : ids) {
        distances.push_back(
            DefinedDistance(metric(), query, Components(type(), Row(id % kRows), kD)));
      }
      std::sort(distances.begin(), distances.end());
      const auto hits = SearchHits(table, Query(i), {.k = 10, .exact = true});
      ASSERT_EQ(hits.size(), 10u);
      for (size_t j = 0; j < hits.size(); ++j) {
        ASSERT_NEAR(hits[j].distance, distances[j], 1e-6 * std::abs(distances[j]) + 1e-6);
      }
    }
  }

 private:
  std::vector<std::byte> base_;
  std::vector<std::byte> queries_;
};

TEST_P(TableTypes, HoldItsFloorAfterBuildInsertUpdateRemovalAndLoading) {
  constexpr double kFloor = Scaled(985, 970) / 1000.0;
  constexpr size_t kBuilt = kRows / 4 * 3;
  const auto table = MakeTable(Options());
  ExpectOk(table->Add(IdsFrom(0, kBuilt), Rows(0, kBuilt)));
  EXPECT_GE(Recall(*table, 64), kFloor) << "built";
  ExpectExact(*table, IdsFrom(0, kBuilt));

  ExpectOk(table->Add(IdsFrom(kBuilt, kRows - kBuilt), Rows(kBuilt, kRows - kBuilt)));
  EXPECT_GE(Recall(*table, 64), kFloor) << "inserted";
  // Points move to where others are, which share their rows; then away again.
  ExpectOk(table->Upsert(IdsFrom(0, 100), Rows(100, 100)));
  std::vector<std::byte> moved(100 * bytes());
  ExpectOk(table->Get(IdsFrom(0, 100), moved));
  EXPECT_TRUE(std::equal(moved.begin(), moved.end(), Row(100)));
  if (metric() != Metric::kIp) {
    EXPECT_EQ(SearchHits(*table, Row(100), {.k = 2, .exact = true})[0].id, 0u);
  }
  ExpectOk(table->Upsert(IdsFrom(0, 100), Rows(0, 100)));
  EXPECT_GE(Recall(*table, 64), kFloor) << "updated";

  std::vector<PointId> ids = IdsFrom(0, kRows);
  std::mt19937_64 random(TestSeed());
  std::shuffle(ids.begin(), ids.end(), random);
  const std::vector<PointId> left(ids.begin() + kRows / 2, ids.end());
  ids.resize(kRows / 2);
  ASSERT_EQ(*table->Remove(ids), ids.size());
  EXPECT_GE(Recall(*table, 64), kFloor) << "removed";
  ExpectExact(*table, left);

  MemoryFiles files;
  ExpectOk(Save(*table, files));
  const auto loaded = Load(files);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ((*loaded)->type(), type());
  EXPECT_EQ(SavedBytes(**loaded), files.Get(kPath));
  EXPECT_EQ((*loaded)->quantization_used(), table->quantization_used());
  std::vector<std::byte> before(left.size() * bytes()), after(before.size());
  ExpectOk(table->Get(left, before));
  ExpectOk((*loaded)->Get(left, after));
  EXPECT_EQ(before, after);
  EXPECT_GE(Recall(**loaded, 64), kFloor) << "loaded";
  EXPECT_LE((*loaded)->memory().vectors, (*loaded)->memory().total());
}

// A few hundred points in few dimensions, so that there are ties, equal vectors and zeros.
TEST_P(TableTypes, FindWhatIsThereAmongTiesAndZeros) {
  VITRINE_TRACE_SEED();
  constexpr size_t kSmall = 8, kCount = 300;
  std::mt19937_64 random(TestSeed());
  std::vector<float> numbers(kCount * kSmall);
  for (float& number : numbers) number = static_cast<float>(random() % 3);
  std::fill_n(numbers.begin(), 5 * kSmall, 0.f);
  const std::vector<std::byte> rows = Encoded(type(), numbers);
  const size_t row_bytes = VectorBytes(type(), kSmall);
  const auto table = MakeTable({.dimension = kSmall, .type = type(), .metric = metric()});
  ExpectOk(table->Add(IdsFrom(0, kCount), rows));
  for (size_t i = 0; i < kCount; i += 7) {
    const std::byte* const query = rows.data() + i * row_bytes;
    const auto wanted = Components(type(), query, kSmall);
    std::vector<std::pair<double, PointId>> expected;
    for (PointId id = 0; id < kCount; ++id) {
      const auto row = Components(type(), rows.data() + id * row_bytes, kSmall);
      expected.emplace_back(std::round(DefinedDistance(metric(), wanted, row) * 1e5), id);
    }
    std::sort(expected.begin(), expected.end());
    for (const bool exact : {true, false}) {
      const auto hits = SearchHits(*table, query, {.k = 20, .ef = 300, .exact = exact});
      ASSERT_EQ(hits.size(), 20u);
      for (size_t j = 0; j < hits.size(); ++j) {
        ASSERT_NEAR(hits[j].distance, expected[j].first / 1e5, 2e-5) << i << ' ' << exact;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TableTypes, testing::ValuesIn(AllTypedMetrics()),
                         [](const auto& info) { return info.param.Name(); });

Quantization UsedBy(VectorType type, Metric metric, Quantization asked) {
  constexpr size_t kDimension = 128, kCount = 1'100;
  const auto numbers = ClusteredVectors(kCount, kDimension, 30, TestSeed());
  std::vector<float> scaled(numbers);
  for (float& number : scaled) number = number * 30 + (type == VectorType::kU8 ? 100 : 0);
  const auto table =
      MakeTable({.dimension = kDimension, .type = type, .metric = metric, .quantization = asked});
  const auto rows = Encoded(type, scaled);
  ExpectOk(table->Add(IdsFrom(0, kCount), rows));
  const size_t bytes = VectorBytes(type, kDimension);
  for (PointId id = 0; id < kCount; id += 100) {
    EXPECT_EQ(SearchHits(*table, rows.data() + id * bytes, {.k = 1})[0].id, id);
  }
  return table->quantization_used();
}

TEST(TableTypesCodes, AreMadeOfFloatsAndWhenAskedForOfBytes) {
  for (const VectorType type : {VectorType::kF16, VectorType::kBf16}) {
    EXPECT_NE(UsedBy(type, Metric::kL2, Quantization::kAuto), Quantization::kNone);
    EXPECT_EQ(UsedBy(type, Metric::kCosine, Quantization::kSq8), Quantization::kSq8);
    EXPECT_EQ(UsedBy(type, Metric::kL2, Quantization::kNone), Quantization::kNone);
  }
  for (const VectorType type : {VectorType::kI8, VectorType::kU8}) {
    EXPECT_EQ(UsedBy(type, Metric::kL2, Quantization::kAuto), Quantization::kNone);
    EXPECT_EQ(UsedBy(type, Metric::kL2, Quantization::kRq4), Quantization::kRq4);
  }
  EXPECT_EQ(UsedBy(VectorType::kBits, Metric::kHamming, Quantization::kAuto), Quantization::kNone);
}

TEST(TableTypesOptions, MustGoTogether) {
  const auto refused = [](const TableOptions& options) {
    return Table::Create(options, BestKernels(), nullptr).status().code() == ErrorCode::kOption;
  };
  EXPECT_TRUE(refused({.dimension = 12, .type = VectorType::kBits, .metric = Metric::kHamming}));
  EXPECT_TRUE(refused({.dimension = 8, .type = VectorType::kBits, .metric = Metric::kL2}));
  EXPECT_TRUE(refused({.dimension = 8, .type = VectorType::kU8, .metric = Metric::kJaccard}));
  EXPECT_TRUE(refused({.dimension = 8,
                       .type = VectorType::kU8,
                       .metric = Metric::kL2,
                       .quantization = Quantization::kSq8}));
  EXPECT_TRUE(refused({.dimension = 8,
                       .type = VectorType::kBits,
                       .metric = Metric::kHamming,
                       .quantization = Quantization::kRq4}));
}

TEST(TableTypesVectors, MustBeFinite) {
  for (const auto& [type, infinity] : {std::pair{VectorType::kF16, uint16_t{0x7c00}},
                                       std::pair{VectorType::kBf16, uint16_t{0xff80}}}) {
    const auto table = MakeTable({.dimension = 2, .type = type});
    const std::vector<uint16_t> rows = {1, 2, 3, infinity};
    ExpectFails(table->Add(IdsFrom(0, 2), rows), ErrorCode::kVector);
    ExpectFails(table->Upsert(IdsFrom(0, 2), rows), ErrorCode::kVector);
    EXPECT_EQ(table->size(), 0u);
    std::vector<Hit> hits(1);
    EXPECT_EQ(table->Search(rows.data() + 2, {.k = 1}, hits).status().code(), ErrorCode::kVector);
  }
}

}  // namespace
}  // namespace vitrine::engine_table_types_test
