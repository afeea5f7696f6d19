// The edges of kernels.h: what is read, and NaN, infinities, overflow, denormals, -0 and zero
// vectors, in every form.

#include <cfloat>
#include <limits>

#include "kernels_support.h"

namespace vitrine::kernels_edges_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Dimensions that end at each place of a vector of each instruction set, and some long ones.
std::vector<size_t> EdgeDims() {
  std::vector<size_t> dims;
  for (size_t dim = 1; dim <= 70; ++dim) dims.push_back(dim);
  for (const size_t dim : {96, 100, 127, 128, 129, 255, 300, 784, 1100}) dims.push_back(dim);
  return dims;
}

// One row scored by each form; cosine with inverse norms of 1 unless they are given.
struct Scores {
  std::vector<float> l2, dot, cosine;
};

Scores AllForms(const F32Kernels& f32, const std::vector<float>& a, const std::vector<float>& b,
                float a_inverse_norm = 1, float b_inverse_norm = 1) {
  const size_t dim = a.size();
  const float* const rows[] = {b.data(), b.data(), b.data(), b.data()};
  // Five rows: a block of four, then one.
  const float inverse_norms[] = {b_inverse_norm, b_inverse_norm, b_inverse_norm, b_inverse_norm,
                                 b_inverse_norm};
  Scores scores{std::vector<float>(10), std::vector<float>(10), std::vector<float>(10)};
  scores.l2[0] = f32.l2(a.data(), b.data(), dim);
  scores.dot[0] = f32.dot(a.data(), b.data(), dim);
  scores.cosine[0] = f32.cosine(a.data(), a_inverse_norm, b.data(), b_inverse_norm, dim);
  f32.l2_rows(a.data(), rows, 4, dim, &scores.l2[1]);
  f32.dot_rows(a.data(), rows, 4, dim, &scores.dot[1]);
  f32.cosine_rows(a.data(), a_inverse_norm, rows, inverse_norms, 4, dim, &scores.cosine[1]);
  f32.l2_block(a.data(), b.data(), 0, 5, dim, &scores.l2[5]);
  f32.dot_block(a.data(), b.data(), 0, 5, dim, &scores.dot[5]);
  f32.cosine_block(a.data(), a_inverse_norm, b.data(), inverse_norms, 0, 5, dim, &scores.cosine[5]);
  return scores;
}

testing::AssertionResult AllAre(const std::vector<float>& scores, float expected) {
  for (const float score : scores) {
    if (Bits(score) != Bits(expected)) {
      return testing::AssertionFailure() << score << " instead of " << expected;
    }
  }
  return testing::AssertionSuccess();
}

class KernelsEdges : public KernelsTest {};
VITRINE_FOR_EACH_INSTRUCTION_SET(KernelsEdges);

TEST_P(KernelsEdges, ReadsAndWritesNothingOutside) {
  constexpr size_t kRows = 7;
  const auto floats = NormalFloats(kMaxDim, 1);
  const auto place = [&](float* at, size_t count) {
    for (size_t i = 0; i < count; ++i) at[i] = floats[i % floats.size()];
    return at;
  };
  GuardedFloats query_floats(kMaxDim), block_floats(kRows * kMaxDim), inverse_floats(kRows),
      out_floats(kRows);
  GuardedFloats row_floats[4] = {GuardedFloats(kMaxDim), GuardedFloats(kMaxDim),
                                 GuardedFloats(kMaxDim), GuardedFloats(kMaxDim)};
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    for (const bool back : {true, false}) {
      const auto guarded = [&](GuardedFloats& where, size_t count) {
        return place(back ? where.Back(count) : where.Front(), count);
      };
      const float* const query = guarded(query_floats, dim);
      const float* const rows[] = {guarded(row_floats[0], dim), guarded(row_floats[1], dim),
                                   guarded(row_floats[2], dim), guarded(row_floats[3], dim)};
      const float* const block = guarded(block_floats, kRows * dim);
      const size_t stride_bytes = dim * sizeof(float);

      float* out = guarded(out_floats, 4);
      const float* inverse = guarded(inverse_floats, 4);
      f32().l2_rows(query, rows, 4, dim, out);
      f32().dot_rows(query, rows, 4, dim, out);
      f32().cosine_rows(query, 1, rows, inverse, 4, dim, out);

      out = guarded(out_floats, kRows);
      inverse = guarded(inverse_floats, kRows);
      f32().dot_block(query, block, stride_bytes, kRows, dim, out);
      f32().cosine_block(query, 1, block, inverse, stride_bytes, kRows, dim, out);
      f32().l2_block(query, block, stride_bytes, kRows, dim, out);
      ASSERT_EQ(Bits(out[kRows - 1]), Bits(f32().l2(query, block + (kRows - 1) * dim, dim)));
      ASSERT_EQ(Bits(f32().l2(query, rows[0], dim)), 0u);
      ASSERT_GT(f32().dot(query, rows[0], dim), 0);
      ASSERT_GE(f32().cosine(query, 1, rows[0], inverse[0], dim), 0);
      ASSERT_GT(SquaredNorm(query, dim), 0);
    }
  }
}

