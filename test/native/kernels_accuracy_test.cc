// Every kernel that this processor runs: against an f64 reference within the bound that kernels.h
// states, and bit for bit against a model of the order of additions that it states.

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels_support.h"

namespace vitrine::kernels_accuracy_test {
namespace {

constexpr double kUnitRoundoff = 0x1p-24;
constexpr size_t kRows = 7;  // four at a time, then one at a time

float InverseNorm(const float* v, size_t dim) {
  return static_cast<float>(1 / std::sqrt(SquaredNorm(v, dim)));
}

struct Reference {
  double l2 = 0, dot = 0, absolute_dot = 0, cosine = 0;
};

Reference ReferenceOf(const float* a, const float* b, size_t dim) {
  Reference r;
  double a_squared = 0, b_squared = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double x = a[i], y = b[i];
    r.l2 += (x - y) * (x - y);
    r.dot += x * y;
    r.absolute_dot += std::abs(x * y);
    a_squared += x * x;
    b_squared += y * y;
  }
  r.cosine = 1 - r.dot / std::sqrt(a_squared) / std::sqrt(b_squared);
  return r;
}

// ceil(dim / lanes) + log2(lanes)
double AdditionsOf(size_t dim, size_t lanes) {
  return static_cast<double>((dim + lanes - 1) / lanes + std::bit_width(lanes) - 1);
}

// The order of additions as kernels.h states it; `fused` for all but scalar.
float ModelSum(const std::vector<float>& x, const std::vector<float>& y, size_t lanes, bool fused) {
  std::vector<float> sums(lanes);
  for (size_t i = 0; i < x.size(); ++i) {
    float& sum = sums[i % lanes];
    if (fused) {
      sum = std::fma(x[i], y[i], sum);
    } else {
      const float product = x[i] * y[i];
      sum = sum + product;
    }
  }
  for (size_t half = lanes / 2; half >= 1; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

// Vectors of the shapes that users have, and some that are hard on sums.
enum class Shape { kNormal, kPixels, kCancelling, kWideRange, kUnderflowing };
constexpr Shape kShapes[] = {Shape::kNormal, Shape::kPixels, Shape::kCancelling, Shape::kWideRange,
                             Shape::kUnderflowing};

std::vector<float> FloatsOf(Shape shape, size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform;
  std::vector<float> floats(count);
  for (size_t i = 0; i < count; ++i) {
    switch (shape) {
      case Shape::kNormal:
        floats[i] = normal(generator);
        break;
      case Shape::kPixels:
        floats[i] = std::max(0.0f, std::floor(uniform(generator) * 400 - 145));
        break;
      case Shape::kCancelling:  // far from the origin and close together
        floats[i] = 1000 + normal(generator);
        break;
      case Shape::kWideRange:
        floats[i] = normal(generator) * std::exp2(uniform(generator) * 40 - 20);
        break;
      case Shape::kUnderflowing:  // products around 2^-144, five bits above the smallest
        floats[i] = normal(generator) * 0x1p-72f;
        break;
    }
  }
  return floats;
}

class KernelsAccuracy : public KernelsTest {};
VITRINE_FOR_EACH_INSTRUCTION_SET(KernelsAccuracy);

TEST_P(KernelsAccuracy, StaysWithinTheStatedBoundInEveryDimension) {
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    for (const Shape shape : kShapes) {
      const auto a = FloatsOf(shape, dim, static_cast<uint32_t>(2 * dim));
      const auto b = FloatsOf(shape, dim, static_cast<uint32_t>(2 * dim + 1));
      const Reference reference = ReferenceOf(a.data(), b.data(), dim);
      const double n = AdditionsOf(dim, lanes());
      const double underflow = static_cast<double>(dim) * 0x1p-150;
      SCOPED_TRACE(testing::Message() << "dim " << dim << " shape " << static_cast<int>(shape));

      ASSERT_NEAR(f32().l2(a.data(), b.data(), dim), reference.l2,
                  (n + 2) * kUnitRoundoff * reference.l2 + underflow);
      ASSERT_NEAR(f32().dot(a.data(), b.data(), dim), reference.dot,
                  n * kUnitRoundoff * reference.absolute_dot + underflow);

      if (SquaredNorm(a.data(), dim) == 0 || SquaredNorm(b.data(), dim) == 0) continue;
      const float a_inverse = InverseNorm(a.data(), dim), b_inverse = InverseNorm(b.data(), dim);
      ASSERT_NEAR(f32().cosine(a.data(), a_inverse, b.data(), b_inverse, dim), reference.cosine,
                  (n + 6) * kUnitRoundoff + underflow * a_inverse * b_inverse);
    }
  }
}

TEST_P(KernelsAccuracy, KeepsTheCosineBoundForTheStatedNorms) {
  // Exponents of both norms, at the corners of what kernels.h allows.
  constexpr std::pair<int, int> kNorms[] = {{-120, 20}, {20, -120}, {-120, 120}, {120, -120},
                                            {-50, -50}, {63, 63},   {120, 6},    {6, 120}};
  for (const size_t dim : {1, 2, 3, 31, 32, 128, 784, 1100}) {
    for (const auto& [a_exponent, b_exponent] : kNorms) {
      auto a = NormalFloats(dim, static_cast<uint32_t>(2 * dim));
      auto b = NormalFloats(dim, static_cast<uint32_t>(2 * dim + 1));
      const double a_scale = std::exp2(a_exponent) / std::sqrt(SquaredNorm(a.data(), dim));
      const double b_scale = std::exp2(b_exponent) / std::sqrt(SquaredNorm(b.data(), dim));
      for (float& x : a) x = static_cast<float>(x * a_scale);
      for (float& x : b) x = static_cast<float>(x * b_scale);
      const Reference reference = ReferenceOf(a.data(), b.data(), dim);
      const float cosine = f32().cosine(a.data(), InverseNorm(a.data(), dim), b.data(),
                                        InverseNorm(b.data(), dim), dim);
      ASSERT_NEAR(cosine, reference.cosine, (AdditionsOf(dim, lanes()) + 6) * kUnitRoundoff)
          << "dim " << dim << " norms 2^" << a_exponent << " 2^" << b_exponent;
    }
  }
}

TEST_P(KernelsAccuracy, AddsInTheStatedOrder) {
  const bool fused = GetParam()->set != InstructionSet::kScalar;
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    const auto a = NormalFloats(dim, static_cast<uint32_t>(2 * dim));
    const auto b = NormalFloats(dim, static_cast<uint32_t>(2 * dim + 1));
    std::vector<float> difference(dim);
    for (size_t i = 0; i < dim; ++i) difference[i] = a[i] - b[i];
    const float l2 = ModelSum(difference, difference, lanes(), fused);
    const float dot = ModelSum(a, b, lanes(), fused);
    ASSERT_EQ(Bits(f32().l2(a.data(), b.data(), dim)), Bits(l2)) << "dim " << dim;
    ASSERT_EQ(Bits(f32().dot(a.data(), b.data(), dim)), Bits(dot)) << "dim " << dim;
  }
}

TEST_P(KernelsAccuracy, IsSymmetric) {
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    const auto a = NormalFloats(dim, static_cast<uint32_t>(2 * dim));
    const auto b = NormalFloats(dim, static_cast<uint32_t>(2 * dim + 1));
    ASSERT_EQ(Bits(f32().l2(a.data(), b.data(), dim)), Bits(f32().l2(b.data(), a.data(), dim)));
    ASSERT_EQ(Bits(f32().dot(a.data(), b.data(), dim)), Bits(f32().dot(b.data(), a.data(), dim)));
  }
}

