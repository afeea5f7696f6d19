#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "table_file_support.h"

namespace vitrine {

// Twelve pages: two dozen rows, of which some are zero vectors and some have guests, one of them
// without its owner.
inline std::unique_ptr<Table> MakeSmallTable(Metric metric = Metric::kCosine) {
  auto table = MakeShaped({.dimension = 3, .metric = metric, .m = 2});
  std::vector<float> vectors = RandomVectors(24, 3, 1);
  std::copy_n(vectors.begin(), 3, vectors.begin() + 3 * 20);
  std::copy_n(vectors.begin(), 3, vectors.begin() + 3 * 21);
  std::copy_n(vectors.begin() + 3, 3, vectors.begin() + 3 * 22);
  std::fill_n(vectors.begin() + 3 * 23, 3, 0.f);
  ExpectOk(table->Add(IdsFrom(100, 24), vectors));
  EXPECT_TRUE(table->Remove(std::vector<PointId>{100}).ok());
  return table;
}

inline const Bytes& SmallFile() {
  static const Bytes bytes = SavedBytes(*MakeSmallTable());
  return bytes;
}

inline bool IsAboutBytes(ErrorCode code) {
  return code == ErrorCode::kCorrupt || code == ErrorCode::kFormat;
}

// What a table that is read on demand says of a file, once all of it has been used.
inline Status StatusOnDemand(Bytes bytes) {
  MemoryFiles files;
  files.Put(kPath, std::move(bytes));
  const auto table =
      LoadTable(kPath, BestKernels(), nullptr, {.vectors = VectorPlace::kMapped, .files = &files});
  if (!table.ok()) return table.status();
  const std::vector<float> query = RandomVectors(1, 2 * (*table)->dimension(), 3);
  std::vector<Hit> hits(10);
  for (const bool exact : {false, true}) {
    const auto found = (*table)->Search(query.data(), {.k = 10, .exact = exact}, hits);
    if (!found.ok()) return found.status();
  }
  VITRINE_RETURN_IF_ERROR((*table)->FetchAll());
  const std::vector<PointId> ids = (*table)->Ids();
  std::vector<std::byte> vectors(ids.size() * (*table)->vector_bytes());
  return (*table)->Get(ids, std::span(vectors));
}

}  // namespace vitrine