TEST_P(KernelsEdges, GivesNanForNanAnywhere) {
  for (const size_t dim : EdgeDims()) {
    const auto clean = NormalFloats(dim, 2);
    // Every place of short vectors; the ends and some between of long ones.
    for (size_t at = 0; at < dim; at += dim <= 130 ? 1 : dim - 1 - at < 40 ? 1 : 37) {
      auto dirty = clean;
      dirty[at] = kNan;
      for (const Scores& scores : {AllForms(f32(), dirty, clean), AllForms(f32(), clean, dirty)}) {
        ASSERT_TRUE(AllAre(scores.l2, kNan)) << dim << " at " << at;
        ASSERT_TRUE(AllAre(scores.dot, kNan)) << dim << " at " << at;
        ASSERT_TRUE(AllAre(scores.cosine, kNan)) << dim << " at " << at;
      }
    }
  }
}

TEST_P(KernelsEdges, FollowsIeeeForInfinities) {
  for (const size_t dim : EdgeDims()) {
    for (const size_t at : {size_t{0}, dim / 2, dim - 1}) {
      SCOPED_TRACE(testing::Message() << dim << " at " << at);
      const std::vector<float> ones(dim, 1);
      auto positive = ones, negative = ones, zero = ones;
      positive[at] = kInf;
      negative[at] = -kInf;
      zero[at] = 0;

      ASSERT_TRUE(AllAre(AllForms(f32(), positive, ones).l2, kInf));
      ASSERT_TRUE(AllAre(AllForms(f32(), ones, negative).l2, kInf));
      ASSERT_TRUE(AllAre(AllForms(f32(), positive, negative).l2, kInf));
      ASSERT_TRUE(AllAre(AllForms(f32(), positive, positive).l2, kNan));

      ASSERT_TRUE(AllAre(AllForms(f32(), positive, ones).dot, kInf));
      ASSERT_TRUE(AllAre(AllForms(f32(), ones, negative).dot, -kInf));
      ASSERT_TRUE(AllAre(AllForms(f32(), positive, zero).dot, kNan));

      // 1 - Inf and 1 + Inf, clamped.
      ASSERT_TRUE(AllAre(AllForms(f32(), positive, ones).cosine, 0));
      ASSERT_TRUE(AllAre(AllForms(f32(), negative, ones).cosine, 2));
    }
    if (dim == 1) continue;
    std::vector<float> both(dim, 1);
    both[0] = kInf;
    both[dim - 1] = -kInf;
    ASSERT_TRUE(AllAre(AllForms(f32(), both, std::vector<float>(dim, 1)).dot, kNan)) << dim;
  }
}

TEST_P(KernelsEdges, OverflowsToInfinity) {
  for (const size_t dim : EdgeDims()) {
    const std::vector<float> high(dim, FLT_MAX), low(dim, -FLT_MAX);
    ASSERT_TRUE(AllAre(AllForms(f32(), high, low).l2, kInf)) << dim;
    ASSERT_TRUE(AllAre(AllForms(f32(), high, high).dot, kInf)) << dim;
    ASSERT_TRUE(AllAre(AllForms(f32(), high, low).dot, -kInf)) << dim;
    ASSERT_TRUE(AllAre(AllForms(f32(), high, high).l2, 0)) << dim;
  }
}

