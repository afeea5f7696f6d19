// The kernels on codes for any vector instruction set: each codes_*.cc includes this file inside
// its target region and instantiates CodeForms with its `Isa`. Everything here is of internal
// linkage; the .cc includes <utility> and isa.h before its region, because nothing may be included
// inside one.
//
// An `Isa` provides, with every function VITRINE_ALWAYS_INLINE:
//   Sum32                       a vector of 32-bit partial sums, which wrap like unsigned ones
//   Sum32 Zero();  Sum32 Add(Sum32, Sum32);  uint32_t Total(Sum32)
//   void Total4(Sum32 a, Sum32 b, Sum32 c, Sum32 d, uint32_t* out)   the total of each
//   L2U8, L2I8, DotU8, DotI8, DotI8U8  one kernel each on bytes; WidenedTerm gives those of sets
//                               without a dot product of bytes. In each:
//     kStep                     components taken at once
//     Query Load(p), LoadFirst(p, n)   of the query, 0 < n < kStep; then zeros, reads no further
//     Sum32 Step(Sum32, Query, row), StepFirst(Sum32, Query, row, n)
//     kFlip                     whether Step computes on rows with flipped sign bits, which adds
//                               128 times the sum of the query with the sign kFlip; 0: it does not
//     Sum32 AddQuery(Sum32, Query)     sums the query; only where kFlip is not 0
//   Bytes LoadFirst(const void*, n)  0 < n < kBytes of them, then zeros; reads no further
//   Bytes And(Bytes, Bytes), Xor(Bytes, Bytes)
//   Sum32 AddBits(Sum32, Bytes)      adds the number of bits that are set
//   U4Sum ZeroU4();  Sum32 TotalU4(U4Sum)
//   U4Sum StepU4(U4Sum, Bytes digits, Bytes low, Bytes high)
//   U4Sum FlushU4(U4Sum)        called after every kU4Blocks blocks of 64 bytes at the latest
//   kBytes, Bytes Load(const void*)  a vector of bytes, 16, 32 or 64 of them
//   Bytes LoadHalf(const void*)      32 bytes, then zeros; only where kBytes is 64
//   uint32_t LowestBits(const uint8_t* p, size_t n)   bit i: the parity of what digits in bytes i,
//                               32 + i and so on have in their lowest bits; n a multiple of 64
//   Floats, kLanes, LoadFloats, StoreFloats, AddFloats, SubFloats, MulFloats, Splat
//   Floats HadamardWithin(Floats)    the first log2(kLanes) steps of `hadamard`

namespace vitrine {
namespace {

// A kernel on bytes for instruction sets whose products are of 16-bit numbers. `Isa` provides
// kWideStep, Wide, Widen and WidenFirst (overloaded by the type of the bytes), SubWide and
//   Sum32 MultiplyAdd(Sum32 sum, Wide x, Wide y)   adds products of neighbours, which fit 32 bits
template <class Isa, class QueryByte, class RowByte, bool kSquares>
struct WidenedTerm {
  using Query = typename Isa::Wide;
  using Sum32 = typename Isa::Sum32;
  static constexpr size_t kStep = Isa::kWideStep;
  static constexpr int kFlip = 0;

  static VITRINE_ALWAYS_INLINE Query Load(const QueryByte* p) { return Isa::Widen(p); }
  static VITRINE_ALWAYS_INLINE Query LoadFirst(const QueryByte* p, size_t n) {
    return Isa::WidenFirst(p, n);
  }
  static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const RowByte* row) {
    return AddTerm(sum, query, Isa::Widen(row));
  }
  static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const RowByte* row,
                                               size_t n) {
    return AddTerm(sum, query, Isa::WidenFirst(row, n));
  }

 private:
  static VITRINE_ALWAYS_INLINE Sum32 AddTerm(Sum32 sum, Query query, typename Isa::Wide row) {
    if constexpr (kSquares) {
      const auto difference = Isa::SubWide(query, row);
      return Isa::MultiplyAdd(sum, difference, difference);
    } else {
      return Isa::MultiplyAdd(sum, query, row);
    }
  }
};

