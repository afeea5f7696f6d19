#include <bit>
#include <cfloat>
#include <cstring>

#include "kernels/code_tables.h"
#include "kernels/kernels.h"

// Written without the shared forms of codes_impl.h, so that the reference does not share their
// defects.

namespace vitrine {
namespace {

bool ScalarSupported() noexcept { return true; }

float LoadFloat(const float* p) {
  float x;
  std::memcpy(&x, p, sizeof(x));
  return x;
}

struct L2Term {
  static int32_t Of(int32_t a, int32_t b) { return (a - b) * (a - b); }
};
struct DotTerm {
  static int32_t Of(int32_t a, int32_t b) { return a * b; }
};

template <class Term, class Out, class A, class B>
Out Score(const A* a, const B* b, size_t dim) noexcept {
  Out sum = 0;
  for (size_t i = 0; i < dim; ++i) sum += static_cast<Out>(Term::Of(a[i], b[i]));
  return sum;
}

template <class Term, class Out, class Query, class Row>
void ScoreRows(const Query* query, const Row* const* rows, size_t count, size_t dim,
               Out* out) noexcept {
  for (size_t r = 0; r < count; ++r) out[r] = Score<Term, Out>(query, rows[r], dim);
}

int32_t DotI8U4(const int8_t* query, const uint8_t* row, size_t dim) noexcept {
  int32_t sum = 0;
  for (size_t block = 0; block < dim; block += 128) {
    const size_t bytes = dim - block < 128 ? 32 : 64;
    for (size_t i = 0; i < bytes; ++i) {
      const int32_t digits = row[block / 2 + i];
      sum += (digits & 15) * query[block + i] + (digits >> 4) * query[block + bytes + i];
    }
  }
  return sum;
}

void DotI8U4Rows(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                 int32_t* out) noexcept {
  for (size_t r = 0; r < count; ++r) out[r] = DotI8U4(query, rows[r], dim);
}

struct XorTerm {
  static uint64_t Of(uint64_t a, uint64_t b) { return a ^ b; }
};
struct AndTerm {
  static uint64_t Of(uint64_t a, uint64_t b) { return a & b; }
};

template <class Term>
uint32_t CountBits(const uint8_t* a, const uint8_t* b, size_t bytes) noexcept {
  uint32_t count = 0;
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    const size_t left = bytes - i < sizeof(uint64_t) ? bytes - i : sizeof(uint64_t);
    uint64_t x = 0, y = 0;
    std::memcpy(&x, a + i, left);
    std::memcpy(&y, b + i, left);
    count += static_cast<uint32_t>(std::popcount(Term::Of(x, y)));
  }
  return count;
}

template <class Term>
void CountBitsRows(const uint8_t* query, const uint8_t* const* rows, size_t count, size_t bytes,
                   uint32_t* out) noexcept {
  for (size_t r = 0; r < count; ++r) out[r] = CountBits<Term>(query, rows[r], bytes);
}

void Carried(const uint8_t* const* rows, size_t count, size_t bytes, uint32_t* out) noexcept {
  for (size_t r = 0; r < count; ++r) {
    uint32_t sums[kCarryingGroups] = {};
    for (size_t i = 0; i < bytes; ++i) sums[i % kCarryingGroups] += rows[r][i] + (rows[r][i] >> 4);
    out[r] = 0;
    for (size_t i = 0; i < kCarriedBits; ++i) out[r] |= (sums[i] & 1) << i;
  }
}

void Estimate(const int32_t* dots, const CodeFactors* factors, size_t count,
              const CodeFormula& formula, float* out) noexcept {
  const auto [scale, shift, share, base, largest] = formula;
  for (size_t i = 0; i < count; ++i) {
    const float product = scale * (static_cast<float>(dots[i]) - shift);
    const float estimate = factors[i].add * share + base + factors[i].multiply * product;
    const float bounded = estimate < FLT_MAX ? estimate : largest;
    out[i] = bounded > -FLT_MAX ? bounded : -FLT_MAX;
  }
}

void EstimateCarried(const int32_t* dots, const uint32_t* lengths, size_t count, float slope,
                     const CodeFormula& formula, float* out) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float length = std::bit_cast<float>(lengths[i] << (31 - kCarriedBits));
    const CodeFactors factors{length * length, -slope * length};
    Estimate(dots + i, &factors, 1, formula, out + i);
  }
}

