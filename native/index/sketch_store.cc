#include "index/sketch_store.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "base/prefetch.h"
#include "index/code_store.h"
#include "kernels/kernels.h"

namespace vitrine {
namespace {

// Lengths beyond which squares and sums leave f32.
constexpr double kLongestSquared = 1e74;
// The digits of a query are 2 u - 15 for u from 0 to 15.
constexpr float kLargestDigit = 15;

float Clipped(double value) {
  return static_cast<float>(std::clamp(value, double{-FLT_MAX}, double{FLT_MAX}));
}

double InnerProduct(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// Signs and factors, in as few lines of memory as may be.
size_t SketchBytes(size_t padded) {
  const size_t used = padded / 8 + sizeof(CodeFactors);
  return (used + 31) / 32 * 32;
}

}  // namespace

SketchStore::SketchStore(size_t dimension, Metric metric, std::span<const float> centre,
                         const CodeKernels& kernels)
    : dimension_(dimension),
      metric_(metric),
      centre_(centre.begin(), centre.end()),
      squared_centre_(SquaredNorm(centre_.data(), dimension_)),
      kernels_(kernels),
      rotation_(dimension, kCodeSeed, kernels),
      bit_bytes_(rotation_.padded() / 8),
      plane_bytes_((bit_bytes_ + 63) / 64 * 64),
      rows_(SketchBytes(rotation_.padded())) {}

double SketchStore::ScaleOf(const float* vector) const {
  if (metric_ != Metric::kCosine) return 1;
  const double squared = kernels_.squared_norm(vector, dimension_);
  return squared == 0 ? 0 : 1 / std::sqrt(squared);
}

double SketchStore::Centre(const float* vector, float share, std::vector<float>& work) const {
  work.resize(rotation_.padded());
  const double squared_length =
      kernels_.centre(vector, ScaleOf(vector), centre_.data(), share, dimension_, work.data());
  std::fill(work.begin() + static_cast<std::ptrdiff_t>(dimension_), work.end(), 0.f);
  if (!(squared_length < kLongestSquared)) {
    std::fill(work.begin(), work.end(), 0.f);
    return 0;
  }
  rotation_.Apply(work.data());
  return squared_length;
}

float SketchStore::LargestEstimate() const { return metric_ == Metric::kCosine ? 2 : FLT_MAX; }

void SketchStore::Put(Slot slot, const float* vector, std::vector<float>& work) const {
  const double squared_length = Centre(vector, 1, work);
  std::byte* const row = rows_.Row(slot);
  double magnitude = 0;
  for (size_t byte = 0; byte < bit_bytes_; ++byte) {
    unsigned bits = 0;
    float sum = 0;
    for (size_t i = 0; i < 8; ++i) {
      const float x = work[byte * 8 + i];
      bits |= (x >= 0 ? 1u : 0u) << i;
      sum += std::abs(x);
    }
    row[byte] = static_cast<std::byte>(bits);
    magnitude += sum;
  }
  // A vector that is the centre, or too far off, is told by its length alone.
  CodeFactors factors{0, 0};
  if (magnitude > 0) factors.multiply = Clipped(-sense() * squared_length / magnitude);
  switch (metric_) {
    case Metric::kL2:
      factors.add = Clipped(squared_length);
      break;
    case Metric::kCosine:
      factors.add = Clipped(squared_length / 2);
      break;
    case Metric::kIp:
      factors.add = Clipped(squared_centre_ - InnerProduct(vector, centre_.data(), dimension_));
      break;
    case Metric::kHamming:
    case Metric::kJaccard:
      break;  // bits have no sketches
  }
  std::memcpy(row + bit_bytes_, &factors, sizeof(factors));
}

void SketchStore::Prepare(const float* query, SketchQuery& prepared) const {
  const double dot_centre =
      metric_ == Metric::kIp ? InnerProduct(query, centre_.data(), dimension_) : squared_centre_;
  // The share of the centre that leaves least of the query, as in CodeStore::Prepare.
  const float share = squared_centre_ > 0 ? Clipped(dot_centre / squared_centre_) : 1;
  const double squared_length = Centre(query, share, prepared.work_);
  const size_t count = rotation_.padded();
  const float largest = kernels_.largest(prepared.work_.data(), count);
  const float inverse = largest < 1e-35f ? 0 : kLargestDigit / largest;
  prepared.planes_.assign(4 * plane_bytes_, 0);
  uint8_t* const planes = prepared.planes_.data();
  for (size_t byte = 0; byte < bit_bytes_; ++byte) {
    unsigned bits[4] = {};
    for (unsigned i = 0; i < 8; ++i) {
      // (steps + 15) / 2, rounded.
      const float half_steps = prepared.work_[byte * 8 + i] * inverse * 0.5f + 8.f;
      const auto digit = std::min(15u, static_cast<unsigned>(half_steps));
      for (unsigned plane = 0; plane < 4; ++plane) bits[plane] |= ((digit >> plane) & 1u) << i;
    }
    for (size_t plane = 0; plane < 4; ++plane) {
      planes[plane * plane_bytes_ + byte] = static_cast<uint8_t>(bits[plane]);
    }
  }
  // With signs s and digits d, <s, d> = 15 n - 2 h, where h counts bits that differ by their
  // weight.
  prepared.formula_ = {.scale = inverse == 0 ? 0 : -2 * largest / kLargestDigit,
                       .shift = 7.5f * static_cast<float>(count),
                       .share = share,
                       .base = 0,
                       .largest = LargestEstimate()};
  switch (metric_) {
    case Metric::kL2:
      prepared.formula_.base = Clipped(squared_length);
      break;
    case Metric::kCosine:
      prepared.formula_.base = Clipped(squared_length / 2);
      break;
    case Metric::kIp:
      prepared.formula_.base = Clipped(-dot_centre);
      break;
    case Metric::kHamming:
    case Metric::kJaccard:
      break;  // bits have no sketches
  }
}

void SketchStore::Estimate(const SketchQuery& prepared, const Slot* slots, size_t count,
                           float* out) const {
  const uint8_t* rows[kMostRows];
  uint32_t differing[kMostRows];
  int32_t dots[kMostRows];
  CodeFactors factors[kMostRows];
  for (size_t i = 0; i < count; ++i) rows[i] = Bits(slots[i]);
  kernels_.hamming_planes(prepared.planes_.data(), rows, count, bit_bytes_, differing);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(&factors[i], rows[i] + bit_bytes_, sizeof(CodeFactors));
    dots[i] = static_cast<int32_t>(differing[i]);
  }
  kernels_.estimate(dots, factors, count, prepared.formula_, out);
}

void SketchStore::PrefetchRow(Slot slot) const {
  const std::byte* const row = rows_.Row(slot);
  for (size_t at = 0; at < row_bytes(); at += 64) Prefetch(row + at);
}

}  // namespace vitrine