// Bits that differ, or with kBoth bits that both have.
template <class Isa, bool kBoth>
struct BitTerm {
  using Query = typename Isa::Bytes;
  using Sum32 = typename Isa::Sum32;
  static constexpr size_t kStep = Isa::kBytes;
  static constexpr int kFlip = 0;

  static VITRINE_ALWAYS_INLINE Query Load(const uint8_t* p) { return Isa::Load(p); }
  static VITRINE_ALWAYS_INLINE Query LoadFirst(const uint8_t* p, size_t n) {
    return Isa::LoadFirst(p, n);
  }
  static VITRINE_ALWAYS_INLINE Sum32 Step(Sum32 sum, Query query, const uint8_t* row) {
    return Isa::AddBits(sum, Combine(query, Isa::Load(row)));
  }
  static VITRINE_ALWAYS_INLINE Sum32 StepFirst(Sum32 sum, Query query, const uint8_t* row,
                                               size_t n) {
    return Isa::AddBits(sum, Combine(query, Isa::LoadFirst(row, n)));
  }

 private:
  static VITRINE_ALWAYS_INLINE Query Combine(Query x, Query y) {
    if constexpr (kBoth) {
      return Isa::And(x, y);
    } else {
      return Isa::Xor(x, y);
    }
  }
};

template <class Isa>
struct CodeForms {
  using Sum32 = typename Isa::Sum32;
  using Bytes = typename Isa::Bytes;
  using Floats = typename Isa::Floats;

  // Scores one row for each index `r`. Folds and not loops over the rows: compilers keep an array
  // in registers only if every index into it is a constant from the start. Two sums a row, because
  // a dot product takes five cycles and two may begin in each.
  template <class Term, bool kFetch, class Out, class QueryByte, class RowByte, size_t... r>
  static VITRINE_ALWAYS_INLINE void ScoreRows(std::index_sequence<r...>, const QueryByte* query,
                                              const RowByte* const* rows_in_memory,
                                              const RowByte* const* next_in_memory, size_t dim,
                                              Out* out) {
    constexpr size_t kStep = Term::kStep;
    const RowByte* const rows[] = {rows_in_memory[r]...};
    const RowByte* const next_rows[] = {next_in_memory[r]...};
    Sum32 even[sizeof...(r)], odd[sizeof...(r)];
    ((even[r] = Isa::Zero(), odd[r] = Isa::Zero()), ...);
    Sum32 query_sum = Isa::Zero();
    size_t at = 0;
    for (; dim - at >= 2 * kStep; at += 2 * kStep) {
      if constexpr (kFetch) (Fetch<2 * kStep>(next_rows[r] + at), ...);
      const auto first = Term::Load(query + at);
      ((even[r] = Term::Step(even[r], first, rows[r] + at)), ...);
      const auto second = Term::Load(query + at + kStep);
      ((odd[r] = Term::Step(odd[r], second, rows[r] + at + kStep)), ...);
      if constexpr (Term::kFlip != 0) {
        query_sum = Term::AddQuery(Term::AddQuery(query_sum, first), second);
      }
    }
    if (dim - at >= kStep) {
      const auto full = Term::Load(query + at);
      ((even[r] = Term::Step(even[r], full, rows[r] + at)), ...);
      if constexpr (Term::kFlip != 0) query_sum = Term::AddQuery(query_sum, full);
      at += kStep;
    }
    if (const size_t left = dim - at; left != 0) {
      const auto tail = Term::LoadFirst(query + at, left);
      ((odd[r] = Term::StepFirst(odd[r], tail, rows[r] + at, left)), ...);
      if constexpr (Term::kFlip != 0) query_sum = Term::AddQuery(query_sum, tail);
    }
    uint32_t correction = 0;
    if constexpr (Term::kFlip > 0) correction = 128 * Isa::Total(query_sum);
    if constexpr (Term::kFlip < 0) correction = 0 - 128 * Isa::Total(query_sum);
    uint32_t totals[sizeof...(r)];
    if constexpr (sizeof...(r) == 4) {
      Isa::Total4(Isa::Add(even[r], odd[r])..., totals);
    } else {
      ((totals[r] = Isa::Total(Isa::Add(even[r], odd[r]))), ...);
    }
    ((out[r] = static_cast<Out>(totals[r] + correction)), ...);
  }

