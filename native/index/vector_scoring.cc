#include "index/vector_scoring.h"

#include <algorithm>
#include <cfloat>

namespace vitrine {
namespace {

// The largest distance under cosine.
constexpr float kOpposite = 2;

// Rows are scored so many at a time where something is kept of each meanwhile.
constexpr size_t kBlock = 64;

// The places of rows as pointers of another type, by which they are read by kernels that no
// compiler sees together with this: copying them to an array of that type costs a tenth of the time
// where rows are short.
template <typename Element>
const Element* const* PlacesOf(const ScoredRows& rows) {
  return reinterpret_cast<const Element* const*>(rows.refs);  // NOLINT
}

// Calls call(rows, count, i) for each block of rows, as kernels take them: `count` is a multiple of
// four, and row i the first.
template <typename Element, typename Call>
void ForEachBlock(const ScoredRows& scored, Call call) {
  const size_t padded = scored.padded();
  for (size_t i = 0; i < padded; i += kBlock) {
    call(PlacesOf<Element>(scored) + i, std::min(kBlock, padded - i), i);
  }
}

// The factors of a block of rows from row `from` on, and zeros up to a multiple of four.
class BlockFactors {
 public:
  BlockFactors(const ScoredRows& rows, size_t from) {
    if (rows.at_hand != nullptr) {
      of_ = rows.at_hand + from;
      return;
    }
    const size_t count = std::min(kBlock, rows.count - from);
    for (size_t i = 0; i < count; ++i) gathered_[i] = (*rows.factors)[rows.slots[from + i]];
    for (size_t i = count; i % 4 != 0; ++i) gathered_[i] = 0;
  }
  const float* of() const { return of_; }

