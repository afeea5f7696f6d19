#include "stats/recall_sampler.h"

#include <algorithm>

#include "base/random.h"

namespace vitrine {
namespace {

// 63 bits by chance, with a state of each thread's own: xorshift64* (Vigna 2016).
uint64_t NextRandom() {
  thread_local uint64_t state = RandomWord() | 1;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (state * 0x2545f4914f6cdd1du) >> 1;
}

}  // namespace

bool RecallSampler::Draw() const {
  uint64_t threshold = 0;
  for (size_t i = 0; i < count_; ++i) threshold = std::max(threshold, places_[i]->recall_share());
  return threshold != 0 && NextRandom() < threshold;
}

bool RecallSampler::CanAfford() const {
  bool can = true;
  for (size_t i = 0; i < count_; ++i) {
    if (places_[i]->recall_share() != 0) can &= places_[i]->recall_budget().HasSome();
  }
  return can;
}

RecallProbe::RecallProbe(const RecallSampler& sampler) {
  for (size_t i = 0; i < sampler.count_; ++i) places_[i] = sampler.places_[i]->shared_from_this();
}

RecallProbe::~RecallProbe() {
  for (const auto& place : places_) {
    if (place != nullptr) place->CountProbe(record);
  }
}

void RecallProbe::Spend(TimeBudget::Clock::duration time) const {
  for (const auto& place : places_) {
    if (place != nullptr && place->recall_share() != 0) place->recall_budget().Spend(time);
  }
}

}  // namespace vitrine
