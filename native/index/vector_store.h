#pragma once

#include <cstddef>
#include <cstdint>

#include "base/slot_array.h"
#include "index/metric.h"
#include "kernels/kernels.h"

namespace vitrine {

class F32Scorer;

// The vectors of a table, one row a slot, exactly as they were given, and what their metric needs
// beside them: under cosine the inverse norm, under inner product the norm.
class VectorStore {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; kernels outlives the store
  VectorStore(size_t dimension, Metric metric, const KernelTable& kernels);

  [[nodiscard]] bool Grow(size_t count);
  // Copies `vector` into row `slot`.
  //   vector  [dimension] f32, finite, any alignment, not retained
  void Put(Slot slot, const float* vector);

  const float* Row(Slot slot) const {
    return reinterpret_cast<const float*>(rows_.Row(slot));  // NOLINT
  }
  // 1 / |vector|, 0 for a zero vector; only under cosine.
  float InverseNorm(Slot slot) const { return factors_[slot]; }
  // |vector|, at most the largest finite f32; only under inner product.
  float Norm(Slot slot) const { return factors_[slot]; }
  // Whether the vector in row `slot` has no direction, so that cosine gives it no neighbours.
  bool IsZero(Slot slot) const { return metric_ == Metric::kCosine && InverseNorm(slot) == 0; }

  // A scorer for a query that is not in the store; `query` must outlive it.
  F32Scorer ScorerFor(const float* query) const;
  // A scorer for the vector in row `slot`.
  F32Scorer ScorerFor(Slot slot) const;

  size_t dimension() const { return dimension_; }
  size_t row_bytes() const { return rows_.row_bytes(); }
  // Bytes beside each row.
  size_t side_bytes() const { return has_factors() ? sizeof(float) : 0; }
  Metric metric() const { return metric_; }
  const KernelTable& kernels() const { return kernels_; }

 private:
  friend class F32Scorer;

  bool has_factors() const { return metric_ != Metric::kL2; }

  const size_t dimension_;
  const Metric metric_;
  const KernelTable& kernels_;
  SlotRows rows_;
  SlotArray<float> factors_;
};

// Distances from one query to rows of a store: the scorer of the search loop for exact f32 rows.
// Never NaN and never infinite: what overflows is the largest finite f32, so that an order exists.
class F32Scorer {
 public:
  // One row of a batch: where it is.
  using RowRef = const float*;

  RowRef Ref(Slot slot) const { return store_->Row(slot); }
  // Distances to `count` rows.
  //   refs, slots   [count]; refs[i] == Ref(slots[i]). refs needs 3 writable places more
  //   distances     [count rounded up to 4], written
  void Score(RowRef* refs, const Slot* slots, size_t count, float* distances) const;
  float ScoreOne(Slot slot) const;
  // Whether the query has no direction (cosine only): it is equally far from everything.
  bool IsZeroQuery() const { return store_->metric() == Metric::kCosine && inverse_norm_ == 0; }

 private:
  friend class VectorStore;
  F32Scorer(const VectorStore* store, const float* query, float inverse_norm)
      : store_(store), query_(query), inverse_norm_(inverse_norm) {}

  const VectorStore* store_;
  const float* query_;
  float inverse_norm_;
};

}  // namespace vitrine