 private:
  float gathered_[kBlock];
  const float* of_ = gathered_;
};

// NaN (from inf - inf or 0 * inf) and +inf become the largest distance, -inf becomes -FLT_MAX.
//   count  a multiple of 4
void Clamp(float* distances, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float distance = distances[i] < FLT_MAX ? distances[i] : FLT_MAX;
    distances[i] = distance < -FLT_MAX ? -FLT_MAX : distance;
  }
}

template <typename Element>
const FloatKernels<Element>& FloatKernelsOf(const VectorScoring& scoring);
template <>
const FloatKernels<float>& FloatKernelsOf(const VectorScoring& scoring) {
  return scoring.floats->f32;
}
template <>
const FloatKernels<Half>& FloatKernelsOf(const VectorScoring& scoring) {
  return scoring.floats->f16;
}
template <>
const FloatKernels<BFloat16>& FloatKernelsOf(const VectorScoring& scoring) {
  return scoring.floats->bf16;
}

template <typename Element>
struct Floats {
  static const Element* Query(const ScoredQuery& query) {
    return reinterpret_cast<const Element*>(query.vector);  // NOLINT
  }
  static void L2(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    FloatKernelsOf<Element>(scoring).l2_rows(Query(query), PlacesOf<Element>(rows), rows.padded(),
                                             scoring.length, distances);
    Clamp(distances, rows.padded());
  }
  static void Ip(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    const size_t padded = rows.padded();
    FloatKernelsOf<Element>(scoring).dot_rows(Query(query), PlacesOf<Element>(rows), padded,
                                              scoring.length, distances);
    for (size_t i = 0; i < padded; ++i) distances[i] = -distances[i];
    Clamp(distances, padded);
  }
  static void Cosine(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                     float* distances) {
    const auto kernel = FloatKernelsOf<Element>(scoring).cosine_rows;
    ForEachBlock<Element>(rows, [&](const auto* places, size_t count, size_t from) {
      float* const out = distances + from;
      kernel(Query(query), query.factor, places, BlockFactors(rows, from).of(), count,
             scoring.length, out);
      // What is no number is as far as can be.
      for (size_t i = 0; i < count; ++i) out[i] = out[i] < kOpposite ? out[i] : kOpposite;
    });
  }
};

// Sums of integers are exact, and their distances finite; what remains is rounded once.
struct UnsignedBytes {
  using Element = uint8_t;
  using Dot = uint32_t;
  static constexpr auto kL2 = &CodeKernels::l2_u8_rows;
  static constexpr auto kDot = &CodeKernels::dot_u8_rows;
};
struct SignedBytes {
  using Element = int8_t;
  using Dot = int32_t;
  static constexpr auto kL2 = &CodeKernels::l2_i8_rows;
  static constexpr auto kDot = &CodeKernels::dot_i8_rows;
};
struct DifferentBits {
  using Element = uint8_t;
  using Dot = uint32_t;
  static constexpr auto kL2 = &CodeKernels::hamming_rows;
  static constexpr auto kDot = &CodeKernels::intersection_rows;
};

template <typename Type>
struct Integers {
  using Element = typename Type::Element;
  template <typename Sum, typename Kernel, typename Finish>
  static void Score(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                    Kernel kernel, Finish finish) {
    const auto* const vector = reinterpret_cast<const Element*>(query.vector);  // NOLINT
    const auto call = scoring.integers->*kernel;
    ForEachBlock<Element>(rows, [&](const auto* places, size_t count, size_t from) {
      Sum sums[kBlock];
      call(vector, places, count, scoring.length, sums);
      finish(sums, count, from);
    });
  }
  static void L2(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    Score<uint32_t>(scoring, query, rows, Type::kL2,
                    [&](const uint32_t* sums, size_t count, size_t from) {
                      for (size_t i = 0; i < count; ++i)
                        distances[from + i] = static_cast<float>(sums[i]);
                    });
  }
  static void Ip(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    using Dot = typename Type::Dot;
    Score<Dot>(scoring, query, rows, Type::kDot, [&](const Dot* dots, size_t count, size_t from) {
      for (size_t i = 0; i < count; ++i) distances[from + i] = -static_cast<float>(dots[i]);
    });
  }
  static void Cosine(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                     float* distances) {
    using Dot = typename Type::Dot;
    Score<Dot>(scoring, query, rows, Type::kDot, [&](const Dot* dots, size_t count, size_t from) {
      const BlockFactors inverse_norms(rows, from);
      for (size_t i = 0; i < count; ++i) {
        // Zero vectors, whose inverse norm is 0, are 1 from everything.
        const float cosine = static_cast<float>(dots[i]) * query.factor * inverse_norms.of()[i];
        const float distance = 1 - cosine;
        distances[from + i] = distance < 0 ? 0 : distance > kOpposite ? kOpposite : distance;
      }
    });
  }
  static void Jaccard(const VectorScoring& scoring, const ScoredQuery& query,
                      const ScoredRows& rows, float* distances) {
    Score<uint32_t>(scoring, query, rows, Type::kDot,
                    [&](const uint32_t* both, size_t count, size_t from) {
                      const BlockFactors set(rows, from);
                      for (size_t i = 0; i < count; ++i) {
                        // Counts are exact in f32.
                        const float common = static_cast<float>(both[i]);
                        const float either = query.factor + set.of()[i] - common;
                        distances[from + i] = either > 0 ? (either - common) / either : 0;
                      }
                    });
  }
};

template <typename Scores>
auto NumberScores(Metric metric) {
  return metric == Metric::kL2 ? Scores::L2 : metric == Metric::kIp ? Scores::Ip : Scores::Cosine;
}

auto ScoresOf(VectorType type, Metric metric) {
  switch (type) {
    case VectorType::kF16:
      return NumberScores<Floats<Half>>(metric);
    case VectorType::kBf16:
      return NumberScores<Floats<BFloat16>>(metric);
    case VectorType::kI8:
      return NumberScores<Integers<SignedBytes>>(metric);
    case VectorType::kU8:
      return NumberScores<Integers<UnsignedBytes>>(metric);
    case VectorType::kBits:
      return metric == Metric::kHamming ? Integers<DifferentBits>::L2
                                        : Integers<DifferentBits>::Jaccard;
    case VectorType::kF32:
      break;
  }
  return NumberScores<Floats<float>>(metric);
}

}  // namespace

VectorScoring ScoringOf(VectorType type, Metric metric, size_t dimension,
                        const KernelTable& kernels) {
  return {.floats = &kernels,
          .integers = &SelectCodeKernels(kernels.set).codes,
          .length = ElementsOf(type, dimension),
          .score = ScoresOf(type, metric)};
}

double SquaredNormOf(VectorType type, const VectorScoring& scoring, const std::byte* vector) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(vector);        // NOLINT
  const auto* const signed_bytes = reinterpret_cast<const int8_t*>(vector);  // NOLINT
  switch (type) {
    case VectorType::kF32:
      return scoring.integers->squared_norm(reinterpret_cast<const float*>(vector),  // NOLINT
                                            scoring.length);
    case VectorType::kI8:
      return scoring.integers->dot_i8(signed_bytes, signed_bytes, scoring.length);
    case VectorType::kU8:
      return scoring.integers->dot_u8(bytes, bytes, scoring.length);
    case VectorType::kBits:
      return scoring.integers->intersection(bytes, bytes, scoring.length);
    case VectorType::kF16:
    case VectorType::kBf16:
      break;
  }
  // By parts, because they do not last as f32.
  constexpr size_t kPart = 256;
  float floats[kPart];
  double sum = 0;
  for (size_t i = 0; i < scoring.length; i += kPart) {
    const size_t count = scoring.length - i < kPart ? scoring.length - i : kPart;
    ToFloats(type, vector + i * ElementBytes(type), count, floats);
    sum += scoring.integers->squared_norm(floats, count);
  }
  return sum;
}

}  // namespace vitrine