  template <class Term, class Out, class A, class B>
  static Out Score(const A* a, const B* b, size_t dim) noexcept {
    Out out;
    ScoreRows<Term, false>(std::make_index_sequence<1>(), a, &b, &b, dim, &out);
    return out;
  }

  // The lines under `kLength` bytes.
  template <size_t kLength>
  static VITRINE_ALWAYS_INLINE void Fetch(const void* from) {
    Prefetch(from);
    if constexpr (kLength > kCacheLineBytes) {
      Prefetch(static_cast<const char*>(from) + kCacheLineBytes);
    }
  }

  template <class Term, class Out, class QueryByte, class RowByte>
  static void ScoreAll(const QueryByte* query, const RowByte* const* rows, size_t count, size_t dim,
                       Out* out) noexcept {
    for (size_t i = 0; i < count; i += 4) {
      const RowByte* const* const next = rows + (i + 4 < count ? i + 4 : i);
      ScoreRows<Term, true>(std::make_index_sequence<4>(), query, rows + i, next, dim, out + i);
    }
  }

  // Digits of four bits: the layout of code_kernels.h.
  template <bool kFetch, size_t... r>
  static VITRINE_ALWAYS_INLINE void ScoreU4(std::index_sequence<r...>, const int8_t* query,
                                            const uint8_t* const* rows_in_memory,
                                            const uint8_t* const* next_in_memory, size_t dim,
                                            int32_t* out) {
    constexpr size_t kBytes = Isa::kBytes;
    const uint8_t* const rows[] = {rows_in_memory[r]...};
    const uint8_t* const next_rows[] = {next_in_memory[r]...};
    typename Isa::U4Sum sums[sizeof...(r)];
    ((sums[r] = Isa::ZeroU4()), ...);
    const size_t blocks = dim / 128;
    for (size_t block = 0; block < blocks;) {
      const size_t stop = blocks - block < Isa::kU4Blocks ? blocks : block + Isa::kU4Blocks;
      for (; block < stop; ++block) {
        if constexpr (kFetch) (Fetch<64>(next_rows[r] + block * 64), ...);
        for (size_t i = 0; i < 64; i += kBytes) {
          const Bytes low = Isa::Load(query + block * 128 + i);
          const Bytes high = Isa::Load(query + block * 128 + 64 + i);
          ((sums[r] = Isa::StepU4(sums[r], Isa::Load(rows[r] + block * 64 + i), low, high)), ...);
        }
      }
      ((sums[r] = Isa::FlushU4(sums[r])), ...);
    }
    if (dim % 128 != 0) {
      const int8_t* const tail = query + blocks * 128;
      if constexpr (kFetch) (Fetch<32>(next_rows[r] + blocks * 64), ...);
      if constexpr (kBytes == 64) {
        const Bytes low = Isa::LoadHalf(tail), high = Isa::LoadHalf(tail + 32);
        ((sums[r] = Isa::StepU4(sums[r], Isa::LoadHalf(rows[r] + blocks * 64), low, high)), ...);
      } else {
        for (size_t i = 0; i < 32; i += kBytes) {
          const Bytes low = Isa::Load(tail + i), high = Isa::Load(tail + 32 + i);
          ((sums[r] = Isa::StepU4(sums[r], Isa::Load(rows[r] + blocks * 64 + i), low, high)), ...);
        }
      }
      ((sums[r] = Isa::FlushU4(sums[r])), ...);
    }
    uint32_t totals[sizeof...(r)];
    if constexpr (sizeof...(r) == 4) {
      Isa::Total4(Isa::TotalU4(sums[r])..., totals);
    } else {
      ((totals[r] = Isa::Total(Isa::TotalU4(sums[r]))), ...);
    }
    ((out[r] = static_cast<int32_t>(totals[r])), ...);
  }

