#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "engine/point_filter.h"

namespace vitrine {

// A filter by id.
class IdSet final : public PointFilter {
 public:
  // `ids` in any order, with or without repetitions.
  explicit IdSet(std::vector<PointId> ids) : ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  bool Contains(PointId id) const override {
    return std::binary_search(ids_.begin(), ids_.end(), id);
  }
  size_t size() const override { return ids_.size(); }
  const std::vector<PointId>& ids() const { return ids_; }

 private:
  std::vector<PointId> ids_;
};

}  // namespace vitrine
