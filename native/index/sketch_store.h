#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/slot_array.h"
#include "index/code_rotation.h"
#include "index/metric.h"
#include "kernels/code_kernels.h"

namespace vitrine {

// A query in the form that sketches are compared with. Made by SketchStore::Prepare; its memory is
// reused from query to query.
class SketchQuery {
 private:
  friend class SketchStore;

  std::vector<float> work_;      // the vector while it is prepared
  std::vector<uint8_t> planes_;  // digits of four bits, a plane a bit, lowest first
  CodeFormula formula_{.scale = 0, .shift = 0, .share = 1, .base = 0, .largest = 0};
};

// Sketches of the vectors of a table, one row a slot: the signs of the rotated difference from a
// centre, a bit a dimension, and two factors in the same lines of memory. A distance is estimated
// from the bits in which they differ from the planes of a query, without bias (RaBitQ; Gao and Long
// 2024), ten times coarser than by codes and several times sooner: for a look at very many rows,
// the best of which are then looked at more closely.
//
// Thread safety: that of VectorStore. Put needs one writer at a time; rows whose slots have been
// published are read beside it.
class SketchStore {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; kernels outlives the store
  //   centre  [dimension], as CodeCentreOf gives it; not retained
  SketchStore(size_t dimension, Metric metric, std::span<const float> centre,
              const CodeKernels& kernels);

  [[nodiscard]] bool Grow(size_t count) { return rows_.Grow(count); }
  // Sketches `vector` into row `slot`: about a microsecond at 784 dimensions.
  //   vector  [dimension] f32, finite, any alignment, not retained
  void Put(Slot slot, const float* vector) { Put(slot, vector, work_); }
  // The same on any thread, each with its own `work` and other slots.
  void Put(Slot slot, const float* vector, std::vector<float>& work) const;

  // May throw std::bad_alloc.
  //   query  [dimension] f32, finite, not retained; under cosine not zero
  void Prepare(const float* query, SketchQuery& prepared) const;
  // Rows that one call of Estimate takes at most.
  static constexpr size_t kMostRows = 64;
  // Estimated distances of `count` rows: finite, in units of the metric.
  //   slots, out  [count]
  void Estimate(const SketchQuery& prepared, const Slot* slots, size_t count, float* out) const;
  void PrefetchRow(Slot slot) const;

  // Bytes of a row with its factors.
  size_t row_bytes() const { return rows_.row_bytes(); }
  // Of the blocks that rows lie in.
  size_t reserved_bytes() const { return rows_.reserved_bytes(); }

 private:
  // Components of `work`: the vector less `share` times the centre, rotated. Returns the squared
  // length; 0, and zeros, for a vector too long for f32.
  double Centre(const float* vector, float share, std::vector<float>& work) const;
  // Of a vector under cosine: over its length.
  double ScaleOf(const float* vector) const;
  const uint8_t* Bits(Slot slot) const {
    return reinterpret_cast<const uint8_t*>(rows_.Row(slot));  // NOLINT
  }
  float sense() const { return metric_ == Metric::kL2 ? 2.f : 1.f; }
  float LargestEstimate() const;

  const size_t dimension_;
  const Metric metric_;
  const std::vector<float> centre_;
  const double squared_centre_;
  const CodeKernels& kernels_;
  const CodeRotation rotation_;
  const size_t bit_bytes_;    // of signs in a row
  const size_t plane_bytes_;  // of a plane of a query
  SlotRows rows_;
  std::vector<float> work_;  // Put's
};

}  // namespace vitrine
