#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "table_file_support.h"
#include "typed_vectors.h"

// Tables whose vectors are mapped, and files of all kinds for them.
namespace vitrine::table_mapped_test {

inline Result<std::unique_ptr<Table>> LoadMapped(MemoryFiles& files, ThreadPool* pool = nullptr) {
  return LoadTable(kPath, BestKernels(), pool,
                   {.vectors = VectorPlace::kMapped,
                    .threads = pool == nullptr ? 1 : pool->threads(),
                    .files = &files});
}

// What a table says of everything, so that two can be compared; or why it does not.
inline Result<std::vector<std::vector<Hit>>> AnswersOf(const Table& table,
                                                       const std::vector<std::byte>& queries) {
  const size_t bytes = table.vector_bytes();
  const size_t count = queries.size() / bytes;
  VITRINE_RETURN_IF_ERROR(table.FetchIds());
  const std::vector<PointId> ids = table.Ids();
  const auto few =
      table.MakeIdSet({ids.begin(), ids.begin() + std::min<ptrdiff_t>(40, ids.size())});
  if (!few.ok()) return few.status();
  std::vector<std::vector<Hit>> answers;
  for (size_t i = 0; i < count; ++i) {
    const SearchParameters asked[] = {
        {.k = 10}, {.k = 3, .ef = 200}, {.k = 10, .exact = true}, {.k = 5, .filter = few->get()}};
    for (const SearchParameters& parameters : asked) {
      std::vector<Hit>& hits = answers.emplace_back(parameters.k);
      const auto found = table.Search(queries.data() + i * bytes, parameters, hits);
      if (!found.ok()) return found.status();
      hits.resize(*found);
    }
  }
  std::vector<uint32_t> counts(count);
  std::vector<Hit>& batch = answers.emplace_back(count * 10);
  VITRINE_RETURN_IF_ERROR(table.SearchBatch(queries, count, {.k = 10}, batch, counts));
  return answers;
}

inline Result<std::vector<std::byte>> VectorsOf(const Table& table) {
  VITRINE_RETURN_IF_ERROR(table.FetchIds());
  const std::vector<PointId> ids = table.Ids();
  std::vector<std::byte> vectors(ids.size() * table.vector_bytes());
  VITRINE_RETURN_IF_ERROR(table.Get(ids, std::span(vectors)));
  return vectors;
}

inline bool Equal(const std::vector<std::vector<Hit>>& a, const std::vector<std::vector<Hit>>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto same = [](const Hit& x, const Hit& y) {
      return x.id == y.id && x.distance == y.distance;
    };
    if (!std::equal(a[i].begin(), a[i].end(), b[i].begin(), b[i].end(), same)) return false;
  }
  return true;
}

// A table with zero vectors, equal ones, and points that were removed.
struct Kind {
  TypedMetric vectors;
  Quantization quantization;
  size_t dimension = 40;
  size_t rows = 1'200;

  std::unique_ptr<Table> Make() const {
    auto table = MakeTable({.dimension = dimension,
                            .type = vectors.type,
                            .metric = vectors.metric,
                            .graph = {.m = 6, .ef_construction = 40},
                            .quantization = quantization});
    const size_t bytes = table->vector_bytes();
    std::vector<std::byte> rows_bytes = Vectors(rows, 1);
    std::fill_n(rows_bytes.begin(), 2 * bytes, std::byte{});
    std::copy_n(rows_bytes.begin() + 5 * bytes, bytes, rows_bytes.begin() + 9 * bytes);
    ExpectOk(table->Add(IdsFrom(100, rows), rows_bytes));
    EXPECT_TRUE(table->Remove(std::vector<PointId>{105, 120, 121}).ok());
    return table;
  }
  std::vector<std::byte> Vectors(size_t count, uint32_t seed) const {
    std::vector<float> numbers = RandomVectors(count, dimension, seed);
    for (float& number : numbers) number *= 40;
    return Encoded(vectors.type, numbers);
  }
};

inline std::vector<Kind> AllKinds() {
  std::vector<Kind> kinds;
  for (const TypedMetric& vectors : AllTypedMetrics()) {
    for (const Quantization quantization :
         {Quantization::kNone, Quantization::kSq8, Quantization::kRq4, Quantization::kAuto}) {
      if (QuantizationFits(vectors.type, quantization)) kinds.push_back({vectors, quantization});
    }
  }
  return kinds;
}

inline const Kind kPlain{{VectorType::kF32, Metric::kL2}, Quantization::kNone};
inline const Kind kCoded{{VectorType::kF32, Metric::kCosine}, Quantization::kRq4, 100, 1'500};

struct MappedFile {
  explicit MappedFile(const Kind& kind) : kind(kind), queries(kind.Vectors(10, 2)) {
    ExpectOk(Save(*kind.Make(), files));
    bytes = files.Get(kPath);
    auto loaded = Load(files);
    vectors = *VectorsOf(**loaded);
    answers = *AnswersOf(**loaded, queries);
  }
  // Whatever is wrong with the file, a table fails with a code or says what is true.
  void ExpectNothingWrong(const Result<std::unique_ptr<Table>>& table, size_t byte) const {
    const auto is_about_bytes = [](const Status& status) {
      return status.code() == ErrorCode::kCorrupt || status.code() == ErrorCode::kFormat;
    };
    if (!table.ok()) {
      ASSERT_TRUE(is_about_bytes(table.status())) << byte << table.status().message();
      return;
    }
    const auto found = AnswersOf(**table, queries);
    ASSERT_TRUE(found.ok() ? Equal(*found, answers) : is_about_bytes(found.status())) << byte;
    const auto got = VectorsOf(**table);
    ASSERT_TRUE(got.ok() ? *got == vectors : is_about_bytes(got.status())) << byte;
  }

  const Kind kind;
  const std::vector<std::byte> queries;
  MemoryFiles files;
  Bytes bytes;
  std::vector<std::byte> vectors;
  std::vector<std::vector<Hit>> answers;
};

}  // namespace vitrine::table_mapped_test
