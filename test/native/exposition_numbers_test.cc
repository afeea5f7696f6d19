#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "exposition/output_buffer.h"

namespace vitrine::exposition_numbers_test {
namespace {

std::string Text(double number) {
  OutputBuffer out;
  out.AddNumber(number);
  return std::string(out.view());
}

std::string Edge(double number) {
  OutputBuffer out;
  out.AddEdge(number);
  return std::string(out.view());
}

TEST(OutputBuffer, WritesWholeNumbersPlainly) {
  EXPECT_EQ(Text(0), "0");
  EXPECT_EQ(Text(-7), "-7");
  EXPECT_EQ(Text(1e6), "1000000");
  EXPECT_EQ(Text(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(Text(0.25), "0.25");
  EXPECT_EQ(Text(0.00001), "0.00001");
  EXPECT_EQ(Text(1764406522.123456), "1764406522.123456");
  EXPECT_EQ(Text(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(Text(HUGE_VAL), "+Inf");
  EXPECT_EQ(Text(-HUGE_VAL), "-Inf");
}

// What strconv.FormatFloat(x, 'g', -1, 64) of Go gives.
TEST(OutputBuffer, WritesEdgesAsGoDoes) {
  EXPECT_EQ(Edge(1e-6), "1e-06");
  EXPECT_EQ(Edge(2.5e-5), "2.5e-05");
  EXPECT_EQ(Edge(0.0001), "0.0001");
  EXPECT_EQ(Edge(0.00025), "0.00025");
  EXPECT_EQ(Edge(10), "10");
  EXPECT_EQ(Edge(500000), "500000");
  EXPECT_EQ(Edge(1e6), "1e+06");
  EXPECT_EQ(Edge(2097152), "2.097152e+06");
  EXPECT_EQ(Edge(HUGE_VAL), "+Inf");
}

TEST(OutputBuffer, WritesEveryNumberSoThatItReadsBack) {
  std::mt19937_64 random(17);
  for (int i = 0; i < 100'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    ASSERT_EQ(std::strtod(Text(number).c_str(), nullptr), number);
    ASSERT_EQ(std::strtod(Edge(number).c_str(), nullptr), number);
  }
}

TEST(OutputBuffer, KeepsWhatItHasWhenItGrows) {
  OutputBuffer out(1);
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    out.Add("abc");
    out.AddWhole(static_cast<uint64_t>(i));
    expected += "abc" + std::to_string(i);
  }
  EXPECT_EQ(out.view(), expected);
  out.Clear();
  EXPECT_EQ(out.view(), "");
}

}  // namespace
}  // namespace vitrine::exposition_numbers_test
