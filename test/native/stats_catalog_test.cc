#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <tuple>

#include "stats/series_places.h"

namespace vitrine::stats_catalog_test {
namespace {

bool Matches(std::string_view text, const char* pattern) {
  return std::regex_match(std::string(text), std::regex(pattern));
}

TEST(Catalog, FollowsTheNamingRulesOfPrometheus) {
  std::set<std::string_view> names;
  for (const MetricFamily& family : kFamilies) {
    SCOPED_TRACE(family.name);
    EXPECT_TRUE(names.insert(family.name).second);
    EXPECT_TRUE(Matches(family.name, "vitrine_[a-z][a-z0-9]*(_[a-z0-9]+)*"));
    EXPECT_EQ(family.name.ends_with("_total"), family.type == MetricType::kCounter);
    // Suffixes of the samples of a histogram.
    for (const std::string_view suffix : {"_count", "_sum", "_bucket", "_info", "_created"}) {
      EXPECT_FALSE(family.name.ends_with(suffix));
    }
    std::string_view stem = family.name;
    if (stem.ends_with("_total")) stem.remove_suffix(6);
    EXPECT_EQ(stem.ends_with("_seconds"), family.unit == Unit::kSeconds);
    EXPECT_EQ(stem.ends_with("_bytes"), family.unit == Unit::kBytes);
    EXPECT_EQ(stem.ends_with("_ratio"), family.unit == Unit::kRatio);
    EXPECT_FALSE(Matches(stem, ".*(milli|micro|nano|_ms|_ns|_kb|_mb|percent).*"));
  }
}

TEST(Catalog, ExplainsEveryFamilyInOneLine) {
  std::set<std::string_view> texts;
  for (const MetricFamily& family : kFamilies) {
    SCOPED_TRACE(family.name);
    EXPECT_TRUE(Matches(family.help, "[A-Z][ -~]{8,90}\\.")) << family.help;
    EXPECT_TRUE(texts.insert(family.help).second);
  }
}

TEST(Catalog, NamesLabelsAndValuesInPlainWords) {
  for (const MetricFamily& family : kFamilies) {
    SCOPED_TRACE(family.name);
    for (const Label& label : family.labels) {
      if (label.name.empty()) continue;
      EXPECT_TRUE(Matches(label.name, "[a-z]+")) << label.name;
      // Reserved for the samples of histograms, and for the database.
      EXPECT_TRUE(label.name != "le" && label.name != "quantile" && label.name != "db");
      EXPECT_FALSE(label.values.empty());
      std::set<std::string_view> values;
      for (const std::string_view value : label.values) {
        EXPECT_TRUE(values.insert(value).second) << value;
        const char* const pattern = label.name == "code"     ? "ERR_[A-Z_]+"
                                    : label.name == "level"  ? "[0-9]"
                                    : label.name == "k"      ? "[0-9]+|other"
                                    : label.name == "isa"    ? "[a-z0-9]+(-[a-z]+)?"
                                    : label.name == "kernel" ? "[a-z]+[0-9]*"
                                                             : "[a-z]+(_[a-z]+)*";
        EXPECT_TRUE(Matches(value, pattern)) << value;
      }
    }
    EXPECT_TRUE(family.labels[1].name.empty() || !family.labels[0].name.empty());
  }
}

TEST(Catalog, GivesEverySeriesAPlaceOfItsOwn) {
  std::set<std::tuple<Source, bool, size_t>> places;
  size_t series = 0;
  for (size_t i = 0; i < kFamilyCount; ++i) {
    const MetricFamily& row = kFamilies[i];
    for (size_t j = 0; j < row.stored(); ++j, ++series) {
      places.emplace(row.source, row.type == MetricType::kHistogram,
                     PlaceOf(static_cast<Family>(i)) + j);
    }
  }
  EXPECT_EQ(places.size(), series);
  EXPECT_EQ(series, kShardCounters + kHistograms + kRareCounters + kRunningValues + kProbeCounters +
                        RowOf(Family::kRecallRatio).series() + kStateValues + kTotalValues);
}

TEST(Catalog, CountsAtLevelsThatFitTheSource) {
  for (const MetricFamily& family : kFamilies) {
    SCOPED_TRACE(family.name);
    const bool is_read = family.source == Source::kState || family.source == Source::kTotals;
    EXPECT_EQ(family.level == StatsLevel::kOff, is_read);
    // What is read may be less than before.
    const bool may_fall = family.source == Source::kState || family.source == Source::kRunning ||
                          family.source == Source::kRatio;
    EXPECT_EQ(family.type == MetricType::kGauge, may_fall);
    if (family.type == MetricType::kHistogram) {
      EXPECT_GE(family.level, StatsLevel::kHistograms);
    }
  }
}

TEST(Outcomes, FollowFromTheCode) {
  EXPECT_EQ(OutcomeOf(ErrorCode::kTimeout), Outcome::kTimeout);
  EXPECT_EQ(OutcomeOf(ErrorCode::kCancelled), Outcome::kCancelled);
  EXPECT_EQ(OutcomeOf(ErrorCode::kClosed), Outcome::kCancelled);
  EXPECT_EQ(OutcomeOf(ErrorCode::kOverloaded), Outcome::kRejected);
  EXPECT_EQ(OutcomeOf(ErrorCode::kDimension), Outcome::kError);
  EXPECT_EQ(OutcomeOf(ErrorCode::kInternal), Outcome::kError);
}

}  // namespace
}  // namespace vitrine::stats_catalog_test
