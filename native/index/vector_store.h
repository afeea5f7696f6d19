#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/slot_array.h"
#include "index/metric.h"
#include "index/vector_scoring.h"
#include "index/vector_type.h"
#include "kernels/kernels.h"

namespace vitrine {

class VectorScorer;

// The vectors of a table, one row a slot, exactly as they were given, and what their metric needs
// beside them: under cosine the inverse norm, under inner product the norm, under jaccard how many
// bits are set.
class VectorStore {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; DimensionFits and MetricFits; kernels outlives the store
  VectorStore(size_t dimension, Metric metric, const KernelTable& kernels,
              VectorType type = VectorType::kF32);

  [[nodiscard]] bool Grow(size_t count);
  // Copies `vector` into row `slot`.
  //   vector  of the store's type, finite, any alignment, not retained
  void Put(Slot slot, const void* vector);

  const std::byte* Row(Slot slot) const { return rows_.Row(slot); }
  // 1 / |vector|, 0 for a zero vector; only under cosine.
  float InverseNorm(Slot slot) const { return factors_[slot]; }
  // |vector|, at most the largest finite f32; only under inner product.
  float Norm(Slot slot) const { return factors_[slot]; }
  // Whether the vector in row `slot` is as far from everything as can be: one without a direction
  // under cosine, or without a bit under jaccard.
  bool IsZero(Slot slot) const { return has_zeros() && factors_[slot] == 0; }

  // A scorer for a query of the store's type that is not in the store; `query` must outlive it.
  VectorScorer ScorerFor(const void* query) const;
  // A scorer for the vector in row `slot`.
  VectorScorer ScorerFor(Slot slot) const;

  // A vector of the store's type as f32: in `work`, unless it is f32 itself.
  const float* AsFloats(const void* vector, std::vector<float>& work) const;

  size_t dimension() const { return dimension_; }
  VectorType type() const { return type_; }
  // Of a vector; rows may be longer.
  size_t vector_bytes() const { return VectorBytes(type_, dimension_); }
  size_t row_bytes() const { return rows_.row_bytes(); }
  // Bytes beside each row.
  size_t side_bytes() const { return has_factors() ? sizeof(float) : 0; }
  Metric metric() const { return metric_; }
  const KernelTable& kernels() const { return kernels_; }

 private:
  friend class VectorScorer;

  // Inner product needs its factors for choosing links only.
  bool has_factors() const { return metric_ != Metric::kL2 && metric_ != Metric::kHamming; }
  bool has_zeros() const { return metric_ == Metric::kCosine || metric_ == Metric::kJaccard; }
  // What the metric needs beside a vector.
  float FactorOf(const std::byte* vector) const;

  const size_t dimension_;
  const Metric metric_;
  const VectorType type_;
  const KernelTable& kernels_;
  const VectorScoring scoring_;
  SlotRows rows_;
  SlotArray<float> factors_;
};

// Distances from one query to rows of a store: the scorer of the search loop for whole vectors.
// Never NaN and never infinite: what overflows is the largest finite f32, so that an order exists.
class VectorScorer {
 public:
  using RowRef = vitrine::RowRef;

  RowRef Ref(Slot slot) const { return store_->Row(slot); }
  // Distances to `count` rows.
  //   refs, slots   [count]; refs[i] == Ref(slots[i]). refs needs 3 writable places more
  //   distances     [count rounded up to 4], written
  void Score(RowRef* refs, const Slot* slots, size_t count, float* distances) const {
    // Rows beyond the last are the last once more: cheaper than a kernel call a row.
    for (size_t i = count; i % 4 != 0; ++i) refs[i] = refs[count - 1];
    store_->scoring_.score(store_->scoring_, query_, {refs, slots, &store_->factors_, count},
                           distances);
  }
  float ScoreOne(Slot slot) const;
  // Whether the query is as far from everything as can be, as VectorStore::IsZero has it.
  bool IsZeroQuery() const { return store_->has_zeros() && query_.factor == 0; }

 private:
  friend class VectorStore;
  VectorScorer(const VectorStore* store, ScoredQuery query) : store_(store), query_(query) {}

  const VectorStore* store_;
  ScoredQuery query_;
};

}  // namespace vitrine
