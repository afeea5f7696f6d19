// The nine forms of each type of floats for any vector instruction set: avx2.cc, avx512.cc and
// neon.cc include this file inside their target region and instantiate FloatForms with their `Isa`,
// so that every form of one set runs the same additions in the same order (kernels.h). Everything
// here is of internal linkage; the .cc includes <utility> and isa.h before its region, because
// nothing may be included inside one.
//
// An `Isa` provides, for a vector type Vec of kLanes floats (xN in names) and one of four, Four:
//   Vec Zero();  Vec Add(Vec, Vec);  Vec Sub(Vec, Vec)
//   Vec MultiplyAdd(Vec x, Vec y, Vec sum)    x * y + sum, rounded once
//   Vec Load(const Element* p)                any alignment; float, Half and BFloat16
//   Vec LoadFirst(const Element* p, size_t n) 0 < n <= kLanes, then zeros; reads no further
//   float Sum(Vec)                            pairwise, the upper half to the lower one each time
//   Four Sum4(Vec a, Vec b, Vec c, Vec d)     the same of each, bit for bit
//   Four LoadFour(const float*);  void StoreFour(float*, Four);  Four FourOf(float)
//   float FirstOf(Four);  Four MultiplyFour(Four, Four);  Four SubFour(Four, Four)
//   Four NonzeroOf(Four)                      of a lane all bits, or none where it is 0
//   Four AndFour(Four, Four)
//   Four ClampFour(Four x, Four low, Four high)   NaN stays
// and each is VITRINE_ALWAYS_INLINE.

namespace vitrine {
namespace {

template <class Isa>
struct L2Term {
  using Vec = typename Isa::Vec;
  static VITRINE_ALWAYS_INLINE Vec Add(Vec query_f32xn, Vec row_f32xn, Vec sum_f32xn) {
    const Vec difference_f32xn = Isa::Sub(query_f32xn, row_f32xn);
    return Isa::MultiplyAdd(difference_f32xn, difference_f32xn, sum_f32xn);
  }
};

template <class Isa>
struct DotTerm {
  using Vec = typename Isa::Vec;
  static VITRINE_ALWAYS_INLINE Vec Add(Vec query_f32xn, Vec row_f32xn, Vec sum_f32xn) {
    return Isa::MultiplyAdd(query_f32xn, row_f32xn, sum_f32xn);
  }
};

// What becomes of the sums of four rows, the first of which is row i.
template <class Isa>
struct Sums {
  VITRINE_ALWAYS_INLINE typename Isa::Four operator()(typename Isa::Four sums, size_t /*i*/) const {
    return sums;
  }
  VITRINE_ALWAYS_INLINE float One(float sum, size_t /*i*/) const { return sum; }
};

template <class Isa>
struct CosinesOfDots {
  using Four = typename Isa::Four;
  VITRINE_ALWAYS_INLINE CosinesOfDots(float query_inverse_norm, const float* row_inverse_norms)
      : query(Isa::FourOf(query_inverse_norm)), rows(row_inverse_norms) {}
  VITRINE_ALWAYS_INLINE Four operator()(Four dots, size_t i) const {
    return Of(dots, query, Isa::LoadFour(rows + i));
  }
  VITRINE_ALWAYS_INLINE float One(float dot, size_t i) const {
    return Isa::FirstOf(Of(Isa::FourOf(dot), query, Isa::FourOf(rows[i])));
  }
  // Where an inverse norm is 0 the product is 0 instead of whatever it is.
  static VITRINE_ALWAYS_INLINE Four Of(Four dots, Four query, Four row) {
    const Four product = Isa::MultiplyFour(Isa::MultiplyFour(dots, query), row);
    const Four nonzero = Isa::AndFour(Isa::NonzeroOf(query), Isa::NonzeroOf(row));
    const Four distance = Isa::SubFour(Isa::FourOf(1), Isa::AndFour(product, nonzero));
    return Isa::ClampFour(distance, Isa::FourOf(0), Isa::FourOf(2));
  }

  Four query;
  const float* rows;
};

template <class Element>
VITRINE_ALWAYS_INLINE const Element* RowAt(const Element* rows, size_t stride_bytes, size_t i) {
  return reinterpret_cast<const Element*>(reinterpret_cast<const char*>(rows) + stride_bytes * i);
}

template <class Isa, class Element>
struct FloatForms {
  using Vec = typename Isa::Vec;
  static constexpr size_t kLanes = Isa::kLanes;

