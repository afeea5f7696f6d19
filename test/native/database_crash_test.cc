// The process dies, or the power fails, in every single call that a database makes to its files.

#include <gtest/gtest.h>

#include <string>

#include "database_user.h"
#include "random_data.h"

namespace vitrine {
namespace {

using End = DatabaseUser::End;
using Gap = DatabaseUser::Gap;
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
void RunScript(DatabaseUser& user) {
  ASSERT_NO_FATAL_FAILURE(user.Live(20, End::kClose, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(20, End::kLeave, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(10, End::kClose, Gap::kProcess));
}

uint64_t CallsOfScript(uint64_t seed, Durability durability) {
  FaultFiles files(seed);
  DatabaseUser user(files, seed, durability);
  RunScript(user);
  EXPECT_GT(user.acknowledged(), 15u);
  return files.operations();
}

class DatabaseCrash : public testing::TestWithParam<Durability> {};
class LoggedDatabaseCrash : public DatabaseCrash {};

TEST_P(LoggedDatabaseCrash, AKilledProcessLosesNothingItWasTold) {
  VITRINE_TRACE_SEED();
  size_t kills = 0;
  const uint64_t seed = TestSeed();
  const uint64_t calls = CallsOfScript(seed, GetParam());
  for (uint64_t k = 0; k < calls; k += Scaled(1, 5)) {
    SCOPED_TRACE("call " + std::to_string(k));
    FaultFiles files(seed);
    DatabaseUser user(files, seed, GetParam());
    files.KillAt(k);
    RunScript(user);
    files.Restart();
    ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kLeave, Gap::kProcess));
    files.Restart();
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
    kills += 2;
  }
  EXPECT_GT(kills, Scaled(1000, 50));
}

TEST_P(DatabaseCrash, APowerCutLeavesAPrefixWithEverythingDurable) {
  VITRINE_TRACE_SEED();
  size_t recoveries = 0;
  const uint64_t seed = TestSeed() + 100;
  const uint64_t calls = CallsOfScript(seed, GetParam());
  for (uint64_t k = 0; k < calls; k += Scaled(GetParam() == Durability::kCommit ? 2 : 7, 47)) {
    for (size_t model = 0; model < std::size(kModels); ++model) {
      SCOPED_TRACE("call " + std::to_string(k) + ", model " + std::to_string(model));
      FaultFiles files(seed + k);
      DatabaseUser user(files, seed, GetParam());
      files.KillAt(k);
      RunScript(user);
      files.PowerCut(kModels[model]);
      ASSERT_NO_FATAL_FAILURE(user.Live(3, End::kLeave, Gap::kPower));
      files.PowerCut(kModels[(model + 5) % std::size(kModels)]);
      ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kPower));
      recoveries += 2;
    }
  }
  EXPECT_GT(recoveries, Scaled(1500, 50));
}

// And once more while it is being recovered, again and again.
TEST_P(DatabaseCrash, RecoveryMayBeCutShort) {
  VITRINE_TRACE_SEED();
  for (uint64_t run = 0; run < Scaled(400, 30); ++run) {
    SCOPED_TRACE("run " + std::to_string(run));
    const uint64_t seed = TestSeed() + 10'000 + run;
    std::mt19937_64 random(seed);
    FaultFiles files(seed);
    DatabaseUser user(files, seed, GetParam());
    files.KillAt(random() % 500);
    RunScript(user);
    for (int cut = 0; cut < 4; ++cut) {
      const bool power = random() % 2 == 0 || GetParam() == Durability::kNone;
      if (power) {
        files.PowerCut(kModels[random() % std::size(kModels)]);
      } else {
        files.Restart();
      }
      files.KillAt(random() % 80);
      ASSERT_NO_FATAL_FAILURE(user.Live(3, End::kClose, power ? Gap::kPower : Gap::kProcess));
    }
    files.PowerCut(kModels[random() % std::size(kModels)]);
    ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kClose, Gap::kPower));
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
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
}  // namespace vitrine
