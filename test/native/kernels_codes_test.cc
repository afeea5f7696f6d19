// Every set of kernels on codes that this processor runs, bit for bit against the scalar one, and
// the scalar one against sums in 64 bits.

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <utility>

#include "kernels/code_kernels.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/isa.h"
#include "kernels_support.h"
#include "random_data.h"

namespace vitrine::kernels_codes_test {
namespace {

constexpr size_t kDigitDim = 1152;  // the multiple of 64 above kMaxDim
constexpr size_t kLargestDim = 65536;

class KernelsCodes : public testing::TestWithParam<const CodeKernelTable*> {
 protected:
  const CodeKernels& codes() const { return GetParam()->codes; }
};
VITRINE_FOR_EACH_CODE_SET(KernelsCodes);

// Random bytes; those of sort 1 and 2 are at one end of their range or the other, 3 all at one end.
std::vector<uint8_t> RandomBytes(size_t count, uint32_t seed, int sort = 0) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) {
    const uint32_t bits = random();
    const uint8_t unsigned_end = (bits & 1) != 0 ? 255 : 0,
                  signed_end = (bits & 1) != 0 ? 128 : 127;
    byte = sort == 0   ? static_cast<uint8_t>(bits >> 8)
           : sort == 1 ? unsigned_end
           : sort == 2 ? signed_end
                       : static_cast<uint8_t>(seed % 2 == 0 ? 255 : 128);
  }
  return bytes;
}
constexpr int kSorts = 4;

const int8_t* Signed(const uint8_t* bytes) { return reinterpret_cast<const int8_t*>(bytes); }

// What one set of kernels says of five rows: the first scored alone, then four together.
struct Scores {
  std::vector<uint32_t> unsigned_scores;
  std::vector<int32_t> signed_scores;
  bool operator==(const Scores&) const = default;
};

constexpr uint32_t kUnsignedMark = 0xdeadbeef;
constexpr int32_t kSignedMark = -559038737;

// All kernels but those on digits. Marks behind the results show that nothing else is written.
Scores ScoresOf(const CodeKernels& codes, const uint8_t* query, const uint8_t* const* rows,
                size_t dim) {
  const int8_t* const signed_rows[] = {Signed(rows[0]), Signed(rows[1]), Signed(rows[2]),
                                       Signed(rows[3])};
  Scores s{std::vector<uint32_t>(30, kUnsignedMark), std::vector<int32_t>(12, kSignedMark)};
  s.unsigned_scores[0] = codes.l2_u8(query, rows[0], dim);
  codes.l2_u8_rows(query, rows, 4, dim, &s.unsigned_scores[1]);
  s.unsigned_scores[6] = codes.dot_u8(query, rows[0], dim);
  codes.dot_u8_rows(query, rows, 4, dim, &s.unsigned_scores[7]);
  s.unsigned_scores[12] = codes.hamming(query, rows[0], dim);
  codes.hamming_rows(query, rows, 4, dim, &s.unsigned_scores[13]);
  s.unsigned_scores[18] = codes.intersection(query, rows[0], dim);
  codes.intersection_rows(query, rows, 4, dim, &s.unsigned_scores[19]);
  s.unsigned_scores[24] = codes.l2_i8(Signed(query), signed_rows[0], dim);
  codes.l2_i8_rows(Signed(query), signed_rows, 4, dim, &s.unsigned_scores[25]);
  s.signed_scores[0] = codes.dot_i8(Signed(query), signed_rows[0], dim);
  codes.dot_i8_rows(Signed(query), signed_rows, 4, dim, &s.signed_scores[1]);
  s.signed_scores[6] = codes.dot_i8_u8(Signed(query), rows[0], dim);
  codes.dot_i8_u8_rows(Signed(query), rows, 4, dim, &s.signed_scores[7]);
  return s;
}

Scores DigitScoresOf(const CodeKernels& codes, const uint8_t* query, const uint8_t* const* rows,
                     size_t dim) {
  Scores s{{}, std::vector<int32_t>(6, kSignedMark)};
  s.signed_scores[0] = codes.dot_i8_u4(Signed(query), rows[0], dim);
  codes.dot_i8_u4_rows(Signed(query), rows, 4, dim, &s.signed_scores[1]);
  return s;
}