// Results of all three forms for the same rows; out is followed by a mark that must stay.
struct FormResults {
  std::vector<float> one, four, block;
};
constexpr float kMark = -12345;

void ExpectBitEqual(const FormResults& results, size_t count, const char* kernel, size_t dim) {
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(Bits(results.one[i]), Bits(results.block[i])) << kernel << " block, dim " << dim;
    if (i < 4) {
      ASSERT_EQ(Bits(results.one[i]), Bits(results.four[i])) << kernel << " rows, dim " << dim;
    }
  }
  ASSERT_EQ(results.four[4], kMark) << kernel << " rows writes behind its results";
  ASSERT_EQ(results.block[count], kMark) << kernel << " block writes behind its results";
}

FormResults MarkedResults() {
  return {std::vector<float>(kRows + 1, kMark), std::vector<float>(5, kMark),
          std::vector<float>(kRows + 1, kMark)};
}

// Calls every form of every metric on `count` rows and expects the same bits of all.
void ExpectFormsAgree(const F32Kernels& f32, const float* query, const char* rows,
                      size_t stride_bytes, size_t count, size_t dim) {
  const float* row[kRows];
  float inverse[kRows];
  for (size_t i = 0; i < kRows; ++i) {
    row[i] = reinterpret_cast<const float*>(rows + i * stride_bytes);
    inverse[i] = InverseNorm(row[i], dim);
  }
  const auto* first = reinterpret_cast<const float*>(rows);
  const float query_inverse = InverseNorm(query, dim);

  FormResults l2 = MarkedResults(), dot = MarkedResults(), cosine = MarkedResults();
  for (size_t i = 0; i < kRows; ++i) {
    l2.one[i] = f32.l2(query, row[i], dim);
    dot.one[i] = f32.dot(query, row[i], dim);
    cosine.one[i] = f32.cosine(query, query_inverse, row[i], inverse[i], dim);
  }
  f32.l2_rows(query, row, 4, dim, l2.four.data());
  f32.dot_rows(query, row, 4, dim, dot.four.data());
  f32.cosine_rows(query, query_inverse, row, inverse, 4, dim, cosine.four.data());
  f32.l2_block(query, first, stride_bytes, count, dim, l2.block.data());
  f32.dot_block(query, first, stride_bytes, count, dim, dot.block.data());
  f32.cosine_block(query, query_inverse, first, inverse, stride_bytes, count, dim,
                   cosine.block.data());
  ExpectBitEqual(l2, count, "l2", dim);
  ExpectBitEqual(dot, count, "dot", dim);
  ExpectBitEqual(cosine, count, "cosine", dim);
}

