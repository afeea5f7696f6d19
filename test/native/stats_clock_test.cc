#include <gtest/gtest.h>

#include <chrono>
#include <thread>

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

}  // namespace
}  // namespace vitrine::stats_clock_test