  // The sums, by lane, of one row for each index `r`. Element i goes to lane i mod kLanes of
  // even_f32xn or odd_f32xn, by i / kLanes. Folds and not loops over the rows: compilers keep an
  // array in registers only if every index into it is a constant from the start.
  template <class Term, bool kFetch, size_t... r>
  static VITRINE_ALWAYS_INLINE void AddRows(std::index_sequence<r...>, const Element* query,
                                            const Element* const* rows_in_memory,
                                            const Element* const* next_in_memory, size_t dim,
                                            Vec* sums_f32xn) {
    const Element* const rows[] = {rows_in_memory[r]...};
    const Element* const next_rows[] = {next_in_memory[r]...};
    Vec even_f32xn[sizeof...(r)], odd_f32xn[sizeof...(r)];
    ((even_f32xn[r] = Isa::Zero(), odd_f32xn[r] = Isa::Zero()), ...);
    size_t at = 0;
    for (; dim - at >= 2 * kLanes; at += 2 * kLanes) {
      if constexpr (kFetch) (Fetch(next_rows[r] + at), ...);
      const Vec first_f32xn = Isa::Load(query + at);
      ((even_f32xn[r] = Term::Add(first_f32xn, Isa::Load(rows[r] + at), even_f32xn[r])), ...);
      const size_t next = at + kLanes;
      const Vec second_f32xn = Isa::Load(query + next);
      ((odd_f32xn[r] = Term::Add(second_f32xn, Isa::Load(rows[r] + next), odd_f32xn[r])), ...);
    }
    if (dim - at >= kLanes) {
      const Vec query_f32xn = Isa::Load(query + at);
      ((even_f32xn[r] = Term::Add(query_f32xn, Isa::Load(rows[r] + at), even_f32xn[r])), ...);
      at += kLanes;
      if (const size_t left = dim - at; left != 0) {
        const Vec tail_f32xn = Isa::LoadFirst(query + at, left);
        ((odd_f32xn[r] = Term::Add(tail_f32xn, Isa::LoadFirst(rows[r] + at, left), odd_f32xn[r])),
         ...);
      }
    } else if (const size_t left = dim - at; left != 0) {
      const Vec tail_f32xn = Isa::LoadFirst(query + at, left);
      ((even_f32xn[r] = Term::Add(tail_f32xn, Isa::LoadFirst(rows[r] + at, left), even_f32xn[r])),
       ...);
    }
    ((sums_f32xn[r] = Isa::Add(even_f32xn[r], odd_f32xn[r])), ...);
  }

  // The lines under the 2 * kLanes elements from `from` on.
  static VITRINE_ALWAYS_INLINE void Fetch(const Element* from) {
    Prefetch(from);
    if constexpr (2 * kLanes * sizeof(Element) > kCacheLineBytes) Prefetch(from + kLanes);
  }

  template <class Term, bool kFetch>
  static VITRINE_ALWAYS_INLINE typename Isa::Four ScoreFour(const Element* query,
                                                            const Element* const* rows,
                                                            const Element* const* next,
                                                            size_t dim) {
    Vec sums_f32xn[4];
    AddRows<Term, kFetch>(std::make_index_sequence<4>(), query, rows, next, dim, sums_f32xn);
    return Isa::Sum4(sums_f32xn[0], sums_f32xn[1], sums_f32xn[2], sums_f32xn[3]);
  }

  // The same of a query of few vectors, which stay in registers from row to row.
  template <class Term, size_t... v>
  static VITRINE_ALWAYS_INLINE Vec AddShort(std::index_sequence<v...>, const Vec* query_f32xn,
                                            const Element* row, size_t left) {
    Vec sums_f32xn[] = {Isa::Zero(), Isa::Zero()};
    ((sums_f32xn[v % 2] =
          Term::Add(query_f32xn[v], LoadPart<sizeof...(v)>(row, v, left), sums_f32xn[v % 2])),
     ...);
    return Isa::Add(sums_f32xn[0], sums_f32xn[1]);
  }
  // Vector `v` of `kVectors`, the last of which has `left` elements.
  template <size_t kVectors>
  static VITRINE_ALWAYS_INLINE Vec LoadPart(const Element* from, size_t v, size_t left) {
    return v + 1 < kVectors ? Isa::Load(from + v * kLanes)
                            : Isa::LoadFirst(from + v * kLanes, left);
  }

  template <class Term, class Finish, size_t... v>
  static VITRINE_ALWAYS_INLINE void ScoreShort(std::index_sequence<v...> parts,
                                               const Element* query, const Element* const* rows,
                                               size_t count, size_t dim, const Finish& finish,
                                               float* out) {
    const size_t left = dim - (sizeof...(v) - 1) * kLanes;
    const Vec query_f32xn[] = {LoadPart<sizeof...(v)>(query, v, left)...};
    for (size_t i = 0; i < count; i += 4) {
      const Vec a_f32xn = AddShort<Term>(parts, query_f32xn, rows[i], left);
      const Vec b_f32xn = AddShort<Term>(parts, query_f32xn, rows[i + 1], left);
      const Vec c_f32xn = AddShort<Term>(parts, query_f32xn, rows[i + 2], left);
      const Vec d_f32xn = AddShort<Term>(parts, query_f32xn, rows[i + 3], left);
      Isa::StoreFour(out + i, finish(Isa::Sum4(a_f32xn, b_f32xn, c_f32xn, d_f32xn), i));
    }
  }

