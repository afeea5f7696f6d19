// The process dies, or the power fails, in every single call that a log makes to its files.

#include <gtest/gtest.h>

#include <string>

#include "fault_files.h"
#include "log_user.h"
#include "random_data.h"

namespace vitrine {
namespace {

using End = LogUser::End;
using Gap = LogUser::Gap;
using Keep = FaultFiles::Keep;
using Names = FaultFiles::Names;

constexpr FaultFiles::PowerCutModel kModels[] = {
    {Keep::kNothing, Names::kAsFlushed}, {Keep::kNothing, Names::kAsNow},
    {Keep::kEverything, Names::kAsNow},  {Keep::kEverything, Names::kAsFlushed},
    {Keep::kPages, Names::kSome},        {Keep::kPages, Names::kAsNow},
    {Keep::kSectors, Names::kSome},      {Keep::kSectors, Names::kAsNow},
    {Keep::kBytes, Names::kSome},        {Keep::kBytes, Names::kAsNow},
    {Keep::kLengths, Names::kSome},      {Keep::kLengths, Names::kAsNow},
};

// Three lives: one is closed, one is left as it is, one goes on from there.
void RunScript(LogUser& user) {
  ASSERT_NO_FATAL_FAILURE(user.Live(12, End::kClose, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(12, End::kLeave, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(8, End::kClose, Gap::kProcess));
}

uint64_t CallsOfScript(uint64_t seed) {
  FaultFiles files(seed);
  LogUser user(files, seed);
  RunScript(user);
  EXPECT_GT(user.durable(), 10u);
  return files.operations();
}

TEST(LogCrash, AKilledProcessLosesNothingItWasTold) {
  VITRINE_TRACE_SEED();
  for (uint64_t script = 0; script < Scaled(5, 1); ++script) {
    const uint64_t seed = TestSeed() + script;
    const uint64_t calls = CallsOfScript(seed);
    for (uint64_t k = 0; k < calls; ++k) {
      SCOPED_TRACE("script " + std::to_string(script) + ", call " + std::to_string(k));
      FaultFiles files(seed);
      LogUser user(files, seed);
      files.KillAt(k);
      RunScript(user);
      files.Restart();
      ASSERT_NO_FATAL_FAILURE(user.Live(5, End::kLeave, Gap::kProcess));
      files.Restart();
      ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
    }
  }
}

TEST(LogCrash, APowerCutLosesNothingThatWasDurable) {
  VITRINE_TRACE_SEED();
  size_t recoveries = 0;
  for (uint64_t script = 0; script < Scaled(2, 1); ++script) {
    const uint64_t seed = TestSeed() + 100 + script;
    const uint64_t calls = CallsOfScript(seed);
    for (uint64_t k = 0; k < calls; k += Scaled(1, 7)) {
      for (size_t model = 0; model < std::size(kModels); ++model) {
        SCOPED_TRACE("script " + std::to_string(script) + ", call " + std::to_string(k) +
                     ", model " + std::to_string(model));
        FaultFiles files(seed + k);
        LogUser user(files, seed);
        files.KillAt(k);
        RunScript(user);
        files.PowerCut(kModels[model]);
        ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kLeave, Gap::kPower));
        files.PowerCut(kModels[(model + 5) % std::size(kModels)]);
        ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kPower));
        recoveries += 2;
      }
    }
  }
  EXPECT_GT(recoveries, Scaled(4800, 200));
}

// And once more while the log is being recovered, again and again.
TEST(LogCrash, RecoveryMayBeCutShort) {
  VITRINE_TRACE_SEED();
  for (uint64_t run = 0; run < Scaled(1500, 100); ++run) {
    SCOPED_TRACE("run " + std::to_string(run));
    const uint64_t seed = TestSeed() + 10'000 + run;
    std::mt19937_64 random(seed);
    FaultFiles files(seed);
    LogUser user(files, seed);
    files.KillAt(random() % 200);
    RunScript(user);
    for (int cut = 0; cut < 4; ++cut) {
      const bool power = random() % 2 == 0;
      if (power) {
        files.PowerCut(kModels[random() % std::size(kModels)]);
      } else {
        files.Restart();
      }
      files.KillAt(random() % 40);
      ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kClose, power ? Gap::kPower : Gap::kProcess));
    }
    files.PowerCut(kModels[random() % std::size(kModels)]);
    ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kClose, Gap::kPower));
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
  }
}

}  // namespace
}  // namespace vitrine