// Digit i of a row in the layout of code_kernels.h.
int DigitAt(const uint8_t* row, size_t dim, size_t i) {
  const size_t block = i / 128, within = i % 128;
  const size_t bytes = dim - block * 128 < 128 ? 32 : 64;
  const int byte = row[block * 64 + within % bytes];
  return within < bytes ? byte & 15 : byte >> 4;
}

// Formulas and factors of all sizes: what is not finite is bounded, and nothing else is changed.
TEST_P(KernelsCodes, EstimatesAreTheSameBits) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  const float special[] = {0, -0.f, 1, -1, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN, 1e-40f};
  const auto any = [&] {
    const float normal = std::normal_distribution<float>()(random);
    return random() % 8 == 0 ? special[random() % std::size(special)] : normal;
  };
  for (size_t count = 0; count <= 70; ++count) {
    std::vector<int32_t> dots(count);
    std::vector<CodeFactors> factors(count);
    for (int32_t& dot : dots) dot = static_cast<int32_t>(random()) >> (random() % 31);
    for (CodeFactors& factor : factors) factor = {any(), any()};
    const CodeFormula formula{.scale = any(),
                              .shift = any() * 1000,
                              .share = any(),
                              .base = any(),
                              .largest = count % 2 == 0 ? FLT_MAX : 1};
    constexpr float kMark = 12345;
    std::vector<float> ours(count + 1, kMark), expected(count + 1, kMark);
    codes().estimate(dots.data(), factors.data(), count, formula, ours.data());
    ScalarCodes().estimate(dots.data(), factors.data(), count, formula, expected.data());
    for (size_t i = 0; i <= count; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(ours[i]), std::bit_cast<uint32_t>(expected[i])) << i;
      ASSERT_TRUE(std::isfinite(ours[i]));
    }
    ASSERT_EQ(ours[count], kMark);
  }
}

TEST_P(KernelsCodes, ReadsWhatDigitsCarry) {
  for (size_t bytes = 64; bytes <= 256; bytes += 64) {
    for (size_t count = 0; count <= 9; ++count) {
      const auto digits = RandomBytes(count * bytes, static_cast<uint32_t>(bytes + count));
      std::vector<const uint8_t*> rows;
      for (size_t i = 0; i < count; ++i) rows.push_back(digits.data() + i * bytes);
      std::vector<uint32_t> numbers(count + 1, kUnsignedMark);
      codes().carried(rows.data(), count, bytes, numbers.data());
      for (size_t row = 0; row < count; ++row) {
        for (size_t bit = 0; bit < 32; ++bit) {
          int sum = 0;
          for (size_t i = bit; bit < kCarriedBits && i < 2 * bytes; i += 32) {
            sum += DigitAt(rows[row], 2 * bytes, i);
          }
          ASSERT_EQ(numbers[row] >> bit & 1, static_cast<uint32_t>(sum % 2)) << bit;
        }
      }
      ASSERT_EQ(numbers[count], kUnsignedMark);
    }
  }
}

TEST_P(KernelsCodes, EstimatesByCarriedLengthsAreTheSameBits) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  for (size_t count = 0; count <= 70; ++count) {
    std::vector<int32_t> dots(count);
    std::vector<uint32_t> lengths(count);
    for (int32_t& dot : dots) dot = static_cast<int32_t>(random()) >> (random() % 31);
    // Of all sizes, infinite and not a number among them.
    for (uint32_t& length : lengths) length = random() % (1u << kCarriedBits);
    const CodeFormula formula{.scale = 0.01f, .shift = 70, .share = 1, .base = 5, .largest = 1};
    std::vector<float> ours(count + 1, 12345), expected(count + 1, 12345);
    codes().estimate_carried(dots.data(), lengths.data(), count, 0.05f, formula, ours.data());
    std::vector<CodeFactors> factors;
    for (const uint32_t bits : lengths) {
      const float length = std::bit_cast<float>(bits << 7);
      factors.push_back({length * length, -0.05f * length});
    }
    ScalarCodes().estimate(dots.data(), factors.data(), count, formula, expected.data());
    for (size_t i = 0; i <= count; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(ours[i]), std::bit_cast<uint32_t>(expected[i])) << i;
    }
  }
}

