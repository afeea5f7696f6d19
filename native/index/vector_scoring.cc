#include "index/vector_scoring.h"

#include <cfloat>

namespace vitrine {
namespace {

// The largest distance under cosine.
constexpr float kOpposite = 2;

// Calls call(rows, next, i) for each four rows, as rows4 kernels take them. The addresses are read
// as pointers of another type, by kernels that no compiler sees together with this: copying them to
// an array of that type costs a tenth of the time where rows are short.
template <typename Element, typename Call>
void ForEachFour(const ScoredRows& scored, Call call) {
  const auto* const rows = reinterpret_cast<const Element* const*>(scored.refs);  // NOLINT
  for (size_t i = 0; i < scored.count; i += 4) {
    call(rows + i, rows + (i + 4 < scored.count ? i + 4 : i), i);
  }
}

struct FourFactors {
  FourFactors(const ScoredRows& rows, size_t from) {
    for (size_t j = from; j < from + 4 && j < rows.count; ++j) {
      of[j - from] = (*rows.factors)[rows.slots[j]];
    }
  }
  float of[4] = {};
};

// NaN (from inf - inf or 0 * inf) and +inf become the largest distance, -inf becomes -FLT_MAX.
void Clamp(float* distances, size_t count, float largest) {
  for (size_t i = 0; i < count; ++i) {
    const float distance = distances[i] < largest ? distances[i] : largest;
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
    const auto kernel = FloatKernelsOf<Element>(scoring).l2_rows4;
    ForEachFour<Element>(rows, [&](const auto* four, const auto* next, size_t i) {
      kernel(Query(query), four, next, scoring.length, distances + i);
    });
    Clamp(distances, rows.count, FLT_MAX);
  }
  static void Ip(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    const auto kernel = FloatKernelsOf<Element>(scoring).dot_rows4;
    ForEachFour<Element>(rows, [&](const auto* four, const auto* next, size_t i) {
      kernel(Query(query), four, next, scoring.length, distances + i);
    });
    for (size_t i = 0; i < rows.count; ++i) distances[i] = -distances[i];
    Clamp(distances, rows.count, FLT_MAX);
  }
  static void Cosine(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                     float* distances) {
    const auto kernel = FloatKernelsOf<Element>(scoring).cosine_rows4;
    ForEachFour<Element>(rows, [&](const auto* four, const auto* next, size_t i) {
      kernel(Query(query), query.factor, four, next, FourFactors(rows, i).of, scoring.length,
             distances + i);
    });
    Clamp(distances, rows.count, kOpposite);
  }
};

// Sums of integers are exact, and their distances finite; what remains is rounded once.
struct UnsignedBytes {
  using Element = uint8_t;
  using Dot = uint32_t;
  static constexpr auto kL2 = &CodeKernels::l2_u8_rows4;
  static constexpr auto kDot = &CodeKernels::dot_u8_rows4;
};
struct SignedBytes {
  using Element = int8_t;
  using Dot = int32_t;
  static constexpr auto kL2 = &CodeKernels::l2_i8_rows4;
  static constexpr auto kDot = &CodeKernels::dot_i8_rows4;
};
struct DifferentBits {
  using Element = uint8_t;
  using Dot = uint32_t;
  static constexpr auto kL2 = &CodeKernels::hamming_rows4;
  static constexpr auto kDot = &CodeKernels::intersection_rows4;
};

template <typename Type>
struct Integers {
  using Element = typename Type::Element;
  template <typename Sum, typename Kernel, typename Finish>
  static void Score(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                    Kernel kernel, Finish finish) {
    const auto* const vector = reinterpret_cast<const Element*>(query.vector);  // NOLINT
    const auto call = scoring.integers->*kernel;
    ForEachFour<Element>(rows, [&](const auto* four, const auto* next, size_t i) {
      Sum sums[4];
      call(vector, four, next, scoring.length, sums);
      finish(sums, i);
    });
  }
  static void L2(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    Score<uint32_t>(scoring, query, rows, Type::kL2, [&](const uint32_t* sums, size_t i) {
      for (size_t j = 0; j < 4; ++j) distances[i + j] = static_cast<float>(sums[j]);
    });
  }
  static void Ip(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                 float* distances) {
    using Dot = typename Type::Dot;
    Score<Dot>(scoring, query, rows, Type::kDot, [&](const Dot* dots, size_t i) {
      for (size_t j = 0; j < 4; ++j) distances[i + j] = -static_cast<float>(dots[j]);
    });
  }
  static void Cosine(const VectorScoring& scoring, const ScoredQuery& query, const ScoredRows& rows,
                     float* distances) {
    using Dot = typename Type::Dot;
    Score<Dot>(scoring, query, rows, Type::kDot, [&](const Dot* dots, size_t i) {
      const FourFactors inverse_norms(rows, i);
      for (size_t j = 0; j < 4; ++j) {
        // Zero vectors, whose inverse norm is 0, are 1 from everything.
        const float cosine = static_cast<float>(dots[j]) * query.factor * inverse_norms.of[j];
        const float distance = 1 - cosine;
        distances[i + j] = distance < 0 ? 0 : distance > kOpposite ? kOpposite : distance;
      }
    });
  }
  static void Jaccard(const VectorScoring& scoring, const ScoredQuery& query,
                      const ScoredRows& rows, float* distances) {
    Score<uint32_t>(scoring, query, rows, Type::kDot, [&](const uint32_t* both, size_t i) {
      const FourFactors set(rows, i);
      for (size_t j = 0; j < 4; ++j) {
        // Counts are exact in f32.
        const float common = static_cast<float>(both[j]);
        const float either = query.factor + set.of[j] - common;
        distances[i + j] = either > 0 ? (either - common) / either : 0;
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
