#pragma once

#include <cstddef>
#include <cstdint>

#include "base/slot_array.h"
#include "index/metric.h"
#include "index/vector_type.h"
#include "kernels/code_kernels.h"
#include "kernels/kernels.h"

namespace vitrine {

// One row of a batch: where it is.
using RowRef = const std::byte*;

// What rows are scored against: a vector of their type, and what its metric needs beside it, as
// VectorStore keeps it for a row.
struct ScoredQuery {
  const std::byte* vector;
  float factor;
};

// Rows to be scored.
//   refs     [count rounded up to 4], the last repeated
//   slots    [count]
//   factors  of the slots; read where the metric needs them and they are not
//   at_hand  [count rounded up to 4]; or null
struct ScoredRows {
  const RowRef* refs;
  const Slot* slots;
  const SlotArray<float>* factors;
  const float* at_hand;
  size_t count;

  size_t padded() const { return (count + 3) & ~size_t{3}; }
};

// What the distances of a table are computed by, chosen once for its type and metric.
struct VectorScoring {
  const KernelTable* floats;
  const CodeKernels* integers;
  size_t length;  // of a vector, as kernels count it: components, or bytes of bits
  //   distances  [rows.count rounded up to 4], written; never NaN, never infinite
  void (*score)(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                float* distances);
};

// REQUIRES: MetricFits; kernels outlives the result
VectorScoring ScoringOf(VectorType type, Metric metric, size_t dimension,
                        const KernelTable& kernels);

// The squared Euclidean norm; of bits, how many are set. Exact but for floats.
double SquaredNormOf(VectorType type, const VectorScoring& scoring, const std::byte* vector);

}  // namespace vitrine
