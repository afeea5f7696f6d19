#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/time_budget.h"

namespace vitrine::base_time_budget_test {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;

TEST(TimeBudget, IsSpentAndMayBeOverdrawn) {
  TimeBudget budget({.share = 0, .most = nanoseconds(10)});
  EXPECT_TRUE(budget.HasSome());
  budget.Spend(nanoseconds(9));
  EXPECT_TRUE(budget.HasSome());
  budget.Spend(hours(1));
  EXPECT_FALSE(budget.HasSome());
  EXPECT_FALSE(TimeBudget({.share = 1, .most = {}}).HasSome());
}

TEST(TimeBudget, ComesBackAsTimePasses) {
  TimeBudget budget({.share = 1e6, .most = hours(1)});
  budget.Spend(hours(1) + nanoseconds(1));
  while (!budget.HasSome()) std::this_thread::yield();
  // And no more gathers than may.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(budget.HasSome());
  budget.Spend(hours(1));
  budget.Spend(hours(1));
  EXPECT_FALSE(budget.HasSome());
}

}  // namespace
}  // namespace vitrine::base_time_budget_test