void Hadamard(float* v, const float* factors, size_t n) noexcept {
  for (size_t i = 0; i < n; ++i) {
    const float x = LoadFloat(v + i) * LoadFloat(factors + i);
    std::memcpy(v + i, &x, sizeof(x));
  }
  for (size_t h = 1; h < n; h *= 2) {
    for (size_t from = 0; from < n; from += 2 * h) {
      for (size_t i = from; i < from + h; ++i) {
        float x, y;
        std::memcpy(&x, v + i, sizeof(x));
        std::memcpy(&y, v + i + h, sizeof(y));
        const float sum = x + y, difference = x - y;
        std::memcpy(v + i, &sum, sizeof(sum));
        std::memcpy(v + i + h, &difference, sizeof(difference));
      }
    }
  }
}

void Project(const float* v, const float* axes, size_t dim, float* out) noexcept {
  float sums[kProjected] = {};
  for (size_t i = 0; i < dim; ++i) {
    for (size_t k = 0; k < kProjected; ++k) {
      sums[k] += LoadFloat(v + i) * LoadFloat(axes + i * kProjected + k);
    }
  }
  std::memcpy(out, sums, sizeof(sums));
}

double Centre(const float* v, double scale, const float* centre, float share, size_t dim,
              float* out) noexcept {
  for (size_t i = 0; i < dim; ++i) {
    const float x = static_cast<float>(LoadFloat(v + i) * scale) - share * LoadFloat(centre + i);
    std::memcpy(out + i, &x, sizeof(x));
  }
  return SquaredNorm(out, dim);
}

float Largest(const float* v, size_t dim) noexcept {
  float largest = 0;
  for (size_t i = 0; i < dim; ++i) {
    const float x = LoadFloat(v + i), magnitude = x < 0 ? -x : x;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

int32_t Quantize(const float* v, float scale, size_t dim, int8_t* out) noexcept {
  int32_t sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const float x = LoadFloat(v + i) * scale;
    out[i] = static_cast<int8_t>(x < 0 ? x - 0.5f : x + 0.5f);
    sum += out[i];
  }
  return sum;
}

bool ToBytes(const float* v, size_t dim, uint8_t* out) noexcept {
  for (size_t i = 0; i < dim; ++i) {
    const float x = LoadFloat(v + i);
    if (!(x >= 0 && x <= 255)) return false;
    out[i] = static_cast<uint8_t>(x);
    if (static_cast<float>(out[i]) != x) return false;
  }
  return true;
}

}  // namespace

constinit const CodeKernelTable kScalarCodes = {
    .set = InstructionSet::kScalar,
    .name = "scalar",
    .supported = ScalarSupported,
    .codes =
        {
            .l2_u8 = Score<L2Term, uint32_t, uint8_t, uint8_t>,
            .l2_u8_rows = ScoreRows<L2Term, uint32_t, uint8_t, uint8_t>,
            .l2_i8 = Score<L2Term, uint32_t, int8_t, int8_t>,
            .l2_i8_rows = ScoreRows<L2Term, uint32_t, int8_t, int8_t>,
            .dot_u8 = Score<DotTerm, uint32_t, uint8_t, uint8_t>,
            .dot_u8_rows = ScoreRows<DotTerm, uint32_t, uint8_t, uint8_t>,
            .dot_i8 = Score<DotTerm, int32_t, int8_t, int8_t>,
            .dot_i8_rows = ScoreRows<DotTerm, int32_t, int8_t, int8_t>,
            .dot_i8_u8 = Score<DotTerm, int32_t, int8_t, uint8_t>,
            .dot_i8_u8_rows = ScoreRows<DotTerm, int32_t, int8_t, uint8_t>,
            .dot_i8_u4 = DotI8U4,
            .dot_i8_u4_rows = DotI8U4Rows,
            .hamming = CountBits<XorTerm>,
            .hamming_rows = CountBitsRows<XorTerm>,
            .intersection = CountBits<AndTerm>,
            .intersection_rows = CountBitsRows<AndTerm>,
            .carried = Carried,
            .estimate = Estimate,
            .estimate_carried = EstimateCarried,
            .hadamard = Hadamard,
            .project = Project,
            .squared_norm = SquaredNorm,
            .centre = Centre,
            .largest = Largest,
            .quantize = Quantize,
            .to_bytes = ToBytes,
        },
};

}  // namespace vitrine
