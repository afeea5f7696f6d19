#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/best_hits.h"
#include "engine/table.h"

namespace vitrine {

// Finds out how many of the true neighbours a search found, by a look at every row, in steps of a
// few milliseconds. May throw std::bad_alloc.
class RecallCheck {
 public:
  // `hits` are what a search for `k` found when the table was at `snapshot`.
  RecallCheck(const Table& table, const void* query, size_t k, std::span<const Hit> hits,
              uint64_t snapshot);
  // Whether the table is still as it was for the search, and every row could be read: else nothing
  // can be said.
  bool valid() const { return valid_ && lease_.scratch().failure.ok(); }
  // Goes on; false when all rows have been looked at.
  bool Step();
  // Of the k, or of as many points as there are, how many were not found.
  // REQUIRES: Step() returned false
  size_t missed() const;
  size_t k() const { return k_; }

 private:
  const Table& table_;
  const ReaderPool::Lease lease_;
  const bool valid_;
  const size_t k_;
  std::vector<std::byte> query_;
  std::vector<float> found_;    // ascending
  std::vector<float> nearest_;  // a heap of up to k distances
  size_t next_word_ = 0;
};

}  // namespace vitrine
