#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/kernels.h"

namespace vitrine {

// What becomes of the inner product of a query's code and a row's: an estimated distance,
//   share * add + base + multiply * (scale * (dot - shift)),
// rounded after each operation, in this order; what is not finite becomes `largest` or, below,
// the most negative f32. NaN counts as too large.
struct CodeFactors {
  float add, multiply;  // of the row
};
struct CodeFormula {
  float scale, shift, share, base, largest;  // of the query
};

// Bits of a length that a row of digits carries: the first of an f32, without the sign.
inline constexpr size_t kCarriedBits = 24;
// Groups of digits that carry a bit each, the last none.
inline constexpr size_t kCarryingGroups = 32;

// Axes that a vector is projected onto at once.
inline constexpr size_t kProjected = 64;

// The kernels of one instruction set on small integers: on vectors of bytes, and on the codes of
// index/code_store.h. Sums of integers are exact, so every form of every instruction set gives the
// same bits; `hadamard` adds floats in one order everywhere, so that holds for it too.
//
//   a, b, query, row  [dim] of the type that the name says, any alignment, not retained; nothing
//                     outside is read
//   rows              [count] pointers, not necessarily distinct; while four are scored the next
//                     four are brought into the cache, as those of FloatKernels
//   count             may be 0; *_rows: a multiple of 4, for which callers repeat a row
//   out               [count], must not overlap the inputs
//   dim               1 to 65,536: up to there no sum leaves its type, whatever the components are
// Pure functions: any number of threads at once.
struct CodeKernels {
  // Squared Euclidean distance, sum (a[i] - b[i])^2.
  uint32_t (*l2_u8)(const uint8_t* a, const uint8_t* b, size_t dim) noexcept;
  void (*l2_u8_rows)(const uint8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                     uint32_t* out) noexcept;
  uint32_t (*l2_i8)(const int8_t* a, const int8_t* b, size_t dim) noexcept;
  void (*l2_i8_rows)(const int8_t* query, const int8_t* const* rows, size_t count, size_t dim,
                     uint32_t* out) noexcept;
  // Inner product, sum a[i] * b[i].
  uint32_t (*dot_u8)(const uint8_t* a, const uint8_t* b, size_t dim) noexcept;
  void (*dot_u8_rows)(const uint8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                      uint32_t* out) noexcept;
  int32_t (*dot_i8)(const int8_t* a, const int8_t* b, size_t dim) noexcept;
  void (*dot_i8_rows)(const int8_t* query, const int8_t* const* rows, size_t count, size_t dim,
                      int32_t* out) noexcept;
  // Inner product of a signed query with unsigned bytes, the form that processors are fastest at.
  int32_t (*dot_i8_u8)(const int8_t* query, const uint8_t* row, size_t dim) noexcept;
  void (*dot_i8_u8_rows)(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                         int32_t* out) noexcept;

  // Inner product of a signed query with digits of four bits, 0 to 15.
  //   row  [dim / 2] bytes. Digits come in blocks of 128 in 64 bytes: byte i of a block holds digit
  //        i in its low and digit 64 + i in its high nibble. A last block of 64 digits takes 32
  //        bytes: digits i and 32 + i. So a load of a whole line of memory gives two vectors of
  //        digits, each in the order of the query.
  // REQUIRES: dim is a multiple of 64
  int32_t (*dot_i8_u4)(const int8_t* query, const uint8_t* row, size_t dim) noexcept;
  void (*dot_i8_u4_rows)(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                         int32_t* out) noexcept;

  // Bits in which two vectors of bits differ, and bits that both have. With the counts of each
  // alone the second gives jaccard: bits that either has are |a| + |b| - intersection.
  //   bytes  in place of dim: eight bits each
  uint32_t (*hamming)(const uint8_t* a, const uint8_t* b, size_t bytes) noexcept;
  void (*hamming_rows)(const uint8_t* query, const uint8_t* const* rows, size_t count, size_t bytes,
                       uint32_t* out) noexcept;
  uint32_t (*intersection)(const uint8_t* a, const uint8_t* b, size_t bytes) noexcept;
  void (*intersection_rows)(const uint8_t* query, const uint8_t* const* rows, size_t count,
                            size_t bytes, uint32_t* out) noexcept;

