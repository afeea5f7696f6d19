#pragma once

#include <algorithm>
#include <cstdint>

namespace vitrine {

// When something was in one phase: from where it entered it first until where it left it last. It
// may have been in others meanwhile, and then `ticks` is less than what lies between.
struct PhaseStretch {
  uint64_t begin = 0;  // ticks of a clock, as all but `times`
  uint64_t end = 0;
  uint64_t ticks = 0;  // in it
  uint64_t times = 0;  // that it was entered; 0: never, and the rest means nothing

  // It was in it from `from` to `to`, which is not before `from`.
  void Extend(uint64_t from, uint64_t to) {
    if (ticks == 0 && end == 0) begin = from;
    end = to;
    ticks += to - from;
  }
  // What something else, which may have gone on at the same time, spent in the same phase.
  void Merge(const PhaseStretch& other) {
    if (other.times == 0) return;
    begin = times == 0 ? other.begin : std::min(begin, other.begin);
    end = std::max(end, other.end);
    ticks += other.ticks;
    times += other.times;
  }
};

}  // namespace vitrine
