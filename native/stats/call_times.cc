#include "stats/call_times.h"

#include <algorithm>
#include <string_view>

namespace vitrine {
namespace {

constexpr auto kFirstOfSearch = static_cast<size_t>(CallPhase::kPrepare);

constexpr bool NamesAgree() {
  for (size_t i = 0; i < kSearchPhases; ++i) {
    if (std::string_view(kSearchPhaseNames[i]) != kCallPhaseNames[kFirstOfSearch + i]) return false;
  }
  return true;
}
static_assert(NamesAgree());

}  // namespace

void CallTimes::LeaveAt(uint64_t now) {
  // Never back: the clocks of two processors may differ a little.
  now = std::max(now, since_);
  if (current_ != kNone) stretches_[current_].Extend(since_, now);
  since_ = now;
  current_ = kNone;
}

void CallTimes::Leave() { LeaveAt(TickClock::Process().Now()); }

void CallTimes::Enter(CallPhase phase) {
  Leave();
  current_ = static_cast<size_t>(phase);
  ++stretches_[current_].times;
}

void CallTimes::EnterSearch(const std::array<PhaseStretch, kSearchPhases>& phases) {
  // One that was refused before it began stays in the phase that it was in.
  const auto is_entered = [](const PhaseStretch& phase) { return phase.times > 0; };
  if (std::none_of(phases.begin(), phases.end(), is_entered)) return;
  if (current_ != kNone) --stretches_[current_].times;
  current_ = kNone;
  for (size_t i = 0; i < kSearchPhases; ++i) {
    const PhaseStretch& stretch = phases[i];
    stretches_[kFirstOfSearch + i].Merge(stretch);
    if (stretch.times > 0) since_ = std::max(since_, stretch.end);
  }
}

void CallTimes::Merge(const CallTimes& other) {
  for (size_t i = 0; i < kCallPhases; ++i) stretches_[i].Merge(other.stretches_[i]);
}

}  // namespace vitrine
