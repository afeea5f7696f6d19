#pragma once

#include <cstdint>

namespace vitrine {

// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014): a few
// lines that will be the same for ever, and no header of the library's behind them. For choices and
// tables of hashes; not for secrets (base/random.h).

// Spreads the bits of `bits` over all 64; different words stay different.
inline uint64_t MixBits(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

// The sequence that follows from a seed.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t operator()() { return MixBits(state_ += kStep); }

  // What a generator seeded with `word` returns first: a hash of words that come in order.
  static uint64_t Hash(uint64_t word) { return MixBits(word + kStep); }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;

  uint64_t state_;
};

}  // namespace vitrine
