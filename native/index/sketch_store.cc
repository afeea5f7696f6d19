#include "index/sketch_store.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/kernels.h"

namespace vitrine {
namespace {

// Lengths beyond which squares and sums leave f32.
constexpr double kLongestSquared = 1e74;
// Digits of a row are bytes; 128 stands for nothing.
constexpr float kMostSteps = 127;
constexpr int32_t kNoSteps = 128;

float Clipped(double value) {
  return static_cast<float>(std::clamp(value, double{-FLT_MAX}, double{FLT_MAX}));
}

double InnerProduct(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

double ScaleOf(const float* vector, size_t dimension, Metric metric, const CodeKernels& kernels) {
  if (metric != Metric::kCosine) return 1;
  const double squared = kernels.squared_norm(vector, dimension);
  return squared == 0 ? 0 : 1 / std::sqrt(squared);
}

static_assert(kSketchDigits + sizeof(CodeFactors) == kProjected);

}  // namespace

SketchStore::SketchStore(size_t dimension, Metric metric, std::span<const float> centre,
                         std::vector<float> axes, const CodeKernels& kernels)
    : dimension_(dimension),
      metric_(metric),
      centre_(centre.begin(), centre.end()),
      squared_centre_(SquaredNorm(centre_.data(), dimension_)),
      axes_(std::move(axes)),
      kernels_(kernels),
      rows_(kRowBytes) {}

void SketchStore::Difference(const float* vector, size_t dimension, Metric metric,
                             std::span<const float> centre, const CodeKernels& kernels,
                             float* out) {
  kernels.centre(vector, ScaleOf(vector, dimension, metric, kernels), centre.data(), 1, dimension,
                 out);
}

void SketchStore::Project(const float* vector, float share, std::vector<float>& work,
                          Digits& digits) const {
  work.resize(dimension_);
  digits.squared_length = kernels_.centre(vector, ScaleOf(vector, dimension_, metric_, kernels_),
                                          centre_.data(), share, dimension_, work.data());
  float along[kProjected] = {};
  if (digits.squared_length < kLongestSquared) {
    kernels_.project(work.data(), axes_.data(), dimension_, along);
  } else {
    digits.squared_length = 0;
  }
  const float largest = kernels_.largest(along, kProjected);
  const float inverse = largest < 1e-35f ? 0 : kMostSteps / largest;
  digits.step = inverse == 0 ? 0 : largest / kMostSteps;
  digits.sum = kernels_.quantize(along, inverse, kProjected, digits.values);
}

float SketchStore::LargestEstimate() const { return metric_ == Metric::kCosine ? 2 : FLT_MAX; }

void SketchStore::Put(Slot slot, const float* vector, std::vector<float>& work) const {
  Digits digits;
  Project(vector, 1, work, digits);
  const double squared_length = digits.squared_length;
  std::byte* const row = rows_.Row(slot);
  for (size_t i = 0; i < kSketchDigits; ++i) {
    row[i] = static_cast<std::byte>(digits.values[i] + kNoSteps);
  }
  CodeFactors factors{.add = 0, .multiply = -sense() * digits.step};
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
  std::memcpy(row + kSketchDigits, &factors, sizeof(factors));
}

void SketchStore::Prepare(const float* query, SketchQuery& prepared) const {
  const double dot_centre =
      metric_ == Metric::kIp ? InnerProduct(query, centre_.data(), dimension_) : squared_centre_;
  // The share of the centre that leaves least of the query, as in CodeStore::Prepare.
  const float share = squared_centre_ > 0 ? Clipped(dot_centre / squared_centre_) : 1;
  Digits digits;
  Project(query, share, prepared.work_, digits);
  const double squared_length = digits.squared_length;
  // Zeros behind the digits meet the factors of rows, and make nothing of them.
  std::copy_n(digits.values, kProjected, prepared.components_);
  prepared.formula_ = {.scale = digits.step,
                       .shift = static_cast<float>(kNoSteps * digits.sum),
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

void SketchStore::Estimate(const SketchQuery& prepared, RowRef* rows, size_t count,
                           float* out) const {
  if (count == 0) return;
  const size_t whole = (count + 3) & ~size_t{3};
  for (size_t i = count; i < whole; ++i) rows[i] = rows[count - 1];
  int32_t dots[kMostRows];
  CodeFactors factors[kMostRows];
  kernels_.dot_i8_u8_rows(prepared.components_, rows, whole, kProjected, dots);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(&factors[i], rows[i] + kSketchDigits, sizeof(CodeFactors));
  }
  kernels_.estimate(dots, factors, count, prepared.formula_, out);
}

}  // namespace vitrine