  static int32_t DotI8U4(const int8_t* query, const uint8_t* row, size_t dim) noexcept {
    int32_t out;
    ScoreU4<false>(std::make_index_sequence<1>(), query, &row, &row, dim, &out);
    return out;
  }

  static void DotI8U4Rows(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                          int32_t* out) noexcept {
    for (size_t i = 0; i < count; i += 4) {
      const uint8_t* const* const next = rows + (i + 4 < count ? i + 4 : i);
      ScoreU4<true>(std::make_index_sequence<4>(), query, rows + i, next, dim, out + i);
    }
  }

  static void Carried(const uint8_t* const* rows, size_t count, size_t bytes,
                      uint32_t* out) noexcept {
    for (size_t i = 0; i < count; ++i) {
      out[i] = Isa::LowestBits(rows[i], bytes) & ((1u << kCarriedBits) - 1);
    }
  }

  static VITRINE_ALWAYS_INLINE float EstimateOne(int32_t dot, float add, float multiply,
                                                 const CodeFormula& formula) {
    const auto [scale, shift, share, base, largest] = formula;
    const float product = scale * (static_cast<float>(dot) - shift);
    const float estimate = add * share + base + multiply * product;
    const float bounded = estimate < FLT_MAX ? estimate : largest;
    return bounded > -FLT_MAX ? bounded : -FLT_MAX;
  }

