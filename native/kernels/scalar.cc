#include <bit>
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

float Widen(float x) { return x; }

float Widen(BFloat16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }

float Widen(Half x) {
  const uint32_t sign = uint32_t{x.bits & 0x8000u} << 16;
  const uint32_t exponent = x.bits >> 10 & 31, significand = x.bits & 1023u;
  if (exponent == 0) {  // denormal: a multiple of 2^-24, which is a normal f32
    const float magnitude = static_cast<float>(significand) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  // Biases differ by 112; infinities and NaN have all bits of the exponent set in both.
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | significand << 13);
}

// No fused multiply-add: the build switches contraction off (-ffp-contract=off).
template <Term kTerm, class Element>
void AddTerms(const Element* a, const Element* b, float* sums) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    // Copies, because an Element* is not to be read where it is not aligned.
    Element a_element, b_element;
    std::memcpy(&a_element, a + lane, sizeof(Element));
    std::memcpy(&b_element, b + lane, sizeof(Element));
    sums[lane] += kTerm(Widen(a_element), Widen(b_element));
  }
}

template <Term kTerm, class Element>
float Score(const Element* a, const Element* b, size_t dim) noexcept {
  float sums[kLanes] = {};
  size_t i = 0;
  for (; dim - i >= kLanes; i += kLanes) AddTerms<kTerm>(a + i, b + i, sums);
  if (const size_t left = dim - i; left != 0) {
    // Zeros fill the vector up: their terms change no sum.
    Element a_tail[kLanes] = {}, b_tail[kLanes] = {};
    std::memcpy(a_tail, a + i, left * sizeof(Element));
    std::memcpy(b_tail, b + i, left * sizeof(Element));
    AddTerms<kTerm>(a_tail, b_tail, sums);
  }
  for (size_t half = kLanes / 2; half >= 1; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

template <Term kTerm, class Element>
void ScoreRows(const Element* query, const Element* const* rows, size_t count, size_t dim,
               float* out) noexcept {
  for (size_t r = 0; r < count; ++r) {
    const float score = Score<kTerm>(query, rows[r], dim);
    std::memcpy(out + r, &score, sizeof(score));
  }
}

template <class Element>
const Element* RowAt(const Element* rows, size_t stride_bytes, size_t i) {
  return reinterpret_cast<const Element*>(reinterpret_cast<const char*>(rows) + stride_bytes * i);
}

template <Term kTerm, class Element>
void ScoreBlock(const Element* query, const Element* rows, size_t stride_bytes, size_t count,
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

template <class Element>
float Cosine(const Element* a, float a_inverse_norm, const Element* b, float b_inverse_norm,
             size_t dim) noexcept {
  return CosineOfDot(Score<DotTerm>(a, b, dim), a_inverse_norm, b_inverse_norm);
}

template <class Element>
void CosineRows(const Element* query, float query_inverse_norm, const Element* const* rows,
                const float* row_inverse_norms, size_t count, size_t dim, float* out) noexcept {
  for (size_t r = 0; r < count; ++r) {
    out[r] = Cosine(query, query_inverse_norm, rows[r], row_inverse_norms[r], dim);
  }
}

template <class Element>
void CosineBlock(const Element* query, float query_inverse_norm, const Element* rows,
                 const float* row_inverse_norms, size_t stride_bytes, size_t count, size_t dim,
                 float* out) noexcept {
  for (size_t i = 0; i < count; ++i) {
    out[i] =
        Cosine(query, query_inverse_norm, RowAt(rows, stride_bytes, i), row_inverse_norms[i], dim);
  }
}

template <class Element>
constexpr FloatKernels<Element> kKernels = {
    .l2 = Score<L2Term, Element>,
    .dot = Score<DotTerm, Element>,
    .cosine = Cosine<Element>,
    .l2_rows = ScoreRows<L2Term, Element>,
    .dot_rows = ScoreRows<DotTerm, Element>,
    .cosine_rows = CosineRows<Element>,
    .l2_block = ScoreBlock<L2Term, Element>,
    .dot_block = ScoreBlock<DotTerm, Element>,
    .cosine_block = CosineBlock<Element>,
};

}  // namespace

constinit const KernelTable kScalarKernels = {
    .set = InstructionSet::kScalar,
    .name = "scalar",
    .supported = ScalarSupported,
    .f32 = kKernels<float>,
    .f16 = kKernels<Half>,
    .bf16 = kKernels<BFloat16>,
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