TEST_P(KernelsAccuracy, AgreesBitForBitInAllFormsInEveryDimension) {
  const auto query = NormalFloats(kMaxDim, 1);
  const auto rows = NormalFloats(kRows * (kMaxDim + 16), 2);
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    const size_t padding = dim % 17;  // of the stride, in floats
    ExpectFormsAgree(f32(), query.data(), reinterpret_cast<const char*>(rows.data()),
                     (dim + padding) * sizeof(float), kRows, dim);
    if (HasFatalFailure()) return;
  }
}

TEST_P(KernelsAccuracy, ScoresBlocksOfEveryCount) {
  const auto query = NormalFloats(kMaxDim, 3);
  const auto rows = NormalFloats(kRows * kMaxDim, 4);
  for (size_t count = 0; count <= kRows; ++count) {
    for (const size_t dim : {1, 31, 128, 784}) {
      ExpectFormsAgree(f32(), query.data(), reinterpret_cast<const char*>(rows.data()),
                       dim * sizeof(float), count, dim);
      // Every row the same one.
      ExpectFormsAgree(f32(), query.data(), reinterpret_cast<const char*>(rows.data()), 0, count,
                       dim);
      if (HasFatalFailure()) return;
    }
  }
}

// Rows in no order, some of them twice; dimensions at both ends of each way to score them.
TEST_P(KernelsAccuracy, ScoresRowsOfEveryCount) {
  constexpr size_t kMost = 24;
  const auto query = NormalFloats(kMaxDim, 6);
  const auto floats = NormalFloats(kMost * kMaxDim, 7);
  for (const size_t dim : {1, 4, 5, 8, 9, 15, 16, 17, 25, 31, 32, 33, 48, 64, 65, 100, 128, 784}) {
    const float query_inverse = InverseNorm(query.data(), dim);
    const float* rows[kMost];
    float inverse[kMost];
    for (size_t i = 0; i < kMost; ++i) {
      rows[i] = floats.data() + i * 7 % (kMost - 1) * dim;
      inverse[i] = i % 5 == 4 ? 0 : InverseNorm(rows[i], dim);
    }
    for (size_t count = 0; count <= kMost; count += 4) {
      std::vector<float> l2(count + 1, kMark), dot(count + 1, kMark), cosine(count + 1, kMark);
      f32().l2_rows(query.data(), rows, count, dim, l2.data());
      f32().dot_rows(query.data(), rows, count, dim, dot.data());
      f32().cosine_rows(query.data(), query_inverse, rows, inverse, count, dim, cosine.data());
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(Bits(l2[i]), Bits(f32().l2(query.data(), rows[i], dim))) << dim << " " << i;
        ASSERT_EQ(Bits(dot[i]), Bits(f32().dot(query.data(), rows[i], dim))) << dim << " " << i;
        ASSERT_EQ(Bits(cosine[i]),
                  Bits(f32().cosine(query.data(), query_inverse, rows[i], inverse[i], dim)))
            << dim << " " << i;
      }
      ASSERT_TRUE(l2[count] == kMark && dot[count] == kMark && cosine[count] == kMark);
    }
  }
}

