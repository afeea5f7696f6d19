#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "stats/search_phases.h"
#include "stats/tick_clock.h"

namespace vitrine::stats_clock_test {
namespace {

void ExpectRunsWithSteadyClock(const TickClock& clock) {
  const auto begin = std::chrono::steady_clock::now();
  const uint64_t first = clock.Now();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t last = clock.Now();
  const auto took = static_cast<double>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count());
  const auto measured = static_cast<double>(clock.NanosecondsBetween(first, last));
  EXPECT_GE(measured, 50e6 * 0.999);
  EXPECT_LE(measured, took * 1.001);
}

TEST(TickClock, RunsWithTheSteadyClock) {
  ExpectRunsWithSteadyClock(TickClock::Process());
  ExpectRunsWithSteadyClock(TickClock::Steady());
  EXPECT_FALSE(TickClock::Steady().counts_cycles());
}

TEST(TickClock, TakesWhatEndsBeforeItBeganForNothing) {
  EXPECT_EQ(TickClock::Process().NanosecondsBetween(1000, 999), 0u);
  EXPECT_EQ(TickClock::Process().NanosecondsBetween(1000, 1000), 0u);
  EXPECT_EQ(TickClock::Steady().NanosecondsBetween(1000, 1500), 500u);
}

TEST(PhaseTimer, GivesEveryMomentToOnePhase) {
  for (const TickClock& clock : {TickClock::Process(), TickClock::Steady()}) {
    const uint64_t before = clock.Now();
    PhaseTimer timer(clock);
    const uint64_t begin = clock.Now();
    timer.Enter(SearchPhase::kPlan);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    timer.Enter(SearchPhase::kScan);
    timer.Enter(SearchPhase::kRerank);
    timer.Enter(SearchPhase::kScan);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    const uint64_t end = clock.Now();
    const PhaseNanoseconds phases = timer.End();
    const uint64_t after = clock.Now();
    const auto in = [&](SearchPhase phase) { return phases[static_cast<size_t>(phase)]; };
    EXPECT_GE(in(SearchPhase::kPlan), 1'990'000u);
    EXPECT_GE(in(SearchPhase::kScan), 2'990'000u);
    EXPECT_EQ(in(SearchPhase::kGraph), 0u);
    EXPECT_EQ(in(SearchPhase::kMaterialize), 0u);
    const uint64_t sum = std::accumulate(phases.begin(), phases.end(), uint64_t{0});
    EXPECT_GE(sum, clock.NanosecondsBetween(begin, end));
    EXPECT_LE(sum, clock.NanosecondsBetween(before, after));
  }
}

}  // namespace
}  // namespace vitrine::stats_clock_test
