// What an estimate is worth: its bias and spread against the formula, and the recall of ranking by
// it, on real data and on the kinds of data that are hard on codes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/code_rerank.h"
#include "index/code_store.h"
#include "index/vector_store.h"
#include "random_data.h"
#include "sample_vectors.h"

namespace vitrine::index_codes_recall_test {
namespace {

constexpr Metric kMetrics[] = {Metric::kL2, Metric::kCosine, Metric::kIp};
constexpr CodeKind kKinds[] = {CodeKind::kSq8, CodeKind::kRq4};
constexpr size_t kNeighbours = 10;
// Of each query so many best estimates are looked at.
constexpr size_t kRanked = 300;

struct DataSet {
  std::string name;
  size_t dimension;
  std::vector<float> base, queries;
  size_t count() const { return base.size() / dimension; }
  size_t query_count() const { return queries.size() / dimension; }
};

// Pictures; of unit length for inner product, because a few bright ones would otherwise be the
// answer to everything.
DataSet Fashion(Metric metric) {
  DataSet data{"fashion-mnist", kSampleDimension, SampleVectors("base", Scaled(5000, 3000)),
               SampleVectors("queries", Scaled(100, 40))};
  if (metric != Metric::kIp) return data;
  for (std::vector<float>* vectors : {&data.base, &data.queries}) {
    for (size_t i = 0; i < vectors->size(); i += data.dimension) {
      float* const row = vectors->data() + i;
      const auto norm = static_cast<float>(std::sqrt(SquaredNorm(row, data.dimension)));
      for (size_t j = 0; j < data.dimension; ++j) row[j] /= norm;
    }
  }
  return data;
}

enum class Shape { kNormal, kClustered, kOutlierDimension, kWildNorms, kFarFromOrigin, kSparse };
constexpr Shape kShapes[] = {Shape::kNormal,    Shape::kClustered,     Shape::kOutlierDimension,
                             Shape::kWildNorms, Shape::kFarFromOrigin, Shape::kSparse};
constexpr const char* kShapeNames[] = {"normal",     "clustered",       "outlier dimension",
                                       "wild norms", "far from origin", "sparse"};

DataSet Synthetic(Shape shape, size_t dimension) {
  const size_t count = Scaled(2000, 600), queries = 40;
  const uint64_t seed = TestSeed();
  DataSet data{kShapeNames[static_cast<size_t>(shape)], dimension, {}, {}};
  auto all = shape == Shape::kClustered ? ClusteredVectors(count + queries, dimension, 20, seed)
                                        : NormalVectors(count + queries, dimension, seed);
  std::mt19937_64 random(seed + 1);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < count + queries; ++i) {
    float* const row = all.data() + i * dimension;
    if (shape == Shape::kOutlierDimension) row[dimension * 3 / 4] *= 100;
    if (shape == Shape::kWildNorms) {
      const float scale = std::exp(3 * normal(random));
      for (size_t j = 0; j < dimension; ++j) row[j] *= scale;
    }
    if (shape == Shape::kFarFromOrigin) {
      for (size_t j = 0; j < dimension; ++j) row[j] += 50;
    }
    if (shape == Shape::kSparse) {
      for (size_t j = 0; j < dimension; ++j) {
        if (random() % 50 != 0) row[j] = 0;
      }
    }
  }
  // Queries from everywhere, clusters included.
  for (size_t i = 0; i < count + queries; ++i) {
    const bool is_query = i * queries / (count + queries) != (i + 1) * queries / (count + queries);
    auto& where = is_query ? data.queries : data.base;
    const float* const row = all.data() + i * dimension;
    where.insert(where.end(), row, row + dimension);
  }
  return data;
}

// Exact and estimated distances from all queries to all vectors.
class Comparison {
 public:
  Comparison(const DataSet& data, Metric metric, CodeKind kind)
      : data_(data),
        exact_(data.dimension, metric, *SelectKernels("")),
        centre_(CodeCentreOf(
            std::span(data.base).first(std::min<size_t>(data.count(), 1000) * data.dimension),
            data.dimension, metric)),
        codes_({.dimension = data.dimension, .metric = metric, .kind = kind, .centre = centre_},
               SelectCodeKernels(SelectKernels("")->set).codes) {
    EXPECT_TRUE(exact_.Grow(data.count()) && codes_.Grow(data.count()));
    for (size_t i = 0; i < data.count(); ++i) {
      exact_.Put(static_cast<Slot>(i), data.base.data() + i * data.dimension);
      codes_.Put(static_cast<Slot>(i), data.base.data() + i * data.dimension);
    }
    for (size_t q = 0; q < data.query_count(); ++q)
      Compare(data.queries.data() + q * data.dimension);
  }

