// The process dies, or the power fails, in every single call that a database makes to its files.

#include <gtest/gtest.h>

#include <string>

#include "crash_loops.h"
#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_crash_test {
namespace {

class DatabaseCrash : public testing::TestWithParam<Durability> {
 protected:
  uint64_t CallsOf(uint64_t seed) const {
    return loops_.Calls(seed,
                        [](const DatabaseUser& user) { EXPECT_GT(user.acknowledged(), 15u); });
  }

  const CrashLoops<DatabaseUser> loops_{
      {.make = [durability = GetParam()](
                   FaultFiles& files,
                   uint64_t seed) { return DatabaseUser(files, seed, durability); },
       .steps = {20, 20, 10},
       .steps_after_crash = 3,
       .calls_first = 500,
       .calls_recovery = 80,
       .may_restart = GetParam() != Durability::kNone}};
};
class LoggedDatabaseCrash : public DatabaseCrash {};

TEST_P(LoggedDatabaseCrash, AKilledProcessLosesNothingItWasTold) {
  VITRINE_TRACE_SEED();
  size_t kills = 0;
  const uint64_t calls = CallsOf(TestSeed());
  for (uint64_t k = 0; k < calls; k += Rounds(1, 11)) {
    ASSERT_NO_FATAL_FAILURE(loops_.Kill(TestSeed(), k));
    kills += 2;
  }
  EXPECT_GT(kills, Rounds(1000, 50));
}

TEST_P(DatabaseCrash, APowerCutLeavesAPrefixWithEverythingDurable) {
  VITRINE_TRACE_SEED();
  size_t recoveries = 0;
  const uint64_t seed = TestSeed() + 100;
  const uint64_t calls = CallsOf(seed);
  for (uint64_t k = 0; k < calls; k += Rounds(GetParam() == Durability::kCommit ? 2 : 7,
                                              GetParam() == Durability::kNone ? 293 : 131)) {
    for (size_t model = 0; model < std::size(kPowerCuts); ++model) {
      ASSERT_NO_FATAL_FAILURE(loops_.CutPower(seed, k, model));
      recoveries += 2;
    }
  }
  EXPECT_GT(recoveries, Rounds(1500, 50));
}

// And once more while it is being recovered, again and again.
TEST_P(DatabaseCrash, RecoveryMayBeCutShort) {
  VITRINE_TRACE_SEED();
  for (uint64_t run = 0; run < Rounds(400, 30); ++run) {
    ASSERT_NO_FATAL_FAILURE(loops_.CutRecovery(TestSeed() + 10'000 + run));
  }
}

const char* NameOf(Durability durability) {
  switch (durability) {
    case Durability::kCommit:
      return "commit";
    case Durability::kInterval:
      return "interval";
    case Durability::kNone:
      return "none";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Durabilities, DatabaseCrash,
                         testing::Values(Durability::kCommit, Durability::kInterval,
                                         Durability::kNone),
                         [](const auto& info) { return NameOf(info.param); });
INSTANTIATE_TEST_SUITE_P(Durabilities, LoggedDatabaseCrash,
                         testing::Values(Durability::kCommit, Durability::kInterval),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace vitrine::database_crash_test
