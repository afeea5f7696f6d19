#include <cstring>

#include "kernels/tables.h"

// Written without the shared forms of f32_impl.h, so that the reference does not share their
// defects. Compilers turn the loops over kLanes into the vectors that every x86-64 has.

namespace vitrine {
namespace {

constexpr size_t kLanes = 8;

bool ScalarSupported() noexcept { return true; }

float L2Term(float a, float b) { return (a - b) * (a - b); }
float DotTerm(float a, float b) { return a * b; }

using Term = float (*)(float a, float b);

// No fused multiply-add: the build switches contraction off (-ffp-contract=off).
template <Term kTerm>
void AddTerms(const float* a, const float* b, float* sums) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    // Copies, because a float* is not to be read where it is not aligned.
    float a_element, b_element;
    std::memcpy(&a_element, a + lane, sizeof(float));
    std::memcpy(&b_element, b + lane, sizeof(float));
    sums[lane] += kTerm(a_element, b_element);
  }
}

template <Term kTerm>
float Score(const float* a, const float* b, size_t dim) noexcept {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; dim - i >= kLanes; i += kLanes) AddTerms<kTerm>(a + i, b + i, sums);
  if (const size_t left = dim - i; left != 0) {
    // Zeros fill the vector up: their terms change no sum.
    float a_tail[kLanes] = {}, b_tail[kLanes] = {};
    std::memcpy(a_tail, a + i, left * sizeof(float));
    std::memcpy(b_tail, b + i, left * sizeof(float));
    AddTerms<kTerm>(a_tail, b_tail, sums);
  }
  for (size_t half = kLanes / 2; half >= 1; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

template <Term kTerm>
void ScoreRows4(const float* query, const float* const* rows, size_t dim, float* out) noexcept {
  for (size_t r = 0; r < 4; ++r) {
    const float score = Score<kTerm>(query, rows[r], dim);
    std::memcpy(out + r, &score, sizeof(score));
  }
}

const float* RowAt(const float* rows, size_t stride_bytes, size_t i) {
  return reinterpret_cast<const float*>(reinterpret_cast<const char*>(rows) + stride_bytes * i);
}

template <Term kTerm>
void ScoreBlock(const float* query, const float* rows, size_t stride_bytes, size_t count,
                size_t dim, float* out) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float score = Score<kTerm>(query, RowAt(rows, stride_bytes, i), dim);
    std::memcpy(out + i, &score, sizeof(score));
  }
}

// Not `<=` and `>=`: a NaN falls through both comparisons and stays.
float CosineOfDot(float dot, float a_inverse_norm, float b_inverse_norm) {
  if (a_inverse_norm == 0 || b_inverse_norm == 0) return 1;
  const float distance = 1 - (dot * a_inverse_norm) * b_inverse_norm;
  return distance < 0 ? 0 : distance > 2 ? 2 : distance;
}

float Cosine(const float* a, float a_inverse_norm, const float* b, float b_inverse_norm,
             size_t dim) noexcept {
  return CosineOfDot(Score<DotTerm>(a, b, dim), a_inverse_norm, b_inverse_norm);
}

void CosineRows4(const float* query, float query_inverse_norm, const float* const* rows,
                 const float* row_inverse_norms, size_t dim, float* out) noexcept {
  for (size_t r = 0; r < 4; ++r) {
    out[r] = Cosine(query, query_inverse_norm, rows[r], row_inverse_norms[r], dim);
  }
}

void CosineBlock(const float* query, float query_inverse_norm, const float* rows,
                 const float* row_inverse_norms, size_t stride_bytes, size_t count, size_t dim,
                 float* out) noexcept {
  for (size_t i = 0; i < count; ++i) {
    out[i] =
        Cosine(query, query_inverse_norm, RowAt(rows, stride_bytes, i), row_inverse_norms[i], dim);
  }
}

}  // namespace

constinit const KernelTable kScalarKernels = {
    .set = InstructionSet::kScalar,
    .name = "scalar",
    .supported = ScalarSupported,
    .f32 =
        {
            .l2 = Score<L2Term>,
            .dot = Score<DotTerm>,
            .cosine = Cosine,
            .l2_rows4 = ScoreRows4<L2Term>,
            .dot_rows4 = ScoreRows4<DotTerm>,
            .cosine_rows4 = CosineRows4,
            .l2_block = ScoreBlock<L2Term>,
            .dot_block = ScoreBlock<DotTerm>,
            .cosine_block = CosineBlock,
        },
};

// The square of an f32 is exact in f64, so contraction could not change a bit here.
double SquaredNorm(const float* v, size_t dim) noexcept {
  double sums[kLanes] = {};
  float part[kLanes];
  size_t i = 0;
  for (; dim - i >= kLanes; i += kLanes) {
    std::memcpy(part, v + i, sizeof(part));
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += double{part[lane]} * part[lane];
  }
  std::memcpy(part, v + i, (dim - i) * sizeof(float));
  for (size_t lane = 0; lane < dim - i; ++lane) sums[lane] += double{part[lane]} * part[lane];
  for (size_t half = kLanes / 2; half >= 1; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

}  // namespace vitrine