  // Mean error near the queries, in units of the mean distance from the 10th to the 100th
  // neighbour, which is what an error must be small against.
  double bias() const { return bias_sum_ / static_cast<double>(near_count_) / gap(); }
  // Root mean square error near the queries, in the same units.
  double error() const { return std::sqrt(error_sum_ / static_cast<double>(near_count_)) / gap(); }
  // Root mean square of error over computed deviation: 1 where the formula is right.
  double spread_near() const { return std::sqrt(near_sum_ / static_cast<double>(near_count_)); }
  double spread_all() const { return std::sqrt(all_sum_ / static_cast<double>(all_count_)); }
  // Share of the true neighbours that are among the `kept` best estimates.
  double Recall(size_t kept) const {
    size_t found = 0;
    for (const auto& ranks : ranks_) {
      const auto last = std::lower_bound(ranks.begin(), ranks.end(), kept);
      found += std::min(kNeighbours, static_cast<size_t>(last - ranks.begin()));
    }
    return static_cast<double>(found) / static_cast<double>(ranks_.size() * kNeighbours);
  }
  // Recall of reranking the 300 best estimates until the deviations say that it is enough, and the
  // mean of the rows that this takes.
  double reranked_recall() const {
    return static_cast<double>(reranked_found_) / static_cast<double>(ranks_.size() * kNeighbours);
  }
  double reranked_rows() const {
    return static_cast<double>(reranked_rows_) / static_cast<double>(ranks_.size());
  }

 private:
  double gap() const { return gap_sum_ / static_cast<double>(ranks_.size()); }

  void Compare(const float* query) {
    const size_t count = data_.count();
    const VectorScorer exact_scorer = exact_.ScorerFor(query);
    codes_.Prepare(query, prepared_);
    const CodeScorer scorer = codes_.ScorerFor(prepared_);
    std::vector<float> exact(count), estimates(count), deviations(count);
    for (size_t i = 0; i < count; ++i) {
      const auto slot = static_cast<Slot>(i);
      exact[i] = exact_scorer.ScoreOne(slot);
      estimates[i] = scorer.ScoreOne(slot);
      deviations[i] = scorer.Deviation(slot, estimates[i]);
    }
    const auto by = [count](const std::vector<float>& distances) {
      std::vector<RankedSlot> order(count);
      for (size_t i = 0; i < count; ++i) order[i] = {distances[i], static_cast<Slot>(i)};
      std::partial_sort(order.begin(), order.begin() + kRanked, order.end(),
                        [](const auto& a, const auto& b) {
                          return std::pair(a.distance, a.slot) < std::pair(b.distance, b.slot);
                        });
      return order;
    };
    const auto nearest = by(exact);
    auto ranked = by(estimates);
    // By distance and not by slot: there may be more than one tenth neighbour.
    const float farthest = nearest[kNeighbours - 1].distance;
    auto& ranks = ranks_.emplace_back();
    for (size_t rank = 0; rank < kRanked; ++rank) {
      if (exact[ranked[rank].slot] <= farthest) ranks.push_back(rank);
    }
    gap_sum_ += double{nearest[99].distance} - farthest;
    for (size_t i = 0; i < count; ++i) {
      const Slot slot = nearest[i].slot;
      const double error = double{estimates[slot]} - exact[slot];
      // Exact by definition: cosine of zero vectors.
      if (deviations[slot] == 0) {
        EXPECT_EQ(error, 0);
        continue;
      }
      const double normal = error / deviations[slot];
      all_sum_ += normal * normal;
      ++all_count_;
      if (i >= 100) continue;
      bias_sum_ += error;
      error_sum_ += error * error;
      near_sum_ += normal * normal;
      ++near_count_;
    }
    const auto candidates = std::span(ranked).first(kRanked);
    reranked_rows_ += Rerank(candidates, kNeighbours, scorer, exact_scorer);
    for (size_t i = 0; i < kNeighbours; ++i) {
      EXPECT_EQ(candidates[i].distance, exact[candidates[i].slot]);
      EXPECT_LE(candidates[i - (i > 0)].distance, candidates[i].distance);
      if (candidates[i].distance <= farthest) ++reranked_found_;
    }
  }