TEST_P(KernelsCodes, EqualsScalarInEveryDimension) {
  for (int sort = 0; sort < kSorts; ++sort) {
    const auto query = RandomBytes(kMaxDim, static_cast<uint32_t>(sort), sort);
    const auto bytes = RandomBytes(4 * kMaxDim, static_cast<uint32_t>(sort + 10), sort);
    for (size_t dim = 1; dim <= kMaxDim; ++dim) {
      const uint8_t* const rows[] = {bytes.data(), bytes.data() + dim, bytes.data() + 2 * dim,
                                     bytes.data() + 3 * dim};
      ASSERT_EQ(ScoresOf(codes(), query.data(), rows, dim),
                ScoresOf(ScalarCodes(), query.data(), rows, dim))
          << "dim " << dim << " sort " << sort;
    }
  }
}

TEST_P(KernelsCodes, EqualsScalarOnDigitsInEveryDimension) {
  for (int sort = 0; sort < kSorts; ++sort) {
    const auto query = RandomBytes(kDigitDim, static_cast<uint32_t>(sort), sort);
    const auto bytes = RandomBytes(2 * kDigitDim, static_cast<uint32_t>(sort + 20), sort % 2);
    for (size_t dim = 64; dim <= kDigitDim; dim += 64) {
      const uint8_t* const rows[] = {bytes.data(), bytes.data() + dim / 2, bytes.data() + dim,
                                     bytes.data() + dim + dim / 2};
      ASSERT_EQ(DigitScoresOf(codes(), query.data(), rows, dim),
                DigitScoresOf(ScalarCodes(), query.data(), rows, dim))
          << "dim " << dim << " sort " << sort;
    }
  }
}

// Sums of floats in one order: not only nearly the same.
TEST_P(KernelsCodes, ProjectsToTheSameBits) {
  for (const size_t dim : {1u, 2u, 63u, 64u, 100u, 784u, 1100u}) {
    const auto v = NormalVectors(1, dim + 1, dim),
               axes = NormalVectors(kProjected, dim + 1, dim + 1);
    // At any alignment.
    for (const size_t offset : {0u, 1u}) {
      std::vector<float> ours(kProjected + 1, 12345), expected(kProjected + 1, 12345);
      codes().project(v.data() + offset, axes.data() + offset, dim, ours.data());
      ScalarCodes().project(v.data() + offset, axes.data() + offset, dim, expected.data());
      ASSERT_EQ(ours, expected) << dim;
      double sum = 0;
      for (size_t i = 0; i < dim; ++i) {
        sum += double{v[offset + i]} * axes[offset + i * kProjected + 5];
      }
      ASSERT_NEAR(ours[5], sum, 1e-4 * std::sqrt(static_cast<double>(dim)));
    }
  }
}

TEST_P(KernelsCodes, DoesNotDependOnAlignment) {
  const auto query = RandomBytes(kMaxDim + 64, 1), bytes = RandomBytes(4 * kMaxDim + 64, 2);
  for (const size_t dim : {1, 31, 64, 65, 100, 127, 128, 192, 784, 832}) {
    for (size_t offset = 0; offset < 64; ++offset) {
      const uint8_t* const moved_query = query.data() + offset * 7 % 64;
      // Rows at four alignments, and one of them twice.
      const uint8_t* const first = bytes.data() + offset;
      const uint8_t* const rows[] = {first, first + dim + 1, first + 2 * dim + 5, first};
      ASSERT_EQ(ScoresOf(codes(), moved_query, rows, dim),
                ScoresOf(ScalarCodes(), moved_query, rows, dim))
          << "dim " << dim << " offset " << offset;
      if (dim % 64 != 0) continue;
      ASSERT_EQ(DigitScoresOf(codes(), moved_query, rows, dim),
                DigitScoresOf(ScalarCodes(), moved_query, rows, dim))
          << "dim " << dim << " offset " << offset;
    }
  }
}

