#pragma once

#include <chrono>
#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace vitrine {

#if defined(__x86_64__) || defined(_M_X64)
// The processor's time-stamp counter.
inline uint64_t ReadCycles() {
#if defined(_MSC_VER) && !defined(__clang__)
  return __rdtsc();
#else
  // Without <x86intrin.h>, which takes a second to read and would be in nearly every unit.
  return __builtin_ia32_rdtsc();
#endif
}
#endif

// The cheapest clock that runs evenly: the processor's time-stamp counter where it is invariant
// (Intel SDM, volume 3, 18.17.1), which takes a few nanoseconds to read, and steady_clock
// otherwise, which takes 46 in a virtual machine.
//
// Thread safety: const, and one for the process: ticks of one thread may be compared with
// another's, where a later one may be earlier by less than a microsecond.
class TickClock {
 public:
  // The clock of this process. The first call takes two milliseconds to calibrate it.
  static const TickClock& Process();
  // The clock that is there everywhere.
  static TickClock Steady() { return TickClock(false, 1); }

  uint64_t Now() const {
#if defined(__x86_64__) || defined(_M_X64)
    if (counts_cycles_) return ReadCycles();
#endif
    return SteadyNow();
  }
  // 0 where `end` is before `begin`, as it may be when they were read on two processors.
  uint64_t NanosecondsBetween(uint64_t begin, uint64_t end) const {
    if (end <= begin) return 0;
    return static_cast<uint64_t>(static_cast<double>(end - begin) * nanoseconds_per_tick_);
  }
  bool counts_cycles() const { return counts_cycles_; }

 private:
  TickClock(bool counts_cycles, double nanoseconds_per_tick)
      : counts_cycles_(counts_cycles), nanoseconds_per_tick_(nanoseconds_per_tick) {}
  static TickClock Calibrated();
  static uint64_t SteadyNow() {
    return static_cast<uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
  }

  bool counts_cycles_;
  double nanoseconds_per_tick_;
};

}  // namespace vitrine
