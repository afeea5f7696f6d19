#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "stats/recall_sampler.h"
#include "stats/wilson_interval.h"

namespace vitrine::stats_recall_test {
namespace {

constexpr size_t kDraws = 200'000;

std::shared_ptr<Statistics> Counting(double rate) {
  auto statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kCounters);
  statistics->SetRecallSampleRate(rate);
  return statistics;
}

size_t DrawnOf(const RecallSampler& sampler) {
  size_t drawn = 0;
  for (size_t i = 0; i < kDraws; ++i) drawn += sampler.Draw() ? 1 : 0;
  return drawn;
}

TEST(RecallSampler, DrawsAtItsRate) {
  const auto none = Counting(0), all = Counting(1);
  EXPECT_EQ(DrawnOf(RecallSampler(*none)), 0u);
  EXPECT_EQ(DrawnOf(RecallSampler(*all)), kDraws);
  EXPECT_EQ(DrawnOf({}), 0u);
  for (const double rate : {0.001, 0.3}) {
    const auto some = Counting(rate);
    const double deviation = std::sqrt(kDraws * rate * (1 - rate));
    EXPECT_NEAR(static_cast<double>(DrawnOf(RecallSampler(*some))), kDraws * rate, 7 * deviation);
  }
}

// Every second search is of one kind: half of those that are drawn are too.
TEST(RecallSampler, IsInStepWithNothing) {
  const auto half = Counting(0.5);
  const RecallSampler sampler(*half);
  size_t even = 0;
  for (size_t i = 0; i < kDraws; ++i) even += sampler.Draw() && i % 2 == 0 ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(even), kDraws / 4.0, 7 * std::sqrt(kDraws * 3.0 / 16));
  // Nor do threads draw the same.
  std::vector<bool> draws[2];
  for (auto& drawn : draws) {
    std::thread([&] {
      for (size_t i = 0; i < 128; ++i) drawn.push_back(sampler.Draw());
    }).join();
  }
  EXPECT_NE(draws[0], draws[1]);
}

TEST(RecallSampler, DrawsAtTheHighestRateOfItsPlaces) {
  const auto none = Counting(0), all = Counting(1);
  for (const auto& [first, second] : {std::pair(none, all), std::pair(all, none)}) {
    RecallSampler sampler(*first);
    sampler.Add(*second);
    EXPECT_TRUE(sampler.Draw());
  }
}

TEST(RecallProbe, CountsOnceInEveryPlaceThatIsOn) {
  const auto one = Counting(0), other = Counting(1), off = Counting(1);
  off->SetLevel(StatsLevel::kOff);
  for (const auto& [first, second] : {std::pair(one, other), std::pair(off, other)}) {
    RecallSampler sampler(*first);
    sampler.Add(*second);
    RecallProbe probe(sampler);
    probe.record = {.outcome = ProbeOutcome::kOk, .k = 10, .expected = 10, .found = 9};
    const RecallProbe moved = std::move(probe);
  }
  EXPECT_EQ(one->Snapshot().found_neighbors(), 9u);
  EXPECT_EQ(other->Snapshot().found_neighbors(), 18u);
  EXPECT_EQ(other->Snapshot().expected_neighbors(), 20u);
  EXPECT_EQ(other->Snapshot().value(Family::kRecallProbes, SeriesOf(ProbeOutcome::kOk)), 2u);
  EXPECT_EQ(off->Snapshot().expected_neighbors(), 0u);
}

TEST(RecallProbe, TellsOnlyOfWhatCameAfterABaseline) {
  const auto statistics = Counting(1);
  statistics->CountProbe({.outcome = ProbeOutcome::kOk, .k = 1, .expected = 4, .found = 0});
  const StatsSnapshot baseline = statistics->Snapshot();
  // Of four, none: that is something.
  EXPECT_TRUE(baseline.has_something(Family::kRecallRatio, 0));
  EXPECT_TRUE(baseline.has_something(Family::kRecallFound, 0));
  EXPECT_EQ(baseline.value(Family::kRecallRatio, 0), 0u);
  statistics->CountProbe({.outcome = ProbeOutcome::kError});
  EXPECT_FALSE(statistics->Snapshot().Since(baseline).has_something(Family::kRecallRatio, 0));
  statistics->CountProbe({.outcome = ProbeOutcome::kOk, .k = 1, .expected = 4, .found = 3});
  const StatsSnapshot since = statistics->Snapshot().Since(baseline);
  EXPECT_EQ(since.value(Family::kRecallRatio, 0), 750'000'000u);
  EXPECT_EQ(since.value(Family::kRecallProbes, SeriesOf(ProbeOutcome::kError)), 1u);
}

// The examples of Newcombe, "Two-sided confidence intervals for the single proportion" (1998), by
// method 3.
TEST(WilsonInterval, IsWhatItsLiteratureSays) {
  struct Example {
    uint64_t hits, trials;
    double low, high;
  };
  for (const auto& [hits, trials, low, high] : {Example{81, 263, 0.2553, 0.3662},
                                                {15, 148, 0.0624, 0.1605},
                                                {0, 20, 0.0000, 0.1611},
                                                {1, 29, 0.0061, 0.1718}}) {
    const WilsonInterval interval = IntervalOfShare(hits, trials);
    EXPECT_NEAR(interval.low, low, 5e-5);
    EXPECT_NEAR(interval.high, high, 5e-5);
  }
}

TEST(WilsonInterval, HoldsTheShareAndStaysWithinNothingAndAll) {
  for (uint64_t trials = 0; trials < 200; ++trials) {
    for (uint64_t hits = 0; hits <= trials; ++hits) {
      const auto [low, high] = IntervalOfShare(hits, trials);
      const double share =
          trials == 0 ? 0.5 : static_cast<double>(hits) / static_cast<double>(trials);
      ASSERT_GE(low, 0);
      ASSERT_LE(low, share);
      ASSERT_GE(high, share);
      ASSERT_LE(high, 1);
      ASSERT_LT(low, high);
    }
  }
}

}  // namespace
}  // namespace vitrine::stats_recall_test
