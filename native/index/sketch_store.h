#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/slot_array.h"
#include "index/metric.h"
#include "index/principal_axes.h"
#include "kernels/code_kernels.h"

namespace vitrine {

// A query in the form that sketches are compared with. Made by SketchStore::Prepare; its memory is
// reused from query to query.
class SketchQuery {
 private:
  friend class SketchStore;

  std::vector<float> work_;  // the vector while it is prepared
  alignas(64) int8_t components_[kProjected] = {};
  CodeFormula formula_{.scale = 0, .shift = 0, .share = 1, .base = 0, .largest = 0};
};

// Sketches of the vectors of a table, one row a slot, a line of memory each: the difference from a
// centre along the axes in which vectors differ most, a byte an axis, and two factors. What lies
// across all axes counts as different: estimates are exact in the length of it and know nothing of
// its direction. Three to ten times coarser than codes and several times sooner: for a look at very
// many rows, the best of which are then looked at more closely.
//
// Thread safety: that of VectorStore. Put needs one writer at a time; rows whose slots have been
// published are read beside it.
class SketchStore {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; kernels outlives the store
  //   centre  [dimension], as CodeCentreOf gives it; not retained
  //   axes    as PrincipalAxes gives them, of differences from the centre
  SketchStore(size_t dimension, Metric metric, std::span<const float> centre,
              std::vector<float> axes, const CodeKernels& kernels);

  // vector - centre, of the direction of the vector under cosine: what axes are made from.
  //   out  [dimension]
  static void Difference(const float* vector, size_t dimension, Metric metric,
                         std::span<const float> centre, const CodeKernels& kernels, float* out);

  [[nodiscard]] bool Grow(size_t count) { return rows_.Grow(count); }
  // Sketches `vector` into row `slot`: one or two microseconds at 784 dimensions.
  //   vector  [dimension] f32, finite, any alignment, not retained
  void Put(Slot slot, const float* vector) { Put(slot, vector, work_); }
  // The same on any thread, each with its own `work` and other slots.
  void Put(Slot slot, const float* vector, std::vector<float>& work) const;

  // May throw std::bad_alloc.
  //   query  [dimension] f32, finite, not retained; under cosine not zero
  void Prepare(const float* query, SketchQuery& prepared) const;
  using RowRef = const uint8_t*;
  static constexpr size_t kRowBytes = kProjected;  // digits and factors
  // The rows of slots [64 * group, 64 * group + 64), one behind the other. REQUIRES: Grow made room
  // for the first of them
  RowRef Group(size_t group) const {
    static_assert(64 * kRowBytes <= SlotRows::kLeastChunkBytes);
    return reinterpret_cast<RowRef>(rows_.Row(static_cast<Slot>(64 * group)));  // NOLINT
  }
  // Rows that one call of Estimate takes at most.
  static constexpr size_t kMostRows = 64;
  // Estimated distances of `count` rows: finite, in units of the metric.
  //   rows  [count rounded up to 4], of Group(); what is behind `count` is written over
  //   out   [count]
  void Estimate(const SketchQuery& prepared, RowRef* rows, size_t count, float* out) const;

  // Of the blocks that rows lie in.
  size_t reserved_bytes() const { return rows_.reserved_bytes(); }

 private:
  // The vector less `share` times the centre along each axis, as integers of up to 127 steps.
  struct Digits {
    double squared_length;  // of the whole difference; 0 for a vector too long for f32
    float step;
    int32_t sum;
    alignas(64) int8_t values[kProjected];
  };
  void Project(const float* vector, float share, std::vector<float>& work, Digits& digits) const;
  float sense() const { return metric_ == Metric::kL2 ? 2.f : 1.f; }
  float LargestEstimate() const;

  const size_t dimension_;
  const Metric metric_;
  const std::vector<float> centre_;
  const double squared_centre_;
  const std::vector<float> axes_;
  const CodeKernels& kernels_;
  SlotRows rows_;
  std::vector<float> work_;  // Put's
};

}  // namespace vitrine