TEST_P(KernelsCodes, IsExactForExtremesOfTheLargestDimension) {
  const std::vector<uint8_t> zeros(kLargestDim, 0), ones(kLargestDim, 255),
      lowest(kLargestDim, 128), highest(kLargestDim, 127);
  const auto all = [](const uint8_t* row) { return std::vector<const uint8_t*>(4, row); };
  const auto n = int64_t{kLargestDim};
  const Scores far = ScoresOf(codes(), zeros.data(), all(ones.data()).data(), kLargestDim);
  EXPECT_EQ(far.unsigned_scores[0], n * 255 * 255);
  EXPECT_EQ(far.unsigned_scores[4], n * 255 * 255);
  EXPECT_EQ(far.unsigned_scores[12], n * 8);
  EXPECT_EQ(far.unsigned_scores[16], n * 8);
  EXPECT_EQ(far.unsigned_scores[18], 0u);
  const Scores same = ScoresOf(codes(), ones.data(), all(ones.data()).data(), kLargestDim);
  EXPECT_EQ(same.unsigned_scores[0], 0u);
  EXPECT_EQ(same.unsigned_scores[6], n * 255 * 255);
  EXPECT_EQ(same.unsigned_scores[10], n * 255 * 255);
  EXPECT_EQ(same.unsigned_scores[12], 0u);
  EXPECT_EQ(same.unsigned_scores[18], n * 8);
  EXPECT_EQ(same.unsigned_scores[22], n * 8);
  const Scores low = ScoresOf(codes(), lowest.data(), all(lowest.data()).data(), kLargestDim);
  EXPECT_EQ(low.signed_scores[0], n * 128 * 128);
  EXPECT_EQ(low.signed_scores[4], n * 128 * 128);
  const Scores apart = ScoresOf(codes(), lowest.data(), all(highest.data()).data(), kLargestDim);
  EXPECT_EQ(apart.unsigned_scores[24], n * 255 * 255);
  EXPECT_EQ(apart.unsigned_scores[28], n * 255 * 255);
  for (const auto* query : {&lowest, &highest}) {
    const int64_t component = query == &lowest ? -128 : 127;
    const Scores s = ScoresOf(codes(), query->data(), all(ones.data()).data(), kLargestDim);
    EXPECT_EQ(s.signed_scores[6], n * 255 * component);
    EXPECT_EQ(s.signed_scores[10], n * 255 * component);
    const Scores digits =
        DigitScoresOf(codes(), query->data(), all(ones.data()).data(), kLargestDim);
    EXPECT_EQ(digits.signed_scores[0], n * 15 * component);
    EXPECT_EQ(digits.signed_scores[4], n * 15 * component);
  }
}

TEST_P(KernelsCodes, ReadsNothingOutside) {
  const auto bytes = RandomBytes(kMaxDim, 3);
  GuardedFloats query_floats(kMaxDim / 4),
      row_floats[4] = {GuardedFloats(kMaxDim / 4), GuardedFloats(kMaxDim / 4),
                       GuardedFloats(kMaxDim / 4), GuardedFloats(kMaxDim / 4)};
  // Of each guarded page, its end or its start.
  const auto placed = [&](GuardedFloats& where, size_t count, bool back) {
    auto* const end = reinterpret_cast<uint8_t*>(where.Back(0));
    auto* const place = back ? end - count : reinterpret_cast<uint8_t*>(where.Front());
    std::memcpy(place, bytes.data(), count);
    return place;
  };
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    for (const bool back : {true, false}) {
      const uint8_t* const query = placed(query_floats, dim, back);
      const uint8_t* rows[4];
      for (size_t r = 0; r < 4; ++r) rows[r] = placed(row_floats[r], dim, back);
      ASSERT_EQ(ScoresOf(codes(), query, rows, dim).unsigned_scores[0], 0u);
      if (dim % 64 != 0) continue;
      for (size_t r = 0; r < 4; ++r) rows[r] = placed(row_floats[r], dim / 2, back);
      ASSERT_EQ(DigitScoresOf(codes(), query, rows, dim),
                DigitScoresOf(ScalarCodes(), query, rows, dim));
    }
  }
}

