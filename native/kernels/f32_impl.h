// The nine forms of each type of floats for any vector instruction set: avx2.cc, avx512.cc and
// neon.cc include this file inside their target region and instantiate FloatForms with their `Isa`,
// so that every form of one set runs the same additions in the same order (kernels.h). Everything
// here is of internal linkage; the .cc includes <utility> and isa.h before its region, because
// nothing may be included inside one.
//
// An `Isa` provides, for a vector type Vec of kLanes floats (xN in names):
//   Vec Zero();  Vec Add(Vec, Vec);  Vec Sub(Vec, Vec)
//   Vec MultiplyAdd(Vec x, Vec y, Vec sum)    x * y + sum, rounded once
//   Vec Load(const Element* p)                any alignment; float, Half and BFloat16
//   Vec LoadFirst(const Element* p, size_t n) 0 < n < kLanes, then zeros; reads no further
//   float Sum(Vec)                            pairwise, the upper half to the lower one each time
//   void Sum4(Vec a, Vec b, Vec c, Vec d, float* out)   the same of each, bit for bit
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

// Not `<=` and `>=`: a NaN falls through both comparisons and stays.
VITRINE_ALWAYS_INLINE float CosineOfDot(float dot, float query_inverse_norm,
                                        float row_inverse_norm) {
  if (query_inverse_norm == 0 || row_inverse_norm == 0) return 1;
  const float distance = 1 - (dot * query_inverse_norm) * row_inverse_norm;
  return distance < 0 ? 0 : distance > 2 ? 2 : distance;
}

template <class Element>
VITRINE_ALWAYS_INLINE const Element* RowAt(const Element* rows, size_t stride_bytes, size_t i) {
  return reinterpret_cast<const Element*>(reinterpret_cast<const char*>(rows) + stride_bytes * i);
}

template <class Isa, class Element>
struct FloatForms {
  using Vec = typename Isa::Vec;
  static constexpr size_t kLanes = Isa::kLanes;

  // Scores one row for each index `r`. Element i goes to lane i mod kLanes of even_f32xn or
  // odd_f32xn, by i / kLanes. Folds and not loops over the rows: compilers keep an array in
  // registers only if every index into it is a constant from the start.
  template <class Term, bool kFetch, size_t... r>
  static VITRINE_ALWAYS_INLINE void ScoreRows(std::index_sequence<r...>, const Element* query,
                                              const Element* const* rows_in_memory,
                                              const Element* const* next_in_memory, size_t dim,
                                              float* out) {
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
    if constexpr (sizeof...(r) == 4) {
      Isa::Sum4(Isa::Add(even_f32xn[r], odd_f32xn[r])..., out);
    } else {
      ((out[r] = Isa::Sum(Isa::Add(even_f32xn[r], odd_f32xn[r]))), ...);
    }
  }

  // The lines under the 2 * kLanes elements from `from` on.
  static VITRINE_ALWAYS_INLINE void Fetch(const Element* from) {
    Prefetch(from);
    if constexpr (2 * kLanes * sizeof(Element) > kCacheLineBytes) Prefetch(from + kLanes);
  }

  template <class Term>
  static float Score(const Element* a, const Element* b, size_t dim) noexcept {
    float out;
    ScoreRows<Term, false>(std::make_index_sequence<1>(), a, &b, &b, dim, &out);
    return out;
  }

  template <class Term>
  static void ScoreRows4(const Element* query, const Element* const* rows,
                         const Element* const* next, size_t dim, float* out) noexcept {
    ScoreRows<Term, true>(std::make_index_sequence<4>(), query, rows, next, dim, out);
  }

  template <class Term>
  static void ScoreBlock(const Element* query, const Element* rows, size_t stride_bytes,
                         size_t count, size_t dim, float* out) noexcept {
    size_t i = 0;
    for (; count - i >= 4; i += 4) {
      const Element* const four[] = {RowAt(rows, stride_bytes, i), RowAt(rows, stride_bytes, i + 1),
                                     RowAt(rows, stride_bytes, i + 2),
                                     RowAt(rows, stride_bytes, i + 3)};
      ScoreRows<Term, false>(std::make_index_sequence<4>(), query, four, four, dim, out + i);
    }
    for (; i < count; ++i) {
      const Element* const one = RowAt(rows, stride_bytes, i);
      ScoreRows<Term, false>(std::make_index_sequence<1>(), query, &one, &one, dim, out + i);
    }
  }

  static float Cosine(const Element* a, float a_inverse_norm, const Element* b,
                      float b_inverse_norm, size_t dim) noexcept {
    return CosineOfDot(Score<DotTerm<Isa>>(a, b, dim), a_inverse_norm, b_inverse_norm);
  }

  static void CosineRows4(const Element* query, float query_inverse_norm,
                          const Element* const* rows, const Element* const* next,
                          const float* row_inverse_norms, size_t dim, float* out) noexcept {
    ScoreRows4<DotTerm<Isa>>(query, rows, next, dim, out);
    for (size_t r = 0; r < 4; ++r) {
      out[r] = CosineOfDot(out[r], query_inverse_norm, row_inverse_norms[r]);
    }
  }

  static void CosineBlock(const Element* query, float query_inverse_norm, const Element* rows,
                          const float* row_inverse_norms, size_t stride_bytes, size_t count,
                          size_t dim, float* out) noexcept {
    ScoreBlock<DotTerm<Isa>>(query, rows, stride_bytes, count, dim, out);
    for (size_t i = 0; i < count; ++i) {
      out[i] = CosineOfDot(out[i], query_inverse_norm, row_inverse_norms[i]);
    }
  }

  static constexpr FloatKernels<Element> kTable = {
      .l2 = Score<L2Term<Isa>>,
      .dot = Score<DotTerm<Isa>>,
      .cosine = Cosine,
      .l2_rows4 = ScoreRows4<L2Term<Isa>>,
      .dot_rows4 = ScoreRows4<DotTerm<Isa>>,
      .cosine_rows4 = CosineRows4,
      .l2_block = ScoreBlock<L2Term<Isa>>,
      .dot_block = ScoreBlock<DotTerm<Isa>>,
      .cosine_block = CosineBlock,
  };
};

}  // namespace
}  // namespace vitrine
