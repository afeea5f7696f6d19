// The steps by which vectors become digits, of every set of kernels: bit for bit those of the
// scalar set, and those against their definitions.

#include <cfloat>
#include <cstring>
#include <limits>

#include "kernels_support.h"

namespace vitrine::kernels_digits_test {
namespace {

class KernelsDigits : public testing::TestWithParam<const CodeKernelTable*> {
 protected:
  const CodeKernels& codes() const { return GetParam()->codes; }
};
VITRINE_FOR_EACH_CODE_SET(KernelsDigits);

// What a set makes of a vector.
struct Steps {
  double squared_norm, centred_norm;
  std::vector<float> centred;
  float largest;
  int32_t sum;
  std::vector<int8_t> digits;
  bool operator==(const Steps&) const = default;
};

Steps StepsOf(const CodeKernels& codes, const float* v, const float* centre, double scale,
              float share, size_t dim) {
  Steps steps{};
  steps.squared_norm = codes.squared_norm(v, dim);
  steps.centred.resize(dim);
  steps.centred_norm = codes.centre(v, scale, centre, share, dim, steps.centred.data());
  steps.largest = codes.largest(steps.centred.data(), dim);
  steps.digits.resize(dim);
  steps.sum = codes.quantize(steps.centred.data(), 127 / steps.largest, dim, steps.digits.data());
  return steps;
}

TEST_P(KernelsDigits, AreTheSameBitsInEveryDimension) {
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    const size_t offset = dim % 3;
    const auto v = NormalFloats(dim + offset, static_cast<uint32_t>(dim));
    const auto centre = NormalFloats(dim + offset, static_cast<uint32_t>(dim + 1));
    for (const auto& [scale, share] : {std::pair(1.0, 1.0f), std::pair(0.37, -0.6f)}) {
      ASSERT_EQ(
          StepsOf(codes(), v.data() + offset, centre.data() + offset, scale, share, dim),
          StepsOf(ScalarCodes(), v.data() + offset, centre.data() + offset, scale, share, dim))
          << "dim " << dim;
    }
    ASSERT_EQ(codes().squared_norm(v.data(), dim), SquaredNorm(v.data(), dim));
  }
}

TEST_P(KernelsDigits, ReadAndWriteNothingOutside) {
  GuardedFloats vectors(kMaxDim), centres(kMaxDim), outs(kMaxDim), bytes(kMaxDim);
  const auto numbers = NormalFloats(kMaxDim, 4);
  for (size_t dim = 1; dim <= kMaxDim; ++dim) {
    for (const bool back : {true, false}) {
      const auto place = [&](GuardedFloats& where) {
        return back ? where.Back(dim) : where.Front();
      };
      float* const v = place(vectors);
      float* const out = place(outs);
      std::memcpy(v, numbers.data(), dim * sizeof(float));
      std::memcpy(place(centres), numbers.data(), dim * sizeof(float));
      ASSERT_EQ(codes().centre(v, 1, place(centres), 1, dim, out), 0);
      ASSERT_EQ(codes().largest(out, dim), 0);
      ASSERT_EQ(codes().squared_norm(v, dim), SquaredNorm(v, dim));
      // A byte a component, against the same guards.
      auto* const end = reinterpret_cast<uint8_t*>(bytes.Back(0));
      uint8_t* const digits = back ? end - dim : reinterpret_cast<uint8_t*>(bytes.Front());
      ASSERT_EQ(codes().quantize(out, 1, dim, reinterpret_cast<int8_t*>(digits)), 0);
      ASSERT_TRUE(codes().to_bytes(out, dim, digits));
    }
  }
}

TEST_P(KernelsDigits, AreCentredAndScaledInF64) {
  const float v[] = {3, -4, 0.1f}, centre[] = {1, 2, 3};
  float out[3];
  EXPECT_EQ(codes().squared_norm(v, 2), 25);
  const double norm = codes().centre(v, 0.2, centre, 0.5f, 2, out);
  EXPECT_EQ(norm, double{out[0]} * out[0] + double{out[1]} * out[1]);
  EXPECT_EQ(out[0], static_cast<float>(3 * 0.2) - 0.5f);
  EXPECT_EQ(out[1], static_cast<float>(-4 * 0.2) - 1);
  // A product in f32 would be rounded a second time.
  const double square = codes().centre(v + 2, 0.1, centre, 0, 1, out);
  EXPECT_EQ(square, double{out[0]} * out[0]);
  EXPECT_EQ(out[0], static_cast<float>(double{0.1f} * 0.1));
  // Squares of numbers that f32 can only just hold are finite in f64.
  const float far[] = {-FLT_MAX, FLT_MAX, 0};
  EXPECT_EQ(codes().squared_norm(far, 3), 2 * double{FLT_MAX} * FLT_MAX);
  EXPECT_EQ(codes().largest(far, 3), FLT_MAX);
}

TEST_P(KernelsDigits, AreRoundedToTheNearestAndFromHalvesAwayFromZero) {
  std::vector<float> v;
  std::vector<int8_t> expected;
  int32_t sum = 0;
  for (int i = -508; i <= 508; ++i) {
    v.push_back(static_cast<float>(i) / 8);
    const int whole = static_cast<int>(std::lround(static_cast<float>(i) / 4));
    expected.push_back(static_cast<int8_t>(whole));
    sum += whole;
  }
  v.push_back(0.25f);
  expected.push_back(1);
  std::vector<int8_t> digits(v.size());
  EXPECT_EQ(codes().quantize(v.data(), 2, v.size(), digits.data()), sum + 1);
  EXPECT_EQ(digits, expected);
  EXPECT_EQ(codes().largest(v.data(), v.size()), 63.5f);
}

TEST_P(KernelsDigits, AreBytesWhereNothingIsLost) {
  std::vector<float> vector(300);
  for (size_t i = 0; i < vector.size(); ++i) vector[i] = static_cast<float>(i % 256);
  std::vector<uint8_t> bytes(vector.size());
  ASSERT_TRUE(codes().to_bytes(vector.data(), vector.size(), bytes.data()));
  for (size_t i = 0; i < vector.size(); ++i) EXPECT_EQ(bytes[i], i % 256);
  vector[7] = -0.f;
  EXPECT_TRUE(codes().to_bytes(vector.data(), vector.size(), bytes.data()));
  EXPECT_EQ(bytes[7], 0);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const size_t place : {size_t{0}, size_t{63}, size_t{64}, size_t{299}}) {
    for (const float other :
         {0.5f, 254.99998f, 255.5f, 256.f, -1.f, -FLT_MIN, 1e10f, -1e10f, kInfinity, NAN}) {
      std::vector<float> changed = vector;
      changed[place] = other;
      EXPECT_FALSE(codes().to_bytes(changed.data(), changed.size(), bytes.data()))
          << place << ' ' << other;
    }
  }
}

}  // namespace
}  // namespace vitrine::kernels_digits_test