TEST_P(KernelsCodes, TransformsLikeScalarInEverySize) {
  for (size_t n = 64; n <= kLargestDim; n *= 2) {
    for (size_t offset = 0; offset < 3; ++offset) {
      auto floats = NormalFloats(n + offset, static_cast<uint32_t>(n));
      const auto factors = NormalFloats(n + offset, static_cast<uint32_t>(n + 1));
      auto reference = floats;
      codes().hadamard(floats.data() + offset, factors.data() + offset, n);
      ScalarCodes().hadamard(reference.data() + offset, factors.data() + offset, n);
      ASSERT_EQ(std::memcmp(floats.data(), reference.data(), floats.size() * sizeof(float)), 0)
          << "size " << n << " offset " << offset;
    }
  }
}

TEST_P(KernelsCodes, TransformsNothingOutside) {
  for (size_t n = 64; n <= 4096; n *= 2) {
    GuardedFloats guarded(n), guarded_factors(n);
    for (const bool back : {true, false}) {
      float* const v = back ? guarded.Back(n) : guarded.Front();
      float* const factors = back ? guarded_factors.Back(n) : guarded_factors.Front();
      std::fill(v, v + n, 1.0f);
      std::fill(factors, factors + n, 3.0f);
      codes().hadamard(v, factors, n);
      ASSERT_EQ(v[0], static_cast<float>(3 * n));
      ASSERT_EQ(std::count(v, v + n, 0.0f), static_cast<std::ptrdiff_t>(n - 1));
    }
  }
}

// The reference itself, from the definitions.
TEST(ScalarCodes, SumExactly) {
  const auto query = RandomBytes(kMaxDim, 5), bytes = RandomBytes(kMaxDim, 6);
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    int64_t l2 = 0, dot_u8 = 0, dot_i8 = 0, dot_i8_u8 = 0, digits = 0;
    int64_t hamming = 0, intersection = 0;
    for (size_t i = 0; i < dim; ++i) {
      const int64_t a = query[i], b = bytes[i];
      const int64_t signed_a = a < 128 ? a : a - 256, signed_b = b < 128 ? b : b - 256;
      l2 += (a - b) * (a - b);
      dot_u8 += a * b;
      hamming += std::popcount(static_cast<uint64_t>(a ^ b));
      intersection += std::popcount(static_cast<uint64_t>(a & b));
      dot_i8 += signed_a * signed_b;
      dot_i8_u8 += signed_a * b;
      if (dim % 64 == 0) digits += signed_a * DigitAt(bytes.data(), dim, i);
    }
    ASSERT_EQ(ScalarCodes().l2_u8(query.data(), bytes.data(), dim), l2);
    ASSERT_EQ(ScalarCodes().dot_u8(query.data(), bytes.data(), dim), dot_u8);
    ASSERT_EQ(ScalarCodes().hamming(query.data(), bytes.data(), dim), hamming);
    ASSERT_EQ(ScalarCodes().intersection(query.data(), bytes.data(), dim), intersection);
    ASSERT_EQ(ScalarCodes().dot_i8(Signed(query.data()), Signed(bytes.data()), dim), dot_i8);
    ASSERT_EQ(ScalarCodes().dot_i8_u8(Signed(query.data()), bytes.data(), dim), dot_i8_u8);
    if (dim % 64 == 0) {
      ASSERT_EQ(ScalarCodes().dot_i8_u4(Signed(query.data()), bytes.data(), dim), digits);
    }
  }
}

// Entry (i, j) of a Hadamard matrix is -1 to the number of bits that i and j share.
TEST(ScalarCodes, MultiplyByTheHadamardMatrix) {
  constexpr size_t kN = 128;
  for (size_t j = 0; j < kN; ++j) {
    std::vector<float> v(kN), factors(kN, 1);
    v[j] = 3;
    factors[j] = -2;
    ScalarCodes().hadamard(v.data(), factors.data(), kN);
    for (size_t i = 0; i < kN; ++i) ASSERT_EQ(v[i], std::popcount(i & j) % 2 == 0 ? -6 : 6);
  }
}

