#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/slot.h"

namespace vitrine {

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
  std::string Check(uint32_t first, std::span<const uint32_t> words) const;

 private:
  std::string CheckNode(uint32_t node, std::span<const uint32_t> words) const;

  const size_t count_;
  const size_t width_;
  const size_t degree_;
  std::vector<uint64_t> nodes_;  // a bit a point
  size_t node_count_ = 0;
};

}  // namespace vitrine
