#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/best_hits.h"
#include "engine/table_view.h"

namespace vitrine {

// Finds out how many of the true neighbours a search found, by a look at every row, in steps of a
// few milliseconds. May throw std::bad_alloc.
class RecallCheck {
 public:
  // `hits` are what a search for `k` found when the table was at `snapshot`, of what `filter`
  // allows, which may be null.
  RecallCheck(const Table& table, const void* query, size_t k, std::span<const Hit> hits,
              uint64_t snapshot, std::shared_ptr<const PointFilter> filter = nullptr);
  // Whether the table was still as it was for the search when the check was made: else nothing can
  // be said. It sees that state from then on.
  bool valid() const { return valid_; }
  // Whether a row could not be read, so that nothing can be said either.
  bool failed() const { return !lease_.scratch().failure.ok(); }
  // Goes on; false when all rows have been looked at.
  bool Step();
  // Once Step() has returned false: how many there were to be found, k or all points that there
  // are, and how many of them were not.
  size_t expected() const { return nearest_.size(); }
  size_t missed() const;
  size_t k() const { return k_; }

 private:
  const ReaderPool::Lease lease_;
  const TableView table_;
  const bool valid_;
  const size_t k_;
  const std::shared_ptr<const PointFilter> filter_;
  const std::vector<std::byte> query_;
  const QueryScorers scorers_;  // as the search had them, so that distances are the same
  std::vector<float> found_;    // ascending
  std::vector<float> nearest_;  // a heap of up to k distances
  size_t next_word_ = 0;
};

}  // namespace vitrine