TEST_P(KernelsAccuracy, DoesNotDependOnAlignment) {
  const size_t dims[] = {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 128, 784};
  for (const size_t dim : dims) {
    const auto a = NormalFloats(dim, static_cast<uint32_t>(dim));
    const auto b = NormalFloats(dim, static_cast<uint32_t>(dim + 1));
    const uint32_t l2 = Bits(f32().l2(a.data(), b.data(), dim));
    const uint32_t dot = Bits(f32().dot(a.data(), b.data(), dim));
    alignas(64) static char a_bytes[kMaxDim * sizeof(float)];
    alignas(64) static char b_bytes[kMaxDim * sizeof(float)];
    // Every multiple of a float up to a cache line, and all bytes of the first two floats.
    for (size_t a_offset = 0; a_offset < 64; a_offset += a_offset < 8 ? 1 : 4) {
      for (size_t b_offset = 0; b_offset < 64; b_offset += b_offset < 8 ? 1 : 4) {
        std::memcpy(a_bytes + a_offset, a.data(), dim * sizeof(float));
        std::memcpy(b_bytes + b_offset, b.data(), dim * sizeof(float));
        const auto* moved_a = reinterpret_cast<const float*>(a_bytes + a_offset);
        const auto* moved_b = reinterpret_cast<const float*>(b_bytes + b_offset);
        ASSERT_EQ(Bits(f32().l2(moved_a, moved_b, dim)), l2) << a_offset << " " << b_offset;
        ASSERT_EQ(Bits(f32().dot(moved_a, moved_b, dim)), dot) << a_offset << " " << b_offset;
      }
    }
  }
}

TEST_P(KernelsAccuracy, AgreesInAllFormsAtOddAddresses) {
  const auto floats = NormalFloats((kRows + 1) * (kMaxDim + 16), 5);
  std::vector<char> bytes(floats.size() * sizeof(float) + 64);
  for (size_t offset = 1; offset < 64; offset += 3) {
    for (const size_t dim : {5, 33, 100, 127, 784}) {
      const size_t stride_bytes = dim * sizeof(float) + offset;
      for (size_t i = 0; i < kRows; ++i) {
        std::memcpy(bytes.data() + offset + i * stride_bytes, floats.data() + i * dim,
                    dim * sizeof(float));
      }
      ExpectFormsAgree(f32(), floats.data() + offset, bytes.data() + offset, stride_bytes, kRows,
                       dim);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SquaredNorm, AddsInOneOrderOnEveryProcessor) {
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    const auto v = NormalFloats(dim, static_cast<uint32_t>(dim));
    double sums[8] = {};
    long double exact = 0;
    for (size_t i = 0; i < dim; ++i) {
      sums[i % 8] += double{v[i]} * v[i];
      exact += static_cast<long double>(v[i]) * v[i];
    }
    const double sum =
        ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    ASSERT_EQ(SquaredNorm(v.data(), dim), sum) << "dim " << dim;
    ASSERT_LE(std::abs(static_cast<double>(SquaredNorm(v.data(), dim) - exact)),
              (static_cast<double>(dim) / 8 + 4) * 0x1p-53 * static_cast<double>(exact));
  }
}

TEST(SquaredNorm, NeitherOverflowsNorUnderflows) {
  const std::vector<float> largest(kMaxDim, 0x1.fffffep127f);
  EXPECT_TRUE(std::isfinite(SquaredNorm(largest.data(), kMaxDim)));
  const std::vector<float> smallest(kMaxDim, 0x1p-149f);
  EXPECT_EQ(SquaredNorm(smallest.data(), kMaxDim), double{kMaxDim} * 0x1p-298);
  const std::vector<float> zeros(kMaxDim, -0.0f);
  EXPECT_EQ(SquaredNorm(zeros.data(), kMaxDim), 0);
}

}  // namespace
}  // namespace vitrine::kernels_accuracy_test