  const DataSet& data_;
  VectorStore exact_;
  const std::vector<float> centre_;
  CodeStore codes_;
  CodeQuery prepared_;
  std::vector<std::vector<size_t>> ranks_;
  double gap_sum_ = 0, bias_sum_ = 0, error_sum_ = 0, near_sum_ = 0, all_sum_ = 0;
  size_t near_count_ = 0, all_count_ = 0, reranked_found_ = 0, reranked_rows_ = 0;
};

std::string Describe(const DataSet& data, Metric metric, CodeKind kind, const Comparison& c) {
  char text[400];
  std::snprintf(
      text, sizeof(text),
      "%s %zu %s %s: bias %+.4f error %.4f spread %.3f near %.3f all, recall@10 of 10 %.4f "
      "14 %.4f 32 %.4f, reranked %.4f after %.1f rows",
      data.name.c_str(), data.dimension, kMetricNames[static_cast<size_t>(metric)].data(),
      kind == CodeKind::kSq8 ? "sq8" : "rq4", c.bias(), c.error(), c.spread_near(), c.spread_all(),
      c.Recall(10), c.Recall(14), c.Recall(32), c.reranked_recall(), c.reranked_rows());
  return text;
}

TEST(CodeErrors, FollowTheFormulaAndCostNoRecallOnPictures) {
  for (const Metric metric : kMetrics) {
    const DataSet data = Fashion(metric);
    for (const CodeKind kind : kKinds) {
      const Comparison c(data, metric, kind);
      SCOPED_TRACE(Describe(data, metric, kind, c));
      EXPECT_LT(std::abs(c.bias()), 0.01);
      EXPECT_LT(c.error(), kind == CodeKind::kSq8 ? 0.006 : 0.045);
      EXPECT_NEAR(c.spread_near(), 1, 0.1);
      EXPECT_NEAR(c.spread_all(), 1, 0.05);
      EXPECT_GE(c.Recall(10), kind == CodeKind::kSq8 ? 0.985 : 0.93);
      EXPECT_GE(c.Recall(32), 0.999);
      EXPECT_GE(c.reranked_recall(), 0.999);
      EXPECT_LE(c.reranked_rows(), kind == CodeKind::kSq8 ? 12.5 : 15);
    }
  }
}

// Spread that the formula may be wrong by. It takes errors of components for independent, and
// rounding for uniform. An outlier dimension makes steps so large that the other components round
// to nothing, by less than the formula thinks; components that are often zero have errors that many
// vectors share; far from the origin, rounding of f32 is as large as the errors, and counted in
// full.
struct Limits {
  double least, most;
};
Limits SpreadLimits(Shape shape, CodeKind kind) {
  const bool is_sq8 = kind == CodeKind::kSq8;
  switch (shape) {
    case Shape::kOutlierDimension:
      return is_sq8 ? Limits{0.1, 1.3} : Limits{0.3, 1.8};
    case Shape::kSparse:
      return is_sq8 ? Limits{0.05, 5} : Limits{0.05, 1.6};
    case Shape::kFarFromOrigin:
      return is_sq8 ? Limits{0.3, 1.3} : Limits{0.7, 1.3};
    case Shape::kNormal:
    case Shape::kClustered:
    case Shape::kWildNorms:
      break;
  }
  return {0.75, 1.25};
}

TEST(CodeErrors, FollowTheFormulaOnHardData) {
  VITRINE_TRACE_SEED();
  for (const size_t dimension : {24, 100, 128, 320}) {
    for (const Shape shape : kShapes) {
      const DataSet data = Synthetic(shape, dimension);
      for (const Metric metric : kMetrics) {
        for (const CodeKind kind : kKinds) {
          const Comparison c(data, metric, kind);
          SCOPED_TRACE(Describe(data, metric, kind, c));
          const Limits spread = SpreadLimits(shape, kind);
          EXPECT_GT(c.spread_near(), spread.least);
          EXPECT_LT(c.spread_near(), spread.most);
          // One rotation or one scale may favour one side; all of them together do not.
          EXPECT_LT(std::abs(c.bias()), 0.25 * c.error() + 0.01);
          const bool is_hard = shape == Shape::kOutlierDimension || shape == Shape::kWildNorms;
          EXPECT_GE(c.Recall(32), kind == CodeKind::kSq8 ? 0.88 : is_hard ? 0.2 : 0.97);
          EXPECT_GE(c.reranked_recall(), is_hard && kind == CodeKind::kRq4 ? 0.93 : 0.98);
        }
      }
    }
  }
}

class Candidates {
 public:
  Candidates(size_t count, Metric metric)
      : vectors_(NormalVectors(count + 1, kDimension, 1)),
        exact_(kDimension, metric, *SelectKernels("")),
        codes_({.dimension = kDimension,
                .metric = metric,
                .kind = CodeKind::kRq4,
                .centre = std::vector<float>(kDimension)},
               SelectCodeKernels(SelectKernels("")->set).codes) {
    EXPECT_TRUE(exact_.Grow(count) && codes_.Grow(count));
    codes_.Prepare(query(), prepared_);
    for (Slot slot = 0; slot < count; ++slot) {
      exact_.Put(slot, vectors_.data() + slot * kDimension);
      codes_.Put(slot, vectors_.data() + slot * kDimension);
      ranked_.push_back({codes_.ScorerFor(prepared_).ScoreOne(slot), slot});
    }
    std::sort(ranked_.begin(), ranked_.end(),
              [](const auto& a, const auto& b) { return a.distance < b.distance; });
  }