  // Without branches, so that compilers make vectors of it.
  static void Estimate(const int32_t* dots, const CodeFactors* factors, size_t count,
                       const CodeFormula& in_memory, float* out) noexcept {
    const CodeFormula formula = in_memory;
    for (size_t i = 0; i < count; ++i) {
      out[i] = EstimateOne(dots[i], factors[i].add, factors[i].multiply, formula);
    }
  }
  static void EstimateCarried(const int32_t* dots, const uint32_t* lengths, size_t count,
                              float slope, const CodeFormula& in_memory, float* out) noexcept {
    const CodeFormula formula = in_memory;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t bits = lengths[i] << (31 - kCarriedBits);
      float length;
      std::memcpy(&length, &bits, sizeof(length));
      out[i] = EstimateOne(dots[i], length * length, -slope * length, formula);
    }
  }

  // Two steps a pass where two are left: half of the loads and stores, the same additions.
  static void Hadamard(float* v, const float* factors, size_t n) noexcept {
    constexpr size_t kLanes = Isa::kLanes;
    for (size_t i = 0; i < n; i += kLanes) {
      const Floats x = Isa::MulFloats(Isa::LoadFloats(v + i), Isa::LoadFloats(factors + i));
      Isa::StoreFloats(v + i, Isa::HadamardWithin(x));
    }
    size_t h = kLanes;
    for (; 4 * h <= n; h *= 4) {
      for (size_t from = 0; from < n; from += 4 * h) {
        for (size_t i = from; i < from + h; i += kLanes) {
          const Floats a = Isa::LoadFloats(v + i), b = Isa::LoadFloats(v + i + h);
          const Floats c = Isa::LoadFloats(v + i + 2 * h), d = Isa::LoadFloats(v + i + 3 * h);
          const Floats ab = Isa::AddFloats(a, b), a_b = Isa::SubFloats(a, b);
          const Floats cd = Isa::AddFloats(c, d), c_d = Isa::SubFloats(c, d);
          Isa::StoreFloats(v + i, Isa::AddFloats(ab, cd));
          Isa::StoreFloats(v + i + h, Isa::AddFloats(a_b, c_d));
          Isa::StoreFloats(v + i + 2 * h, Isa::SubFloats(ab, cd));
          Isa::StoreFloats(v + i + 3 * h, Isa::SubFloats(a_b, c_d));
        }
      }
    }
    if (h == n) return;
    for (size_t i = 0; i < h; i += kLanes) {
      const Floats a = Isa::LoadFloats(v + i), b = Isa::LoadFloats(v + i + h);
      Isa::StoreFloats(v + i, Isa::AddFloats(a, b));
      Isa::StoreFloats(v + i + h, Isa::SubFloats(a, b));
    }
  }

  // A few sums in registers at a time.
  static void Project(const float* v, const float* axes, size_t dim, float* out) noexcept {
    constexpr size_t kLanes = Isa::kLanes, kTogether = 4 * kLanes;
    static_assert(kProjected % kTogether == 0);
    for (size_t k = 0; k < kProjected; k += kTogether) {
      Floats a = Isa::Splat(0), b = a, c = a, d = a;
      for (size_t i = 0; i < dim; ++i) {
        float component;
        std::memcpy(&component, v + i, sizeof(component));
        const Floats x = Isa::Splat(component);
        const float* const y = axes + i * kProjected + k;
        a = Isa::AddFloats(a, Isa::MulFloats(x, Isa::LoadFloats(y)));
        b = Isa::AddFloats(b, Isa::MulFloats(x, Isa::LoadFloats(y + kLanes)));
        c = Isa::AddFloats(c, Isa::MulFloats(x, Isa::LoadFloats(y + 2 * kLanes)));
        d = Isa::AddFloats(d, Isa::MulFloats(x, Isa::LoadFloats(y + 3 * kLanes)));
      }
      Isa::StoreFloats(out + k, a);
      Isa::StoreFloats(out + k + kLanes, b);
      Isa::StoreFloats(out + k + 2 * kLanes, c);
      Isa::StoreFloats(out + k + 3 * kLanes, d);
    }
  }

  // From here on plain loops, of which compilers make vectors.

  // Sums of every eighth component, as SquaredNorm has them.
  struct EightSums {
    static constexpr size_t kCount = 8;
    double sums[kCount] = {};

    VITRINE_ALWAYS_INLINE void AddSquares(const float* x) {
      for (size_t i = 0; i < kCount; ++i) sums[i] += double{x[i]} * x[i];
    }
    VITRINE_ALWAYS_INLINE double Total() const {
      return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
             ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
  };
  static constexpr size_t kEight = EightSums::kCount;

  static double SquaredNorm(const float* v, size_t dim) noexcept {
    EightSums sums;
    float x[kEight];
    size_t i = 0;
    for (; dim - i >= kEight; i += kEight) {
      std::memcpy(x, v + i, sizeof(x));
      sums.AddSquares(x);
    }
    std::memset(x, 0, sizeof(x));
    std::memcpy(x, v + i, (dim - i) * sizeof(float));
    sums.AddSquares(x);
    return sums.Total();
  }

  static double Centre(const float* v, double scale, const float* centre, float share, size_t dim,
                       float* out) noexcept {
    EightSums sums;
    float x[kEight], c[kEight];
    size_t i = 0;
    for (; dim - i >= kEight; i += kEight) {
      std::memcpy(x, v + i, sizeof(x));
      std::memcpy(c, centre + i, sizeof(c));
      for (size_t j = 0; j < kEight; ++j) x[j] = static_cast<float>(x[j] * scale) - share * c[j];
      sums.AddSquares(x);
      std::memcpy(out + i, x, sizeof(x));
    }
    std::memset(x, 0, sizeof(x));
    std::memset(c, 0, sizeof(c));
    std::memcpy(x, v + i, (dim - i) * sizeof(float));
    std::memcpy(c, centre + i, (dim - i) * sizeof(float));
    for (size_t j = 0; j < kEight; ++j) x[j] = static_cast<float>(x[j] * scale) - share * c[j];
    sums.AddSquares(x);
    std::memcpy(out + i, x, (dim - i) * sizeof(float));
    return sums.Total();
  }

  // Floats that are not negative are ordered like their bits.
  static float Largest(const float* v, size_t dim) noexcept {
    int32_t largest = 0;
    for (size_t i = 0; i < dim; ++i) {
      int32_t bits;
      std::memcpy(&bits, v + i, sizeof(bits));
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    float magnitude;
    std::memcpy(&magnitude, &largest, sizeof(magnitude));
    return magnitude;
  }

  static int32_t Quantize(const float* v, float scale, size_t dim, int8_t* out) noexcept {
    int32_t sum = 0;
    for (size_t i = 0; i < dim; ++i) {
      float x;
      std::memcpy(&x, v + i, sizeof(x));
      x *= scale;
      const auto rounded = static_cast<int32_t>(x + (x < 0 ? -0.5f : 0.5f));
      out[i] = static_cast<int8_t>(rounded);
      sum += rounded;
    }
    return sum;
  }

  // Added to 2^23, a float that is an integer from 0 to 255 is in its last bits. Bits are compared,
  // because compilers make no vectors of comparisons of floats. Signs need no look: of negative
  // numbers only -0 has a sum whose other bits are none, and is 0.
  static bool ToBytes(const float* v, size_t dim, uint8_t* out) noexcept {
    constexpr float kOnes = 0x1p23f;
    constexpr uint32_t kOnesBits = 0x4b000000;
    uint32_t differ = 0;
    for (size_t i = 0; i < dim; ++i) {
      float x;
      std::memcpy(&x, v + i, sizeof(x));
      const float sum = x + kOnes, back = sum - kOnes;
      uint32_t bits, sum_bits, back_bits;
      std::memcpy(&bits, &x, sizeof(bits));
      std::memcpy(&sum_bits, &sum, sizeof(sum_bits));
      std::memcpy(&back_bits, &back, sizeof(back_bits));
      const uint32_t whole = sum_bits ^ kOnesBits;
      differ |= (back_bits ^ bits) << 1 | (whole & ~0xffu);
      out[i] = static_cast<uint8_t>(whole);
    }
    return differ == 0;
  }

  static constexpr CodeKernels kTable = {
      .l2_u8 = Score<typename Isa::L2U8, uint32_t, uint8_t, uint8_t>,
      .l2_u8_rows = ScoreAll<typename Isa::L2U8, uint32_t, uint8_t, uint8_t>,
      .l2_i8 = Score<typename Isa::L2I8, uint32_t, int8_t, int8_t>,
      .l2_i8_rows = ScoreAll<typename Isa::L2I8, uint32_t, int8_t, int8_t>,
      .dot_u8 = Score<typename Isa::DotU8, uint32_t, uint8_t, uint8_t>,
      .dot_u8_rows = ScoreAll<typename Isa::DotU8, uint32_t, uint8_t, uint8_t>,
      .dot_i8 = Score<typename Isa::DotI8, int32_t, int8_t, int8_t>,
      .dot_i8_rows = ScoreAll<typename Isa::DotI8, int32_t, int8_t, int8_t>,
      .dot_i8_u8 = Score<typename Isa::DotI8U8, int32_t, int8_t, uint8_t>,
      .dot_i8_u8_rows = ScoreAll<typename Isa::DotI8U8, int32_t, int8_t, uint8_t>,
      .dot_i8_u4 = DotI8U4,
      .dot_i8_u4_rows = DotI8U4Rows,
      .hamming = Score<BitTerm<Isa, false>, uint32_t, uint8_t, uint8_t>,
      .hamming_rows = ScoreAll<BitTerm<Isa, false>, uint32_t, uint8_t, uint8_t>,
      .intersection = Score<BitTerm<Isa, true>, uint32_t, uint8_t, uint8_t>,
      .intersection_rows = ScoreAll<BitTerm<Isa, true>, uint32_t, uint8_t, uint8_t>,
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
  };
};

}  // namespace
}  // namespace vitrine
