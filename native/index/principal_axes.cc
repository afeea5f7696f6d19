#include "index/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/splitmix64.h"

namespace vitrine {
namespace {

// Each round of subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) tells axes
// apart by the square of what is left; after three of them the rest is noise of the sample.
constexpr int kIterations = 3;
constexpr uint64_t kSeed = 0x61786573;

// The columns of [dimension][kProjected] values.
class Columns {
 public:
  Columns(size_t dimension, size_t count)
      : dimension_(dimension), count_(count), values_(dimension * kProjected) {}

  void Randomize() {
    SplitMix64 random(kSeed);
    for (size_t j = 0; j < dimension_; ++j) {
      for (size_t k = 0; k < count_; ++k) {
        const auto bits = static_cast<double>(random() >> 11);
        values_[j * kProjected + k] = static_cast<float>(bits * 0x1p-53 - 0.5);
      }
    }
  }

  // Makes them orthonormal, one after the other; zero if nothing of one is left.
  void Orthonormalize() {
    for (size_t k = 0; k < count_; ++k) {
      const double before = Dot(k, k);
      // Twice: what the first pass leaves by rounding the second one takes.
      for (int pass = 0; pass < 2; ++pass) {
        for (size_t other = 0; other < k; ++other) Add(k, other, -Dot(k, other));
      }
      const double squared = Dot(k, k);
      const bool is_left = squared > 1e-10 * before && squared > 0;
      Scale(k, is_left ? 1 / std::sqrt(squared) : 0);
    }
  }

  // Replaces each column q by A^T A q.
  //   rows  [count * dimension], A
  void Multiply(std::span<const float> rows, const CodeKernels& kernels) {
    std::vector<float> products(values_.size());
    for (size_t from = 0; from < rows.size(); from += dimension_) {
      float along[kProjected];
      kernels.project(rows.data() + from, values_.data(), dimension_, along);
      for (size_t j = 0; j < dimension_; ++j) {
        const float x = rows[from + j];
        float* const out = products.data() + j * kProjected;
        for (size_t k = 0; k < kProjected; ++k) out[k] += x * along[k];
      }
    }
    values_ = std::move(products);
  }

  std::vector<float> Take() { return std::move(values_); }

 private:
  double Dot(size_t a, size_t b) const {
    double sum = 0;
    for (size_t at = 0; at < values_.size(); at += kProjected) {
      sum += double{values_[at + a]} * values_[at + b];
    }
    return sum;
  }
  void Add(size_t to, size_t from, double factor) {
    for (size_t at = 0; at < values_.size(); at += kProjected) {
      values_[at + to] = static_cast<float>(values_[at + to] + factor * values_[at + from]);
    }
  }
  void Scale(size_t k, double factor) {
    for (size_t at = k; at < values_.size(); at += kProjected) {
      values_[at] = static_cast<float>(values_[at] * factor);
    }
  }

  const size_t dimension_;
  const size_t count_;
  std::vector<float> values_;
};

}  // namespace

std::vector<float> PrincipalAxes(std::vector<float> rows, size_t dimension,
                                 const CodeKernels& kernels) {
  // As directions: a few long vectors would be all that counts.
  for (size_t from = 0; from < rows.size(); from += dimension) {
    const double squared = kernels.squared_norm(rows.data() + from, dimension);
    const bool is_short = squared > 0 && std::isfinite(squared);
    const double scale = is_short ? 1 / std::sqrt(squared) : 0;
    for (size_t j = from; j < from + dimension; ++j) {
      rows[j] = is_short ? static_cast<float>(rows[j] * scale) : 0;
    }
  }
  Columns columns(dimension, std::min(kSketchDigits, dimension));
  columns.Randomize();
  columns.Orthonormalize();
  for (int i = 0; i < kIterations; ++i) {
    columns.Multiply(rows, kernels);
    columns.Orthonormalize();
  }
  return columns.Take();
}

}  // namespace vitrine
