#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "fault_files.h"
#include "random_data.h"

namespace vitrine {

inline constexpr FaultFiles::PowerCutModel kPowerCuts[] = {
    {FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed},
    {FaultFiles::Keep::kNothing, FaultFiles::Names::kAsNow},
    {FaultFiles::Keep::kEverything, FaultFiles::Names::kAsNow},
    {FaultFiles::Keep::kEverything, FaultFiles::Names::kAsFlushed},
    {FaultFiles::Keep::kPages, FaultFiles::Names::kSome},
    {FaultFiles::Keep::kPages, FaultFiles::Names::kAsNow},
    {FaultFiles::Keep::kSectors, FaultFiles::Names::kSome},
    {FaultFiles::Keep::kSectors, FaultFiles::Names::kAsNow},
    {FaultFiles::Keep::kBytes, FaultFiles::Names::kSome},
    {FaultFiles::Keep::kBytes, FaultFiles::Names::kAsNow},
    {FaultFiles::Keep::kLengths, FaultFiles::Names::kSome},
    {FaultFiles::Keep::kLengths, FaultFiles::Names::kAsNow},
};

// Puts somebody who uses files and remembers what was acknowledged, a LogUser or a DatabaseUser,
// through crashes at each call that it makes to them.
template <typename User>
class CrashLoops {
 public:
  using End = typename User::End;
  using Gap = typename User::Gap;

  struct Options {
    std::function<User(FaultFiles& files, uint64_t seed)> make;
    size_t steps[3];           // of three lives: closed, left as it is, closed
    size_t steps_after_crash;  // of the life that recovers
    uint64_t calls_first;      // about how many calls the lives make, for crashes at random
    uint64_t calls_recovery;   // and the one that recovers
    bool may_restart = true;   // whether what was not flushed outlives the process
  };

  explicit CrashLoops(Options options) : options_(std::move(options)) {}

  // Lives undisturbed; the calls that it made. `acknowledged` hears of the user.
  uint64_t Calls(uint64_t seed, const std::function<void(const User&)>& acknowledged) const {
    FaultFiles files(seed);
    User user = options_.make(files, seed);
    Live(user);
    acknowledged(user);
    return files.operations();
  }

  // The process dies at call `k`, and another one goes on, is killed and followed by a third.
  void Kill(uint64_t seed, uint64_t k) const {
    SCOPED_TRACE("call " + std::to_string(k));
    FaultFiles files(seed);
    User user = options_.make(files, seed);
    files.KillAt(k);
    Live(user);
    files.Restart();
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps_after_crash, End::kLeave, Gap::kProcess));
    files.Restart();
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
  }

  // The power fails at call `k`, and once more after what has recovered went on.
  void CutPower(uint64_t seed, uint64_t k, size_t model) const {
    SCOPED_TRACE("call " + std::to_string(k) + ", model " + std::to_string(model));
    FaultFiles files(seed + k);
    User user = options_.make(files, seed);
    files.KillAt(k);
    Live(user);
    files.PowerCut(kPowerCuts[model]);
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps_after_crash, End::kLeave, Gap::kPower));
    files.PowerCut(kPowerCuts[(model + 5) % std::size(kPowerCuts)]);
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kPower));
  }

  // Recovery is cut short four times, at random.
  void CutRecovery(uint64_t seed) const {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    FaultFiles files(seed);
    User user = options_.make(files, seed);
    files.KillAt(random() % options_.calls_first);
    Live(user);
    for (int cut = 0; cut < 4; ++cut) {
      const bool power = random() % 2 == 0 || !options_.may_restart;
      if (power) {
        files.PowerCut(AnyCut(random));
      } else {
        files.Restart();
      }
      files.KillAt(random() % options_.calls_recovery);
      const Gap gap = power ? Gap::kPower : Gap::kProcess;
      ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps_after_crash, End::kClose, gap));
    }
    files.PowerCut(AnyCut(random));
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps_after_crash, End::kClose, Gap::kPower));
    ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
  }

 private:
  static const FaultFiles::PowerCutModel& AnyCut(std::mt19937_64& random) {
    return kPowerCuts[random() % std::size(kPowerCuts)];
  }

  void Live(User& user) const {
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps[0], End::kClose, Gap::kProcess));
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps[1], End::kLeave, Gap::kProcess));
    ASSERT_NO_FATAL_FAILURE(user.Live(options_.steps[2], End::kClose, Gap::kProcess));
  }

  const Options options_;
};

}  // namespace vitrine
