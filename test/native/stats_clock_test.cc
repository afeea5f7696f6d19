#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "stats/call_times.h"
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

TEST(PhaseTimer, KnowsWhenEachPhaseBeganAndEnded) {
  const TickClock& clock = TickClock::Process();
  PhaseTimer timer(clock);
  timer.Enter(SearchPhase::kGraph);
  timer.Enter(SearchPhase::kRerank);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  timer.Enter(SearchPhase::kGraph);
  timer.Enter(SearchPhase::kGraph);
  timer.End();
  const auto in = [&](SearchPhase phase) { return timer.stretches()[static_cast<size_t>(phase)]; };
  const PhaseStretch graph = in(SearchPhase::kGraph);
  const PhaseStretch rerank = in(SearchPhase::kRerank);
  EXPECT_EQ(in(SearchPhase::kPrepare).times, 1u);
  EXPECT_EQ(in(SearchPhase::kScan).times, 0u);
  EXPECT_EQ(graph.times, 2u);
  EXPECT_EQ(rerank.times, 1u);
  EXPECT_EQ(rerank.ticks, rerank.end - rerank.begin);
  EXPECT_EQ(in(SearchPhase::kPrepare).end, graph.begin);
  EXPECT_LE(graph.begin, rerank.begin);
  EXPECT_GE(graph.end, rerank.end);
  EXPECT_EQ(graph.ticks, graph.end - graph.begin - rerank.ticks);
}

TEST(CallTimes, HasTheCallInOnePhaseAtATime) {
  CallTimes times;
  const auto in = [&](CallPhase phase) { return times.stretches()[static_cast<size_t>(phase)]; };
  times.Enter(CallPhase::kQueue);
  times.Enter(CallPhase::kExecute);
  PhaseTimer timer(TickClock::Process());
  timer.Enter(SearchPhase::kScan);
  timer.End();
  times.EnterSearch({});
  EXPECT_EQ(in(CallPhase::kExecute).times, 1u);
  times.EnterSearch(timer.stretches());
  times.Enter(CallPhase::kSettle);
  times.Leave();
  times.Leave();
  EXPECT_EQ(in(CallPhase::kExecute).times, 0u);
  EXPECT_EQ(in(CallPhase::kQueue).times, 1u);
  EXPECT_EQ(in(CallPhase::kSettle).times, 1u);
  EXPECT_LE(in(CallPhase::kQueue).end, in(CallPhase::kPrepare).begin);
  EXPECT_EQ(in(CallPhase::kPrepare).end, in(CallPhase::kScan).begin);
  EXPECT_LE(in(CallPhase::kScan).end, in(CallPhase::kSettle).begin);
}

TEST(CallTimes, PutsTogetherWhatWentOnAtTheSameTime) {
  CallTimes one;
  CallTimes two;
  one.Enter(CallPhase::kQueue);
  two.Enter(CallPhase::kQueue);
  two.Enter(CallPhase::kExecute);
  one.Leave();
  two.Leave();
  const auto of = [](const CallTimes& times, CallPhase phase) {
    return times.stretches()[static_cast<size_t>(phase)];
  };
  CallTimes both;
  both.Merge(one);
  both.Merge(two);
  const PhaseStretch queue = of(both, CallPhase::kQueue);
  EXPECT_EQ(queue.times, 2u);
  EXPECT_EQ(queue.begin, of(one, CallPhase::kQueue).begin);
  EXPECT_EQ(queue.end, of(one, CallPhase::kQueue).end);
  EXPECT_EQ(queue.ticks, of(one, CallPhase::kQueue).ticks + of(two, CallPhase::kQueue).ticks);
  EXPECT_EQ(of(both, CallPhase::kExecute).times, 1u);
  EXPECT_EQ(of(both, CallPhase::kExecute).begin, of(two, CallPhase::kExecute).begin);
  EXPECT_EQ(of(both, CallPhase::kSettle).times, 0u);
}

}  // namespace
}  // namespace vitrine::stats_clock_test
