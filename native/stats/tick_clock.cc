#include "stats/tick_clock.h"

#if (defined(__x86_64__) || defined(_M_X64)) && !(defined(_MSC_VER) && !defined(__clang__))
#include <cpuid.h>
#endif

namespace vitrine {

#if defined(__x86_64__) || defined(_M_X64)
namespace {

// Long enough that the reading of both clocks, some 100 ns, is less than a part in ten thousand.
constexpr uint64_t kCalibrationNs = 2'000'000;
constexpr int kTries = 8;

// CPUID 80000007H, EDX bit 8: the counter's rate is the same in all states of the processor.
bool IsInvariant() {
  constexpr unsigned kLeaf = 0x80000007;
#if defined(_MSC_VER) && !defined(__clang__)
  int registers[4];
  __cpuid(registers, static_cast<int>(0x80000000));
  if (static_cast<unsigned>(registers[0]) < kLeaf) return false;
  __cpuid(registers, static_cast<int>(kLeaf));
  const unsigned edx = static_cast<unsigned>(registers[3]);
#else
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(kLeaf, &eax, &ebx, &ecx, &edx) == 0) return false;
#endif
  return ((edx >> 8) & 1) != 0;
}

// Both clocks at one moment: of some tries the one that took least time, and so was not
// interrupted.
struct Moment {
  uint64_t nanoseconds;
  uint64_t cycles;
};

template <typename SteadyNow>
Moment ReadMoment(SteadyNow steady_now) {
  Moment best{};
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = ReadCycles();
    const uint64_t nanoseconds = steady_now();
    const uint64_t took = ReadCycles() - before;
    if (took >= least) continue;
    least = took;
    best = {nanoseconds, before + took / 2};
  }
  return best;
}

}  // namespace
#endif

TickClock TickClock::Calibrated() {
#if defined(__x86_64__) || defined(_M_X64)
  if (IsInvariant()) {
    const Moment first = ReadMoment(SteadyNow);
    while (SteadyNow() - first.nanoseconds < kCalibrationNs) continue;
    const Moment last = ReadMoment(SteadyNow);
    if (last.cycles > first.cycles) {
      return TickClock(true, static_cast<double>(last.nanoseconds - first.nanoseconds) /
                                 static_cast<double>(last.cycles - first.cycles));
    }
  }
#endif
  return Steady();
}

const TickClock& TickClock::Process() {
  static const TickClock clock = Calibrated();
  return clock;
}

}  // namespace vitrine
