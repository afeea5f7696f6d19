#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vitrine {

enum class InstructionSet : uint8_t { kScalar, kNeon, kAvx2, kAvx512 };

// The two common floats of 16 bits, by their bits.
//   Half      IEEE 754 binary16: sign, 5 bits of exponent, 10 of significand
//   BFloat16  the upper half of an f32
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

// The distance kernels of one instruction set for vectors of floats.
//
//   a, b, query, row  [dim] Element, any alignment, not retained; nothing outside [0, dim) is read,
//                     not even in a masked way that could fault
//   rows              *_rows: [count] pointers, not necessarily distinct. While four are scored
//                     the next four are brought into the cache, a line of theirs for each line:
//                     that keeps memory busy and never floods it (docs/decisions/0001)
//                     *_block: the first of `count` rows, row i `stride_bytes * i` bytes further on
//   count             may be 0; *_rows: a multiple of 4, for which callers repeat a row
//   out               [count] f32, any alignment, must not overlap the inputs
//   dim               >= 1; stride_bytes >= dim * sizeof(Element), or anything (0 too) that keeps
//                     the rows readable
// Pure functions: any number of threads at once.
//
// Values. Elements of 16 bits are exact as f32, and results are those of the same f32 vectors, bit
// for bit, denormals and infinities included. Element i is added to partial sum i mod lanes, in
// ascending order; then the partial sums are added pairwise, each half to the other, down to one.
// lanes is 8 for scalar and NEON, 16 for AVX2 and 32 for AVX-512: two vectors a row, so that four
// rows keep two FMA units busy. Hence the three forms of one instruction set agree bit for bit on
// every row, whatever its alignment, while two instruction sets agree within their bounds. To first
// order, with u = 2^-24 and n = ceil(dim / lanes) + log2(lanes) (Higham 2002, sections 3.1 and 4.2;
// no result is denormal):
//   l2      relative (n + 2) u
//   dot     absolute n u * sum |a[i] * b[i]|
//   cosine  absolute (n + 4) u; (n + 6) u with inverse norms that are themselves rounded to f32
// Where products underflow, up to dim * 2^-150 more, for cosine times both inverse norms.
//
// Edges, the same for all. An l2 or dot with a NaN component is NaN. +-Inf and overflow follow
// IEEE 754 through the sums above: l2 is +Inf where a difference is infinite, NaN at Inf - Inf; dot
// is +-Inf, or NaN at 0 * Inf or when infinities of both signs meet. Denormals are exact numbers
// like others (REQUIRES: the default floating-point environment: round to nearest, no flushing to
// zero). -0 equals +0: as a component it never changes a value, and l2 never returns -0.
template <class Element>
struct FloatKernels {
  // Squared Euclidean distance, sum (a[i] - b[i])^2 in squared input units, >= 0.
  float (*l2)(const Element* a, const Element* b, size_t dim) noexcept;
  // Inner product, sum a[i] * b[i].
  float (*dot)(const Element* a, const Element* b, size_t dim) noexcept;
  // Cosine distance, 1 - dot * a_inverse_norm * b_inverse_norm, clamped to [0, 2]. An inverse norm
  // of 0 stands for a zero vector, and the distance is then exactly 1 whatever the components are.
  // Otherwise NaN where the dot or its product with the inverse norms is NaN.
  //   *_inverse_norm  1 / |vector| in f32 (from SquaredNorm), finite, >= 0
  // Nothing is scaled: the bound holds while both norms are in [2^-120, 2^120] and their product is
  // in [2^-100, 2^127].
  float (*cosine)(const Element* a, float a_inverse_norm, const Element* b, float b_inverse_norm,
                  size_t dim) noexcept;

  // One query against rows anywhere in memory.
  void (*l2_rows)(const Element* query, const Element* const* rows, size_t count, size_t dim,
                  float* out) noexcept;
  void (*dot_rows)(const Element* query, const Element* const* rows, size_t count, size_t dim,
                   float* out) noexcept;
  //   row_inverse_norms  [count]
  void (*cosine_rows)(const Element* query, float query_inverse_norm, const Element* const* rows,
                      const float* row_inverse_norms, size_t count, size_t dim,
                      float* out) noexcept;

  // One query against rows at a fixed distance.
  void (*l2_block)(const Element* query, const Element* rows, size_t stride_bytes, size_t count,
                   size_t dim, float* out) noexcept;
  void (*dot_block)(const Element* query, const Element* rows, size_t stride_bytes, size_t count,
                    size_t dim, float* out) noexcept;
  //   row_inverse_norms  [count]
  void (*cosine_block)(const Element* query, float query_inverse_norm, const Element* rows,
                       const float* row_inverse_norms, size_t stride_bytes, size_t count,
                       size_t dim, float* out) noexcept;
};

using F32Kernels = FloatKernels<float>;

// One instruction set: its name, as users force it, and its kernels.
struct KernelTable {
  InstructionSet set;
  const char* name;  // "scalar", "neon", "avx2" or "avx512"
  // Whether this processor runs the kernels; asks it each time. REQUIRES of every kernel: true.
  bool (*supported)() noexcept;
  F32Kernels f32;
  FloatKernels<Half> f16;
  FloatKernels<BFloat16> bf16;
};

// Every instruction set that is compiled in, best first, supported or not; the last is scalar,
// which runs everywhere. The tables live as long as the program.
std::span<const KernelTable* const> KernelTables() noexcept;

// The table to use: the best that this processor supports if `forced` is empty, otherwise the one
// of that name. Null if no table has the name or the processor does not support it: forcing never
// skips the check.
const KernelTable* SelectKernels(std::string_view forced) noexcept;

// Squared Euclidean norm, sum v[i]^2, summed in f64: one value for every instruction set, and
// within (dim / 8 + 4) * 2^-53 of the exact one. Never overflows for finite components.
//   v    [dim] f32, any alignment, not retained
//   dim  >= 1
double SquaredNorm(const float* v, size_t dim) noexcept;

}  // namespace vitrine