TEST(CodeKernelTables, ListsTheSetsOfThisArchitectureBestFirst) {
  std::vector<std::string> names;
  for (const CodeKernelTable* table : CodeKernelTables()) names.push_back(table->name);
#if defined(VITRINE_X86_64)
  EXPECT_EQ(names, (std::vector<std::string>{"avx512-vpopcntdq", "avx512-vnni", "avx512", "avx2",
                                             "scalar"}));
#elif defined(VITRINE_HAS_DOTPROD)
  EXPECT_EQ(names, (std::vector<std::string>{"neon-dotprod", "neon", "scalar"}));
#elif defined(VITRINE_ARM64)
  EXPECT_EQ(names, (std::vector<std::string>{"neon", "scalar"}));
#else
  EXPECT_EQ(names, (std::vector<std::string>{"scalar"}));
#endif
}

TEST(CodeKernelTables, GivesEverySetAllKernels) {
  std::set<std::string> names;
  for (const CodeKernelTable* table : CodeKernelTables()) {
    EXPECT_TRUE(names.insert(table->name).second) << table->name;
    const CodeKernels& codes = table->codes;
    EXPECT_TRUE(codes.l2_u8 && codes.l2_u8_rows && codes.dot_u8 && codes.dot_u8_rows);
    EXPECT_TRUE(codes.dot_i8 && codes.dot_i8_rows && codes.dot_i8_u8 && codes.dot_i8_u8_rows);
    EXPECT_TRUE(codes.dot_i8_u4 && codes.dot_i8_u4_rows && codes.estimate && codes.hadamard);
    EXPECT_TRUE(codes.hamming && codes.hamming_rows && codes.project && codes.carried);
    EXPECT_TRUE(codes.intersection && codes.intersection_rows);
    EXPECT_TRUE(codes.squared_norm && codes.centre && codes.largest && codes.quantize);
    EXPECT_TRUE(codes.to_bytes && codes.estimate_carried);
  }
}

TEST(SelectCodeKernels, FollowsTheSetThatWasSelectedForFloats) {
  for (const KernelTable* table : SupportedKernels()) {
    const CodeKernelTable& selected = SelectCodeKernels(table->set);
    EXPECT_EQ(selected.set, table->set) << table->name;
    EXPECT_TRUE(selected.supported()) << table->name;
  }
}

// Processors that this machine is not.
TEST(SelectCodeKernels, FallsBackWhereTheProcessorLacksDotProducts) {
  const auto yes = []() noexcept { return true; };
  const auto no = []() noexcept { return false; };
  const CodeKernelTable lacking{InstructionSet::kAvx512, "lacking", no, {}};
  const CodeKernelTable wide{InstructionSet::kAvx512, "wide", yes, {}};
  const CodeKernelTable narrow{InstructionSet::kAvx2, "narrow", yes, {}};
  const CodeKernelTable scalar{InstructionSet::kScalar, "scalar", yes, {}};
  const CodeKernelTable* const tables[] = {&lacking, &wide, &narrow, &scalar};
  EXPECT_EQ(&SelectCodeKernelsFrom(tables, InstructionSet::kAvx512), &wide);
  EXPECT_EQ(&SelectCodeKernelsFrom(tables, InstructionSet::kAvx2), &narrow);
  EXPECT_EQ(&SelectCodeKernelsFrom(tables, InstructionSet::kScalar), &scalar);
  EXPECT_EQ(&SelectCodeKernelsFrom(tables, InstructionSet::kNeon), &scalar);
}

#if defined(VITRINE_X86_64) && defined(__GNUC__)
TEST(CpuFeatures, AgreeWithTheCompilersRuntimeOnLaterExtensions) {
  __builtin_cpu_init();
  EXPECT_EQ(Avx512VnniSupported(), Avx512Supported() && __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(Avx512VpopcntdqSupported(),
            Avx512VnniSupported() && __builtin_cpu_supports("avx512vpopcntdq") != 0);
}
#endif

}  // namespace
}  // namespace vitrine::kernels_codes_test
