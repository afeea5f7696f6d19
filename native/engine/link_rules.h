#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/slot.h"
#include "index/links.h"

namespace vitrine {

// How many of `words`, a multiple of 16, are `word`. Without an early end, and in pieces of known
// length, the compiler compares many at a time.
inline size_t CountEqualWords(std::span<const uint32_t> words, uint32_t word) {
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
class SeenWords {
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

// What is wrong with the links of one row of a file, whatever rows are numbered by; empty when
// nothing is.
//   words   a multiple of 16
//   degree  links of a row at most; fill edges do not count
//   judge   (target) -> string_view, what is wrong with an edge to `target`; empty when nothing is
template <typename Judge>
std::string_view CheckLinkWords(std::span<const uint32_t> words, size_t degree, Judge judge) {
  size_t links = 0;
  bool twice = false;
  SeenWords seen;
  for (const uint32_t word : words) {
    if (word == kNoSlot) continue;
    const std::string_view wrong = judge(Links::Target(word));
    if (!wrong.empty()) return wrong;
    if (Links::IsFill(word)) continue;
    ++links;
    // It is the same as itself.
    if (seen.MaybeBefore(word)) twice = twice || CountEqualWords(words, word) > 1;
  }
  if (links > degree) return "a row has too many links";
  if (twice) return "a row has a link twice";
  return {};
}

// What the links of a graph have to look like in a file of points (docs/formats/
// collection-checkpoint.md): they lead from nodes to other nodes, no link comes twice, and there
// are not too many.
//
// Thread safety: const functions may run on many threads at once.
class LinkRules {
 public:
  // Of `count` points, without a node so far.
  //   width   words a point, a multiple of 16
  //   degree  links of a node at most
  LinkRules(size_t count, size_t width, size_t degree)
      : count_(count), width_(width), degree_(degree), nodes_(count / 64 + 1) {}

  void AddNode(uint32_t point) {
    nodes_[point / 64] |= uint64_t{1} << (point % 64);
    ++node_count_;
  }
  bool IsNode(uint32_t point) const {
    return point < count_ && ((nodes_[point / 64] >> (point % 64)) & 1) != 0;
  }
  size_t node_count() const { return node_count_; }

  // What is wrong with the words of points from `first` on; empty when nothing is.
  //   words  [points * width]
  std::string_view Check(uint32_t first, std::span<const uint32_t> words) const;

 private:
  // Whether a rule may be broken by the words of a node; which one is found one by one.
  bool MayBeWrong(uint32_t point, std::span<const uint32_t> row) const;

  const size_t count_;
  const size_t width_;
  const size_t degree_;
  std::vector<uint64_t> nodes_;  // a bit a point
  size_t node_count_ = 0;
};

}  // namespace vitrine