  // Numbers that rows of digits carry: bit i of one is the parity of the sum of digits i, 32 + i,
  // 64 + i and so on.
  //   bytes  of a row, a multiple of 64
  //   out    [count]; bits from kCarriedBits on are zero
  void (*carried)(const uint8_t* const* rows, size_t count, size_t bytes, uint32_t* out) noexcept;

  // Estimates from inner products.
  //   dots, factors, out  [count]
  void (*estimate)(const int32_t* dots, const CodeFactors* factors, size_t count,
                   const CodeFormula& formula, float* out) noexcept;
  // The same with `add` = length * length and `multiply` = -slope * length.
  //   lengths  [count], the first bits of each as an f32 that is not negative: kCarriedBits
  void (*estimate_carried)(const int32_t* dots, const uint32_t* lengths, size_t count, float slope,
                           const CodeFormula& formula, float* out) noexcept;

  // Multiplies `v` by `factors`, component by component, and by the Hadamard matrix of its size, in
  // place and unscaled: the matrix makes |v| grow by sqrt(n).
  //   v, factors  [n] f32, any alignment
  //   n           a power of two, >= 64
  // Step h = 1, 2, 4, ... n / 2 replaces x = v[i], y = v[i + h] by x + y, x - y for each i without
  // the bit h.
  void (*hadamard)(float* v, const float* factors, size_t n) noexcept;

  // Inner products of a vector with axes, component k of each next to that of the others.
  //   v     [dim] f32, any alignment
  //   axes  [dim * kProjected] f32
  //   out   [kProjected], summed in the order of components
  void (*project)(const float* v, const float* axes, size_t dim, float* out) noexcept;

  // The steps by which a vector becomes digits. Each component is rounded after every operation;
  // squares are summed in f64, as SquaredNorm does it: one value for every set.
  //   v, centre, out  [dim], any alignment

  // |v|^2, as SquaredNorm of kernels.h.
  double (*squared_norm)(const float* v, size_t dim) noexcept;
  // out[i] = v[i] * scale, in f64 and rounded to f32, - share * centre[i]. Returns |out|^2.
  double (*centre)(const float* v, double scale, const float* centre, float share, size_t dim,
                   float* out) noexcept;
  // The largest |v[i]|. REQUIRES: no component is NaN
  float (*largest)(const float* v, size_t dim) noexcept;
  // out[i] = v[i] * scale plus a half with its sign, cut off: the nearest integer, and from halves
  // the one away from zero. Returns their sum. REQUIRES: |v[i] * scale| < 127.5
  int32_t (*quantize)(const float* v, float scale, size_t dim, int8_t* out) noexcept;
  // out[i] = v[i], if every component is an integer from 0 to 255; otherwise false, and `out` is
  // undefined.
  bool (*to_bytes)(const float* v, size_t dim, uint8_t* out) noexcept;
};

// Kernels on codes, with what they need of a processor beyond `set`.
struct CodeKernelTable {
  InstructionSet set;
  const char* name;  // such as "avx512-vnni"
  // Whether this processor runs the kernels; asks it each time. REQUIRES of every kernel: true.
  bool (*supported)() noexcept;
  CodeKernels codes;
};

// All that are compiled in, best first, supported or not; the last is scalar. The tables live as
// long as the program.
std::span<const CodeKernelTable* const> CodeKernelTables() noexcept;

// The best that this processor supports among those of `set`, the set that was selected or forced
// for f32. REQUIRES: the processor supports `set`
const CodeKernelTable& SelectCodeKernels(InstructionSet set) noexcept;

}  // namespace vitrine