TEST_P(KernelsEdges, KeepsDenormals) {
  for (const size_t dim : EdgeDims()) {
    const auto count = static_cast<float>(dim);
    SCOPED_TRACE(dim);
    // Denormal results, exact because they are few multiples of a power of two.
    const std::vector<float> zeros(dim), small(dim, 0x1p-70f);
    ASSERT_TRUE(AllAre(AllForms(f32(), small, zeros).l2, count * 0x1p-140f));
    ASSERT_TRUE(AllAre(AllForms(f32(), small, small).dot, count * 0x1p-140f));
    // Denormal components.
    const std::vector<float> smallest(dim, 0x1p-149f), large(dim, 0x1p100f);
    ASSERT_TRUE(AllAre(AllForms(f32(), smallest, large).dot, count * 0x1p-49f));
    // A denormal difference of normal numbers, and one whose square is too small for any f32.
    const std::vector<float> x(dim, 0x1.000002p-63f), y(dim, 0x1p-63f - 0x1p-64f);
    const float difference = 0x1.000002p-63f - 0x1p-64f;
    ASSERT_TRUE(AllAre(AllForms(f32(), x, x).l2, 0));
    ASSERT_NEAR(f32().l2(x.data(), y.data(), dim), double{difference} * difference * count,
                count * 0x1p-149);
    ASSERT_TRUE(AllAre(AllForms(f32(), smallest, zeros).l2, 0));
  }
}

TEST_P(KernelsEdges, TakesMinusZeroForZero) {
  for (const size_t dim : EdgeDims()) {
    SCOPED_TRACE(dim);
    const std::vector<float> plus(dim, 0.0f), minus(dim, -0.0f);
    for (const auto& [a, b] : {std::pair(plus, minus), std::pair(minus, plus),
                               std::pair(minus, minus), std::pair(plus, plus)}) {
      const Scores scores = AllForms(f32(), a, b);
      ASSERT_TRUE(AllAre(scores.l2, 0.0f));  // and not -0
      ASSERT_TRUE(AllAre(scores.cosine, 1));
      for (const float dot : scores.dot) ASSERT_EQ(dot, 0);
    }
    auto sparse_plus = NormalFloats(dim, 3), sparse_minus = sparse_plus;
    for (size_t i = 0; i < dim; i += 2) {
      sparse_plus[i] = 0.0f;
      sparse_minus[i] = -0.0f;
    }
    const auto other = NormalFloats(dim, 4);
    const Scores with_plus = AllForms(f32(), sparse_plus, other);
    const Scores with_minus = AllForms(f32(), sparse_minus, other);
    for (size_t i = 0; i < with_plus.l2.size(); ++i) {
      ASSERT_EQ(Bits(with_plus.l2[i]), Bits(with_minus.l2[i]));
      ASSERT_EQ(with_plus.dot[i], with_minus.dot[i]);
      ASSERT_EQ(Bits(with_plus.cosine[i]), Bits(with_minus.cosine[i]));
    }
  }
}

TEST_P(KernelsEdges, PutsZeroVectorsAtCosineDistanceOne) {
  for (const size_t dim : EdgeDims()) {
    const auto v = NormalFloats(dim, 5);
    const std::vector<float> zeros(dim), nans(dim, kNan), infinities(dim, kInf);
    ASSERT_TRUE(AllAre(AllForms(f32(), zeros, v, 0, 0.5f).cosine, 1));
    ASSERT_TRUE(AllAre(AllForms(f32(), v, zeros, 0.5f, 0).cosine, 1));
    ASSERT_TRUE(AllAre(AllForms(f32(), zeros, zeros, 0, 0).cosine, 1));
    ASSERT_TRUE(AllAre(AllForms(f32(), v, zeros, 0.5f, -0.0f).cosine, 1));
    // The inverse norm alone decides.
    ASSERT_TRUE(AllAre(AllForms(f32(), nans, v, 0, 1).cosine, 1));
    ASSERT_TRUE(AllAre(AllForms(f32(), infinities, v, 1, 0).cosine, 1));
  }
}

TEST_P(KernelsEdges, ClampsCosineToItsRange) {
  for (const size_t dim : EdgeDims()) {
    const std::vector<float> ones(dim, 1), minus_ones(dim, -1);
    // Inverse norms that are too large, so that 1 - cos leaves [0, 2].
    ASSERT_TRUE(AllAre(AllForms(f32(), ones, ones, 1.5f, 1.5f).cosine, 0.0f));
    ASSERT_TRUE(AllAre(AllForms(f32(), ones, minus_ones, 1.5f, 1.5f).cosine, 2));
  }
}

}  // namespace
}  // namespace vitrine::kernels_edges_test
