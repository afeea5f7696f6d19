#include "index/vector_store.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <utility>

namespace vitrine {
namespace {

// Rows are rounded up to whole cache lines where that costs little (up to 1/32), because a row
// that starts on a line touches one line fewer. Short rows stay packed: memory counts there.
size_t RowBytes(size_t packed) {
  const size_t aligned = (packed + 63) & ~size_t{63};
  return aligned - packed <= packed / 32 ? aligned : packed;
}

}  // namespace

VectorStore::VectorStore(size_t dimension, Metric metric, const KernelTable& kernels,
                         VectorType type)
    : dimension_(dimension),
      metric_(metric),
      type_(type),
      kernels_(kernels),
      scoring_(ScoringOf(type, metric, dimension, kernels)),
      rows_(RowBytes(VectorBytes(type, dimension))) {}

bool VectorStore::Grow(size_t count) {
  return rows_.Grow(count) && (!has_factors() || factors_.Grow(count));
}

void VectorStore::UseMapped(std::unique_ptr<const MappedRows> rows) {
  mapped_ = std::move(rows);
  const MappedRows::Layout& layout = mapped_->layout();
  rows_.Borrow(layout.data, layout.row_bytes, layout.count);
}

void VectorStore::RestoreRow(Slot slot, const void* vector) {
  std::memcpy(rows_.Row(slot), vector, vector_bytes());
}

void VectorStore::NoteFactor(Slot slot, const void* vector) {
  if (has_factors()) factors_[slot] = FactorOf(static_cast<const std::byte*>(vector));
}

Status VectorStore::VerifySlowly(Slot slot) const {
  if (lazy_ != nullptr && !lazy_->IsHere(slot)) VITRINE_RETURN_IF_ERROR(lazy_->Fetch(slot));
  return mapped_ == nullptr ? Status() : mapped_->Verify(slot);
}

Status VectorStore::VerifyAll() const {
  if (lazy_ != nullptr) VITRINE_RETURN_IF_ERROR(lazy_->FetchAll());
  return mapped_ == nullptr ? Status() : mapped_->VerifyAll();
}

const std::byte* VectorStore::VerifiedRow(Slot slot, Status* failure) const {
  Status status = VerifySlowly(slot);
  if (status.ok()) return rows_.Row(slot);
  assert(failure != nullptr);
  *failure = std::move(status);
  return mapped_ == nullptr ? rows_.Row(slot) : mapped_->zeros();
}

size_t VectorStore::memory_bytes(size_t slots) const {
  const size_t beside = has_factors() ? slots * sizeof(float) : 0;
  return beside + (mapped_ == nullptr ? slots * row_bytes() : mapped_->memory_bytes());
}

void VectorStore::Put(Slot slot, const void* vector) {
  std::memcpy(rows_.Row(slot), vector, vector_bytes());
  if (has_factors()) factors_[slot] = FactorOf(rows_.Row(slot));
}

float VectorStore::FactorOf(const std::byte* vector) const {
  if (!has_factors()) return 0;
  const double squared = SquaredNormOf(type_, scoring_, vector);
  if (metric_ == Metric::kJaccard) return static_cast<float>(squared);
  const double norm = std::sqrt(squared);
  if (metric_ == Metric::kIp) return norm < FLT_MAX ? static_cast<float>(norm) : FLT_MAX;
  if (squared == 0) return 0;
  // A norm below about 3e-39 has no finite inverse in f32; the largest one keeps the direction.
  const double inverse = 1 / norm;
  return inverse > FLT_MAX ? FLT_MAX : static_cast<float>(inverse);
}

VectorScorer VectorStore::ScorerFor(const void* query, Status* failure) const {
  const auto* const vector = static_cast<const std::byte*>(query);
  return {this, {vector, has_zeros() ? FactorOf(vector) : 0}, failure};
}

VectorScorer VectorStore::ScorerFor(Slot slot, Status* failure) const {
  return {this, {Row(slot), has_factors() ? factors_[slot] : 0}, failure};
}

const float* VectorStore::AsFloats(const void* vector, std::vector<float>& work) const {
  if (type_ == VectorType::kF32) return static_cast<const float*>(vector);
  work.resize(dimension_);
  ToFloats(type_, vector, dimension_, work.data());
  return work.data();
}

void VectorScorer::ScoreNothing(size_t count, float* distances) {
  std::fill(distances, distances + count, FLT_MAX);
}

float VectorScorer::ScoreOne(Slot slot) const {
  RowRef refs[4] = {Ref(slot)};
  float distances[4];
  Score(refs, &slot, 1, distances);
  return distances[0];
}

}  // namespace vitrine
