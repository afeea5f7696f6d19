#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/table.h"
#include "index/vector_store.h"
#include "kernels/kernels.h"

namespace vitrine {

inline const KernelTable& BestKernels() {
  static const KernelTable& kernels = *SelectKernels("");
  return kernels;
}

inline std::unique_ptr<Table> MakeTable(const TableOptions& options, ThreadPool* pool = nullptr) {
  auto table = Table::Create(options, BestKernels(), pool);
  EXPECT_TRUE(table.ok());
  return std::move(*table);
}

inline void ExpectOk(const Status& status) {
  EXPECT_TRUE(status.ok()) << ErrorCodeName(status.code()) << ": " << status.message();
}

inline void ExpectFails(const Status& status, ErrorCode code) {
  ASSERT_FALSE(status.ok()) << "instead of " << ErrorCodeName(code);
  EXPECT_EQ(ErrorCodeName(status.code()), ErrorCodeName(code)) << status.message();
}

inline std::vector<Hit> SearchHits(const Table& table, const void* query,
                                   const SearchParameters& parameters) {
  std::vector<Hit> hits(parameters.k);
  const Result<size_t> found = table.Search(query, parameters, hits);
  EXPECT_TRUE(found.ok()) << found.status().message();
  hits.resize(found.ok() ? *found : 0);
  return hits;
}

inline bool operator==(const Hit& a, const Hit& b) {
  return a.distance == b.distance && a.id == b.id;
}

inline void PrintTo(const Hit& hit, std::ostream* out) { *out << hit.id << '@' << hit.distance; }

// A table as it should be: points in a map, and searches that look at each of them.
class TableModel {
 public:
  TableModel(size_t dimension, Metric metric)
      : dimension_(dimension), row_(dimension, metric, BestKernels()) {
    EXPECT_TRUE(row_.Grow(1));
  }

  void Put(PointId id, const float* vector) { points_[id].assign(vector, vector + dimension_); }
  bool Remove(PointId id) { return points_.erase(id) != 0; }
  bool Has(PointId id) const { return points_.contains(id); }
  size_t size() const { return points_.size(); }
  const std::map<PointId, std::vector<float>>& points() const { return points_; }
  std::vector<PointId> Ids() const {
    std::vector<PointId> ids;
    ids.reserve(points_.size());
    for (const auto& [id, vector] : points_) ids.push_back(id);
    return ids;
  }

  float Distance(const float* query, const float* vector) {
    row_.Put(0, vector);
    return row_.ScorerFor(query).ScoreOne(0);
  }
  // All points that `allowed` names (null: all), nearest first, ties by id; with `k` these first,
  // and the others in any order.
  std::vector<Hit> Search(const float* query, const std::set<PointId>* allowed = nullptr,
                          size_t k = SIZE_MAX) {
    std::vector<Hit> hits;
    hits.reserve(points_.size());
    const auto scorer = row_.ScorerFor(query);
    for (const auto& [id, vector] : points_) {
      if (allowed != nullptr && !allowed->contains(id)) continue;
      row_.Put(0, vector.data());
      hits.push_back({scorer.ScoreOne(0), id});
    }
    const auto sorted = static_cast<std::ptrdiff_t>(std::min(k, hits.size()));
    std::partial_sort(hits.begin(), hits.begin() + sorted, hits.end());
    return hits;
  }

 private:
  const size_t dimension_;
  VectorStore row_;
  std::map<PointId, std::vector<float>> points_;
};

// The share of hits that are as near as the k-th of `truth`: an equally near one will do.
inline double RecallOf(const std::vector<Hit>& hits, const std::vector<Hit>& truth, size_t k) {
  const size_t wanted = std::min(k, truth.size());
  if (wanted == 0) return 1;
  const auto good = std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
    return hit.distance <= truth[wanted - 1].distance;
  });
  return static_cast<double>(std::min<size_t>(static_cast<size_t>(good), wanted)) /
         static_cast<double>(wanted);
}

}  // namespace vitrine
