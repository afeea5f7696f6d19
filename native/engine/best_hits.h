#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "base/slot.h"

namespace vitrine {

struct Hit {
  float distance;
  PointId id;

  // Nearest first, ties by lower id.
  friend bool operator<(const Hit& a, const Hit& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
  }
};

// Which of two points at the same distance comes first, where that is not the lower id.
class PointOrder {
 public:
  virtual ~PointOrder() = default;
  virtual bool Before(PointId a, PointId b) const = 0;
};

// Nearest first.
struct HitOrder {
  const PointOrder* ties = nullptr;

  bool operator()(const Hit& a, const Hit& b) const {
    return ties == nullptr || a.distance != b.distance ? a < b : ties->Before(a.id, b.id);
  }
};

// The best hits, kept in the caller's memory, offered in ascending order of distance.
class SortedHits {
 public:
  SortedHits(std::span<Hit> hits, size_t k, HitOrder before, size_t count = 0)
      : hits_(hits.first(k)), before_(before), count_(count) {}

  // Whether a hit at `distance` could still enter.
  bool Wants(float distance) const {
    return count_ < hits_.size() || (count_ > 0 && distance <= hits_[count_ - 1].distance);
  }
  void Offer(Hit hit) {
    if (count_ == hits_.size()) {
      if (count_ == 0 || !before_(hit, hits_[count_ - 1])) return;
    } else {
      ++count_;
    }
    size_t i = count_ - 1;
    for (; i > 0 && before_(hit, hits_[i - 1]); --i) hits_[i] = hits_[i - 1];
    hits_[i] = hit;
  }
  size_t count() const { return count_; }

 private:
  std::span<Hit> hits_;
  const HitOrder before_;
  size_t count_;
};

// The best hits, offered in any order: a heap with the worst on top.
class HeapHits {
 public:
  HeapHits(std::span<Hit> hits, size_t k, HitOrder before)
      : hits_(hits.first(k)), before_(before) {}

  bool Wants(float distance) const {
    return count_ < hits_.size() || distance <= hits_.front().distance;
  }
  void Offer(Hit hit) {
    if (count_ < hits_.size()) {
      hits_[count_++] = hit;
      std::push_heap(hits_.begin(), end(), before_);
    } else if (before_(hit, hits_.front())) {
      std::pop_heap(hits_.begin(), hits_.end(), before_);
      hits_.back() = hit;
      std::push_heap(hits_.begin(), hits_.end(), before_);
    }
  }
  size_t Finish() {
    std::sort_heap(hits_.begin(), end(), before_);
    return count_;
  }

 private:
  std::span<Hit>::iterator end() const {
    return hits_.begin() + static_cast<std::ptrdiff_t>(count_);
  }

  std::span<Hit> hits_;
  const HitOrder before_;
  size_t count_ = 0;
};

// Keeps the `k` least of all distances that are offered: a heap with the greatest in front.
inline void KeepLeast(std::vector<float>& heap, size_t k, float distance) {
  if (heap.size() == k) {
    if (distance >= heap.front()) return;
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
  }
  heap.push_back(distance);
  std::push_heap(heap.begin(), heap.end());
}

}  // namespace vitrine
