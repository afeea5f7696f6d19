// The process dies, or the power fails, in every single call that a log makes to its files.

#include <gtest/gtest.h>

#include "crash_loops.h"
#include "log_user.h"
#include "random_data.h"

namespace vitrine::storage_log_crash_test {
namespace {

using Loops = CrashLoops<LogUser>;

const Loops& LogLoops() {
  static const Loops loops(
      {.make = [](FaultFiles& files, uint64_t seed) { return LogUser(files, seed); },
       .steps = {12, 12, 8},
       .steps_after_crash = 4,
       .calls_first = 200,
       .calls_recovery = 40});
  return loops;
}

uint64_t CallsOf(uint64_t seed) {
  return LogLoops().Calls(seed, [](const LogUser& user) { EXPECT_GT(user.durable(), 10u); });
}

TEST(LogCrash, AKilledProcessLosesNothingItWasTold) {
  VITRINE_TRACE_SEED();
  for (uint64_t script = 0; script < Rounds(5, 1); ++script) {
    const uint64_t seed = TestSeed() + script;
    const uint64_t calls = CallsOf(seed);
    for (uint64_t k = 0; k < calls; ++k) ASSERT_NO_FATAL_FAILURE(LogLoops().Kill(seed, k));
  }
}

TEST(LogCrash, APowerCutLosesNothingThatWasDurable) {
  VITRINE_TRACE_SEED();
  size_t recoveries = 0;
  for (uint64_t script = 0; script < Rounds(2, 1); ++script) {
    const uint64_t seed = TestSeed() + 100 + script;
    const uint64_t calls = CallsOf(seed);
    for (uint64_t k = 0; k < calls; k += Rounds(1, 7)) {
      for (size_t model = 0; model < std::size(kPowerCuts); ++model) {
        ASSERT_NO_FATAL_FAILURE(LogLoops().CutPower(seed, k, model));
        recoveries += 2;
      }
    }
  }
  EXPECT_GT(recoveries, Rounds(4800, 200));
}

// And once more while the log is being recovered, again and again.
TEST(LogCrash, RecoveryMayBeCutShort) {
  VITRINE_TRACE_SEED();
  for (uint64_t run = 0; run < Rounds(1500, 100); ++run) {
    ASSERT_NO_FATAL_FAILURE(LogLoops().CutRecovery(TestSeed() + 10'000 + run));
  }
}

}  // namespace
}  // namespace vitrine::storage_log_crash_test