  // Rows by fours.
  template <class Term, class Finish>
  static VITRINE_ALWAYS_INLINE void ScoreRows(const Element* query, const Element* const* rows,
                                              size_t count, size_t dim, const Finish& finish,
                                              float* out) {
    if (dim <= kLanes) {
      return ScoreShort<Term>(std::make_index_sequence<1>(), query, rows, count, dim, finish, out);
    }
    if (dim <= 2 * kLanes) {
      return ScoreShort<Term>(std::make_index_sequence<2>(), query, rows, count, dim, finish, out);
    }
    for (size_t i = 0; i < count; i += 4) {
      const Element* const* const next = rows + (i + 4 < count ? i + 4 : i);
      Isa::StoreFour(out + i, finish(ScoreFour<Term, true>(query, rows + i, next, dim), i));
    }
  }

  // Rows at a fixed distance.
  template <class Term, class Finish>
  static VITRINE_ALWAYS_INLINE void ScoreBlock(const Element* query, const Element* rows,
                                               size_t stride_bytes, size_t count, size_t dim,
                                               const Finish& finish, float* out) {
    size_t i = 0;
    for (; count - i >= 4; i += 4) {
      const Element* const four[] = {RowAt(rows, stride_bytes, i), RowAt(rows, stride_bytes, i + 1),
                                     RowAt(rows, stride_bytes, i + 2),
                                     RowAt(rows, stride_bytes, i + 3)};
      Isa::StoreFour(out + i, finish(ScoreFour<Term, false>(query, four, four, dim), i));
    }
    for (; i < count; ++i) {
      out[i] = finish.One(Score<Term>(query, RowAt(rows, stride_bytes, i), dim), i);
    }
  }

  template <class Term>
  static float Score(const Element* a, const Element* b, size_t dim) noexcept {
    Vec sum_f32xn;
    AddRows<Term, false>(std::make_index_sequence<1>(), a, &b, &b, dim, &sum_f32xn);
    return Isa::Sum(sum_f32xn);
  }

  static float Cosine(const Element* a, float a_inverse_norm, const Element* b,
                      float b_inverse_norm, size_t dim) noexcept {
    return CosinesOfDots<Isa>(a_inverse_norm, &b_inverse_norm)
        .One(Score<DotTerm<Isa>>(a, b, dim), 0);
  }

  template <class Term>
  static void SumRows(const Element* query, const Element* const* rows, size_t count, size_t dim,
                      float* out) noexcept {
    ScoreRows<Term>(query, rows, count, dim, Sums<Isa>(), out);
  }

  static void CosineRows(const Element* query, float query_inverse_norm, const Element* const* rows,
                         const float* row_inverse_norms, size_t count, size_t dim,
                         float* out) noexcept {
    const CosinesOfDots<Isa> finish(query_inverse_norm, row_inverse_norms);
    ScoreRows<DotTerm<Isa>>(query, rows, count, dim, finish, out);
  }

  template <class Term>
  static void SumBlock(const Element* query, const Element* rows, size_t stride_bytes, size_t count,
                       size_t dim, float* out) noexcept {
    ScoreBlock<Term>(query, rows, stride_bytes, count, dim, Sums<Isa>(), out);
  }

  static void CosineBlock(const Element* query, float query_inverse_norm, const Element* rows,
                          const float* row_inverse_norms, size_t stride_bytes, size_t count,
                          size_t dim, float* out) noexcept {
    const CosinesOfDots<Isa> finish(query_inverse_norm, row_inverse_norms);
    ScoreBlock<DotTerm<Isa>>(query, rows, stride_bytes, count, dim, finish, out);
  }

  static constexpr FloatKernels<Element> kTable = {
      .l2 = Score<L2Term<Isa>>,
      .dot = Score<DotTerm<Isa>>,
      .cosine = Cosine,
      .l2_rows = SumRows<L2Term<Isa>>,
      .dot_rows = SumRows<DotTerm<Isa>>,
      .cosine_rows = CosineRows,
      .l2_block = SumBlock<L2Term<Isa>>,
      .dot_block = SumBlock<DotTerm<Isa>>,
      .cosine_block = CosineBlock,
  };
};

}  // namespace
}  // namespace vitrine
