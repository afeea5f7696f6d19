// Kernels on floats of 16 bits, bit for bit against the f32 kernels of the same set on the same
// numbers.

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels_support.h"

namespace vitrine::kernels_half_test {
namespace {

constexpr size_t kRows = 7;  // four at a time, then one at a time

// From the definition of binary16, without bits of f32.
float Widened(Half x) {
  const int exponent = x.bits >> 10 & 31, significand = x.bits & 1023;
  const float sign = (x.bits & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return significand != 0 ? std::numeric_limits<float>::quiet_NaN()
                            : sign * std::numeric_limits<float>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(significand), -24);
  return sign * std::ldexp(static_cast<float>(1024 + significand), exponent - 25);
}

float Widened(BFloat16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

template <class Element>
std::vector<float> Widened(const std::vector<Element>& elements) {
  std::vector<float> floats;
  floats.reserve(elements.size());
  for (const Element x : elements) floats.push_back(Widened(x));
  return floats;
}

// Finite numbers of all magnitudes, denormals included. Those of bf16 stay within 2^+-40, so that
// no sum overflows.
template <class Element>
std::vector<Element> RandomElements(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Element> elements(count);
  for (Element& x : elements) {
    const uint32_t bits = random();
    if constexpr (std::is_same_v<Element, Half>) {
      x.bits = static_cast<uint16_t>((bits & 0x83ff) | (bits >> 16) % 31 << 10);
    } else {
      x.bits = static_cast<uint16_t>((bits & 0x807f) | (87 + (bits >> 16) % 80) << 7);
    }
  }
  return elements;
}

template <class Element>
const FloatKernels<Element>& KernelsOf(const KernelTable& table) {
  if constexpr (std::is_same_v<Element, Half>) {
    return table.f16;
  } else if constexpr (std::is_same_v<Element, BFloat16>) {
    return table.bf16;
  } else {
    return table.f32;
  }
}

// What all forms of all metrics say, with marks that must stay behind the results.
template <class Element>
std::vector<uint32_t> AllForms(const FloatKernels<Element>& kernels, const Element* query,
                               const Element* rows, size_t stride, size_t dim) {
  constexpr float kMark = -12345;
  const Element* row[kRows];
  for (size_t i = 0; i < kRows; ++i) row[i] = rows + i * stride;
  const float inverse_norms[kRows] = {0.5f, 0, 1e-3f, 1, 0.25f, 2, 1e-5f};
  std::vector<float> out;
  for (size_t i = 0; i < kRows; ++i) {
    out.push_back(kernels.l2(query, row[i], dim));
    out.push_back(kernels.dot(query, row[i], dim));
    out.push_back(kernels.cosine(query, 1e-3f, row[i], inverse_norms[i], dim));
  }
  const auto add = [&](size_t count, const auto& call) {
    std::vector<float> results(count + 1, kMark);
    call(results.data());
    EXPECT_EQ(results.back(), kMark);
    out.insert(out.end(), results.begin(), results.end());
  };
  const size_t bytes = stride * sizeof(Element);
  add(4, [&](float* to) { kernels.l2_rows(query, row, 4, dim, to); });
  add(4, [&](float* to) { kernels.dot_rows(query, row, 4, dim, to); });
  add(4, [&](float* to) { kernels.cosine_rows(query, 1e-3f, row, inverse_norms, 4, dim, to); });
  add(kRows, [&](float* to) { kernels.l2_block(query, rows, bytes, kRows, dim, to); });
  add(kRows, [&](float* to) { kernels.dot_block(query, rows, bytes, kRows, dim, to); });
  add(kRows, [&](float* to) {
    kernels.cosine_block(query, 1e-3f, rows, inverse_norms, bytes, kRows, dim, to);
  });
  std::vector<uint32_t> bits(out.size());
  std::transform(out.begin(), out.end(), bits.begin(), Bits);
  return bits;
}

class KernelsHalf : public KernelsTest {
 protected:
  template <class Element>
  void ExpectThoseOfFloatsInEveryDimension() {
    const auto query = RandomElements<Element>(kMaxDim, 1);
    const auto rows = RandomElements<Element>(kRows * (kMaxDim + 17), 2);
    const auto wide_query = Widened(query), wide_rows = Widened(rows);
    const FloatKernels<Element>& kernels = KernelsOf<Element>(*GetParam());
    for (size_t dim = 1; dim <= kMaxDim; ++dim) {
      const size_t stride = dim + dim % 17;
      ASSERT_EQ(AllForms(kernels, query.data(), rows.data(), stride, dim),
                AllForms(f32(), wide_query.data(), wide_rows.data(), stride, dim))
          << "dim " << dim;
    }
  }

  template <class Element>
  void ExpectEveryNumberWidened() {
    // 1 * x + 0 * 1 and so on: each number alone, at every place of a vector.
    const FloatKernels<Element>& kernels = KernelsOf<Element>(*GetParam());
    const Element one = {static_cast<uint16_t>(std::is_same_v<Element, Half> ? 0x3c00 : 0x3f80)};
    ASSERT_EQ(Widened(one), 1);
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      const size_t dim = 1 + bits % 33, at = bits / 33 % dim;
      std::vector<Element> query(dim), row(dim);
      query[at] = one;
      row[at] = {static_cast<uint16_t>(bits)};
      const float dot = kernels.dot(query.data(), row.data(), dim);
      const float expected = Widened(row[at]) + 0.0f;  // -0 leaves a sum at +0
      ASSERT_EQ(Bits(dot), Bits(expected)) << bits;
    }
  }

  template <class Element>
  void ExpectNothingOutsideRead() {
    const FloatKernels<Element>& kernels = KernelsOf<Element>(*GetParam());
    const auto elements = RandomElements<Element>(kRows * kMaxDim, 3);
    GuardedFloats query_pages(kMaxDim), row_pages(kRows * kMaxDim);
    const auto placed = [&](GuardedFloats& where, size_t count, bool back) {
      auto* const end = reinterpret_cast<Element*>(where.Back(0));
      auto* const place = back ? end - count : reinterpret_cast<Element*>(where.Front());
      std::memcpy(place, elements.data(), count * sizeof(Element));
      return place;
    };
    for (size_t dim = 1; dim <= kMaxDim; ++dim) {
      for (const bool back : {true, false}) {
        const Element* const query = placed(query_pages, dim, back);
        const Element* const rows = placed(row_pages, kRows * dim, back);
        ASSERT_EQ(AllForms(kernels, query, rows, dim, dim)[0], 0u);
      }
    }
  }

  template <class Element>
  void ExpectAnyAlignment() {
    for (const size_t dim : {3, 31, 100, 128, 785}) {
      const auto query = RandomElements<Element>(dim, 4);
      const auto rows = RandomElements<Element>(kRows * dim, 5);
      const auto expected =
          AllForms(KernelsOf<Element>(*GetParam()), query.data(), rows.data(), dim, dim);
      for (size_t offset = 1; offset < 64; offset += 2) {
        std::vector<char> query_bytes(dim * sizeof(Element) + 64);
        std::vector<char> row_bytes(rows.size() * sizeof(Element) + 64);
        char* const moved_query = query_bytes.data() + offset;
        char* const moved_rows = row_bytes.data() + 64 - offset;
        std::memcpy(moved_query, query.data(), query.size() * sizeof(Element));
        std::memcpy(moved_rows, rows.data(), rows.size() * sizeof(Element));
        ASSERT_EQ(
            AllForms(KernelsOf<Element>(*GetParam()), reinterpret_cast<const Element*>(moved_query),
                     reinterpret_cast<const Element*>(moved_rows), dim, dim),
            expected)
            << "dim " << dim << " offset " << offset;
      }
    }
  }
};
VITRINE_FOR_EACH_INSTRUCTION_SET(KernelsHalf);

TEST_P(KernelsHalf, EqualsFloatsInEveryDimension) {
  ExpectThoseOfFloatsInEveryDimension<Half>();
  ExpectThoseOfFloatsInEveryDimension<BFloat16>();
}

TEST_P(KernelsHalf, WidensEveryNumber) {
  ExpectEveryNumberWidened<Half>();
  ExpectEveryNumberWidened<BFloat16>();
}

TEST_P(KernelsHalf, ReadsNothingOutside) {
  ExpectNothingOutsideRead<Half>();
  ExpectNothingOutsideRead<BFloat16>();
}

TEST_P(KernelsHalf, DoesNotDependOnAlignment) {
  ExpectAnyAlignment<Half>();
  ExpectAnyAlignment<BFloat16>();
}

TEST(KernelTables, GiveEverySetAllKernelsOnHalves) {
  for (const KernelTable* table : KernelTables()) {
    EXPECT_TRUE(table->f16.l2 && table->f16.dot && table->f16.cosine) << table->name;
    EXPECT_TRUE(table->bf16.l2 && table->bf16.dot && table->bf16.cosine) << table->name;
  }
}

}  // namespace
}  // namespace vitrine::kernels_half_test