  std::vector<RankedSlot> ranked() const { return ranked_; }
  size_t RerankFor(size_t k, std::span<RankedSlot> candidates) const {
    return Rerank(candidates, k, codes_.ScorerFor(prepared_), exact_.ScorerFor(query()));
  }
  float Exact(Slot slot) const { return exact_.ScorerFor(query()).ScoreOne(slot); }

 private:
  static constexpr size_t kDimension = 64;
  const float* query() const { return vectors_.data() + vectors_.size() - kDimension; }

  const std::vector<float> vectors_;
  VectorStore exact_;
  CodeStore codes_;
  CodeQuery prepared_;
  std::vector<RankedSlot> ranked_;
};

TEST(Rerank, GivesTheNearestCandidatesInOrder) {
  for (const Metric metric : kMetrics) {
    for (const size_t count : {0, 1, 2, 7, 8, 9, 100}) {
      const Candidates all(count, metric);
      for (const size_t k : {0, 1, 5, 8, 10, 100, 200}) {
        auto candidates = all.ranked();
        std::vector<RankedSlot> expected;
        expected.reserve(count);
        for (const auto& [estimate, slot] : candidates) expected.push_back({all.Exact(slot), slot});
        std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
          return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
        });
        const size_t rows = all.RerankFor(k, candidates);
        EXPECT_LE(rows, count);
        EXPECT_GE(rows, std::min(k, count));
        for (size_t i = 0; i < std::min(k, count); ++i) {
          EXPECT_EQ(candidates[i].slot, expected[i].slot) << count << " " << k;
          EXPECT_EQ(candidates[i].distance, expected[i].distance);
        }
      }
    }
  }
}

TEST(Rerank, LooksNoFurtherThanErrorsReach) {
  const Candidates all(5000, Metric::kL2);
  auto candidates = all.ranked();
  EXPECT_LT(all.RerankFor(10, candidates), 100u);
}

}  // namespace
}  // namespace vitrine::index_codes_recall_test
