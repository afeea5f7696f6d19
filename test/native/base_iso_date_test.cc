#include <gtest/gtest.h>

#include <string>

#include "base/iso_date.h"

namespace vitrine::base_iso_date_test {
namespace {

TEST(IsoDate, NamesAMoment) {
  EXPECT_EQ(ParseIsoDate("1970-01-01"), 0);
  EXPECT_EQ(ParseIsoDate("1970-01-01T00:00Z"), 0);
  EXPECT_EQ(ParseIsoDate("2024-02-29"), 1'709'164'800'000);
  EXPECT_EQ(ParseIsoDate("2024-02-29T12:30:59.123Z"), 1'709'209'859'123);
  EXPECT_EQ(ParseIsoDate("2024-02-29T12:30:59.123999Z"), 1'709'209'859'123);
  EXPECT_EQ(ParseIsoDate("2024-02-29T12:30:59.1+01:00"), 1'709'206'259'100);
  EXPECT_EQ(ParseIsoDate("2024-02-29T12:30:59-00:30"), 1'709'211'659'000);
  EXPECT_EQ(ParseIsoDate("2024-02-29T24:00Z"), ParseIsoDate("2024-03-01"));
  EXPECT_EQ(ParseIsoDate("1900-03-01"), ParseIsoDate("1900-02-28").value() + 86'400'000);
  EXPECT_EQ(ParseIsoDate("0000-01-01"), -62'167'219'200'000);
  EXPECT_EQ(ParseIsoDate("-000001-12-31"), -62'167'305'600'000);
  // The first and the last moment of Date.
  EXPECT_EQ(ParseIsoDate("-271821-04-20T00:00:00.000Z"), -8'640'000'000'000'000);
  EXPECT_EQ(ParseIsoDate("+275760-09-13T00:00:00.000Z"), 8'640'000'000'000'000);
}

TEST(IsoDate, RefusesOtherTexts) {
  for (const char* const text : {"",
                                 "x",
                                 "2024",
                                 "2024-02",
                                 "2024-2-9",
                                 "2024-02-30",
                                 "2023-02-29",
                                 "1900-02-29",
                                 "2024-00-01",
                                 "2024-13-01",
                                 "2024-01-00",
                                 "24-01-01",
                                 "2024-01-01T",
                                 "2024-01-01T12",
                                 "2024-01-01T12:30",
                                 "2024-01-01T12:30:00",
                                 "2024-01-01T25:00Z",
                                 "2024-01-01T24:01Z",
                                 "2024-01-01T12:60Z",
                                 "2024-01-01T12:30:60Z",
                                 "2024-01-01T12:30:00.Z",
                                 "2024-01-01T12::.1Z",
                                 "2024-01-01T1:30:00.1Z",
                                 "2024-01-01T12:30Zx",
                                 "2024-01-01T12:30+1:00",
                                 "2024-01-01T12:30+24:00",
                                 "2024-01-01 12:30Z",
                                 " 2024-01-01",
                                 "-000000-01-01",
                                 "+275760-09-14",
                                 "-271821-04-19",
                                 "+999999-12-31",
                                 "2024-01-01\n"}) {
    EXPECT_EQ(ParseIsoDate(text), std::nullopt) << text;
  }
}

// What is left of a date when two pieces of it are missing: reading it ends, whatever it says.
TEST(IsoDate, EndsWhateverIsMissing) {
  const std::string whole = "2024-02-29T12:30:59.123+01:00";
  size_t dates = 0;
  for (size_t from = 0; from < whole.size(); ++from) {
    for (size_t size = 0; size <= whole.size() - from; ++size) {
      const std::string one = std::string(whole).erase(from, size);
      for (size_t second = from; second < one.size(); ++second) {
        for (size_t most = 0; most <= one.size() - second; ++most) {
          dates += ParseIsoDate(std::string(one).erase(second, most)).has_value() ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(dates, 0u);
}

}  // namespace
}  // namespace vitrine::base_iso_date_test
