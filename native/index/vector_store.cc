#include "index/vector_store.h"

#include <cfloat>
#include <cmath>
#include <cstring>

namespace vitrine {
namespace {

// Rows are rounded up to whole cache lines where that costs little (up to 1/32), because a row
// that starts on a line touches one line fewer. Short rows stay packed: memory counts there.
size_t RowBytes(size_t dimension) {
  const size_t packed = dimension * sizeof(float);
  const size_t aligned = (packed + 63) & ~size_t{63};
  return aligned - packed <= packed / 32 ? aligned : packed;
}

// NaN (from inf - inf or 0 * inf) and +inf become the largest distance, -inf becomes -FLT_MAX.
float Clamp(float distance, float largest = FLT_MAX) {
  if (!(distance < largest)) return largest;
  return distance < -FLT_MAX ? -FLT_MAX : distance;
}

// The largest distance under cosine.
constexpr float kOpposite = 2;

float InverseNormOf(const float* vector, size_t dimension) {
  const double squared = SquaredNorm(vector, dimension);
  if (squared == 0) return 0;
  // A norm below about 3e-39 has no finite inverse in f32; the largest one keeps the direction.
  const double inverse = 1 / std::sqrt(squared);
  return inverse > FLT_MAX ? FLT_MAX : static_cast<float>(inverse);
}

}  // namespace

VectorStore::VectorStore(size_t dimension, Metric metric, const KernelTable& kernels)
    : dimension_(dimension), metric_(metric), kernels_(kernels), rows_(RowBytes(dimension)) {}

bool VectorStore::Grow(size_t count) {
  return rows_.Grow(count) && (!has_factors() || factors_.Grow(count));
}

void VectorStore::Put(Slot slot, const float* vector) {
  std::memcpy(rows_.Row(slot), vector, dimension_ * sizeof(float));
  if (metric_ == Metric::kCosine) factors_[slot] = InverseNormOf(vector, dimension_);
  if (metric_ == Metric::kIp) {
    factors_[slot] = Clamp(static_cast<float>(std::sqrt(SquaredNorm(vector, dimension_))));
  }
}

F32Scorer VectorStore::ScorerFor(const float* query) const {
  return {this, query, metric_ == Metric::kCosine ? InverseNormOf(query, dimension_) : 0};
}

F32Scorer VectorStore::ScorerFor(Slot slot) const {
  return {this, Row(slot), metric_ == Metric::kCosine ? InverseNorm(slot) : 0};
}

float F32Scorer::ScoreOne(Slot slot) const {
  const F32Kernels& f32 = store_->kernels_.f32;
  const float* row = store_->Row(slot);
  const size_t dimension = store_->dimension_;
  switch (store_->metric_) {
    case Metric::kL2:
      return Clamp(f32.l2(query_, row, dimension));
    case Metric::kIp:
      return Clamp(-f32.dot(query_, row, dimension));
    case Metric::kCosine:
      return Clamp(f32.cosine(query_, inverse_norm_, row, store_->InverseNorm(slot), dimension),
                   kOpposite);
  }
  return FLT_MAX;
}

void F32Scorer::Score(RowRef* refs, const Slot* slots, size_t count, float* distances) const {
  const F32Kernels& f32 = store_->kernels_.f32;
  const size_t dimension = store_->dimension_;
  // Rows beyond the last are the last once more: cheaper than a kernel call a row.
  for (size_t i = count; i % 4 != 0; ++i) refs[i] = refs[count - 1];
  const auto after = [&](size_t i) { return refs + (i + 4 < count ? i + 4 : i); };
  switch (store_->metric_) {
    case Metric::kL2:
      for (size_t i = 0; i < count; i += 4)
        f32.l2_rows4(query_, refs + i, after(i), dimension, distances + i);
      break;
    case Metric::kIp:
      for (size_t i = 0; i < count; i += 4)
        f32.dot_rows4(query_, refs + i, after(i), dimension, distances + i);
      for (size_t i = 0; i < count; ++i) distances[i] = -distances[i];
      break;
    case Metric::kCosine:
      for (size_t i = 0; i < count; i += 4) {
        float inverse_norms[4] = {};
        for (size_t j = i; j < i + 4 && j < count; ++j) {
          inverse_norms[j - i] = store_->InverseNorm(slots[j]);
        }
        f32.cosine_rows4(query_, inverse_norm_, refs + i, after(i), inverse_norms, dimension,
                         distances + i);
      }
      break;
  }
  const float largest = store_->metric_ == Metric::kCosine ? kOpposite : FLT_MAX;
  for (size_t i = 0; i < count; ++i) distances[i] = Clamp(distances[i], largest);
}

}  // namespace vitrine
