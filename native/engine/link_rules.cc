#include "engine/link_rules.h"

#include <algorithm>
#include <array>

#include "index/links.h"

namespace vitrine {
namespace {

// Without an early end, and in pieces of known length, the compiler compares many at a time.
uint32_t CountEqual(std::span<const uint32_t> words, uint32_t word) {
  constexpr size_t kTogether = 16;
  uint32_t count = 0;
  for (size_t i = 0; i < words.size(); i += kTogether) {
    const uint32_t* const some = words.data() + i;
    for (size_t j = 0; j < kTogether; ++j) count += some[j] == word ? 1 : 0;
  }
  return count;
}

// Which words there were, about: of thirty-two different ones one in eight rows has two that look
// alike.
class Seen {
 public:
  // Whether a word like this one came before; this one has then come.
  bool MaybeBefore(uint32_t word) {
    constexpr uint32_t kGolden = 0x9e3779b1u;  // 2^32 by the golden ratio: neighbours lie far apart
    const uint32_t place = (word * kGolden) >> (32 - kPlaceBits);
    const uint64_t bit = uint64_t{1} << (place % 64);
    const bool before = (bits_[place / 64] & bit) != 0;
    bits_[place / 64] |= bit;
    return before;
  }

 private:
  static constexpr unsigned kPlaceBits = 12;
  std::array<uint64_t, (size_t{1} << kPlaceBits) / 64> bits_{};
};

}  // namespace

std::string LinkRules::Check(uint32_t first, std::span<const uint32_t> words) const {
  for (size_t i = 0; i * width_ < words.size(); ++i) {
    const uint32_t point = first + static_cast<uint32_t>(i);
    const std::span<const uint32_t> row = words.subspan(i * width_, width_);
    if (IsNode(point)) {
      std::string wrong = CheckNode(point, row);
      if (!wrong.empty()) return wrong;
    } else if (std::any_of(row.begin(), row.end(), [](uint32_t word) { return word != kNoSlot; })) {
      return "a point that is no node has links";
    }
  }
  return {};
}

std::string LinkRules::CheckNode(uint32_t node, std::span<const uint32_t> words) const {
  size_t links = 0;
  bool twice = false;
  Seen seen;
  for (const uint32_t word : words) {
    if (word == kNoSlot) continue;
    const uint32_t target = Links::Target(word);
    if (target == node || !IsNode(target)) return "a link leads nowhere";
    if (Links::IsFill(word)) continue;
    ++links;
    // It is the same as itself.
    if (seen.MaybeBefore(word)) twice = twice || CountEqual(words, word) > 1;
  }
  if (links > degree_) return "a row has too many links";
  if (twice) return "a link is there twice";
  return {};
}

}  // namespace vitrine
