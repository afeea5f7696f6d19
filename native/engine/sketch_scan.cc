#include "engine/sketch_scan.h"

#include <algorithm>
#include <cmath>

#include "base/prefetch.h"

namespace vitrine {
namespace {

// Rows looked at together.
constexpr size_t kCloserGroup = 32;
// Rows that are put in order at once; a multiple of the group.
constexpr size_t kFirstOrdered = 128;
// Rows that are left lie this many times the spread of the estimates so far behind the k-th
// nearest. Measured for filters far from the query: some rows lie further across the axes than
// others, and 3 loses two hundredths of the nearest hundred for some queries.
constexpr double kStopSpread = 5;
// Memory for so many times the rows that are wanted.
constexpr size_t kSlack = 4;

// A type of its own, so that it is inlined where rows are ordered.
struct ByDistance {
  bool operator()(const RankedSlot& a, const RankedSlot& b) const {
    return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
  }
};

struct IsBelow {
  float pivot;
  bool operator()(const RankedSlot& row) const { return row.distance < pivot; }
};

// A distance that somewhat more than `wanted` of the rows are likely to be below, so that one pass
// leaves little to be selected from.
float PivotFor(std::span<const RankedSlot> rows, size_t wanted) {
  constexpr size_t kSampledRows = 128;
  float sample[kSampledRows];
  for (size_t i = 0; i < kSampledRows; ++i)
    sample[i] = rows[i * rows.size() / kSampledRows].distance;
  const size_t place =
      std::min(kSampledRows - 1, 2 + wanted * kSampledRows * 3 / (2 * rows.size()));
  std::nth_element(sample, sample + place, sample + kSampledRows);
  return sample[place];
}

// Brings the least of what is left to its front, in order, and returns where they end. Mostly the
// first part is all that is looked at.
size_t OrderMore(std::span<RankedSlot> rows, size_t from) {
  const size_t end = std::min(rows.size(), std::max(kFirstOrdered, 2 * from));
  const auto first = rows.begin() + static_cast<std::ptrdiff_t>(from);
  const auto last = rows.begin() + static_cast<std::ptrdiff_t>(end);
  if (end < rows.size()) {
    const auto near =
        std::partition(first, rows.end(), IsBelow{PivotFor(rows.subspan(from), end - from)});
    if (near > last) {
      std::nth_element(first, last, near, ByDistance{});
    } else if (near < last) {
      std::nth_element(near, last, rows.end(), ByDistance{});
    }
  }
  std::sort(first, last, ByDistance{});
  return end;
}

// The nearest rows so far, with how much too far each was estimated: more than others, for what
// lies across the axes of a sketch is alike as well where two vectors are.
class NearestRows {
 public:
  explicit NearestRows(size_t k) : k_(k) { rows_.reserve(k); }

  void Offer(float distance, double error) {
    const Row row{distance, error};
    if (rows_.size() == k_) {
      if (!(row < rows_.front())) return;
      std::pop_heap(rows_.begin(), rows_.end());
      Count(rows_.back().error, -1);
      rows_.back() = row;
    } else {
      rows_.push_back(row);
    }
    std::push_heap(rows_.begin(), rows_.end());
    Count(error, 1);
  }
  bool IsFull() const { return rows_.size() == k_; }
  // REQUIRES: IsFull()
  float Furthest() const { return rows_.front().distance; }
  // An error that that of a row as near is hardly above.
  double LikelyError() const {
    const double mean = sum_ / static_cast<double>(k_);
    return mean +
           kStopSpread * std::sqrt(std::max(0.0, squares_ / static_cast<double>(k_) - mean * mean));
  }

 private:
  struct Row {
    float distance;
    double error;
    bool operator<(const Row& other) const { return distance < other.distance; }
  };
  void Count(double error, double sign) {
    sum_ += sign * error;
    squares_ += sign * error * error;
  }

  const size_t k_;
  std::vector<Row> rows_;  // a heap, the furthest on top
  double sum_ = 0;         // of errors
  double squares_ = 0;
};

template <typename Scorer, class Counting>
bool LookWith(const Scorer& scorer, std::span<RankedSlot> found, size_t k,
              std::vector<RankedSlot>& ranked, Counting counting) {
  ranked.clear();
  NearestRows nearest(k);
  double squares = 0;
  size_t ordered = 0;
  for (size_t from = 0; from < found.size(); from += kCloserGroup) {
    if (from >= ordered) ordered = OrderMore(found, from);
    if (nearest.IsFull() && from >= 2 * kCloserGroup) {
      const double spread = std::sqrt(squares / static_cast<double>(from));
      const double reach = std::max(kStopSpread * spread, nearest.LikelyError());
      if (found[from].distance > nearest.Furthest() + reach) return true;
    }
    const size_t count = std::min(kCloserGroup, found.size() - from);
    Slot slots[kCloserGroup];
    typename Scorer::RowRef refs[kCloserGroup + 3];
    float distances[kCloserGroup + 3];
    for (size_t i = 0; i < count; ++i) {
      slots[i] = found[from + i].slot;
      refs[i] = scorer.Ref(slots[i]);
      Prefetch(refs[i]);
    }
    scorer.Score(refs, slots, count, distances);
    counting.AddRerankGroup(Scorer::kCompared, count);
    for (size_t i = 0; i < count; ++i) {
      const double error = double{found[from + i].distance} - distances[i];
      squares += error * error;
      ranked.push_back({distances[i], slots[i]});
      nearest.Offer(distances[i], error);
    }
  }
  return false;
}

}  // namespace

LeastEstimates::LeastEstimates(std::vector<RankedSlot>& rows, size_t wanted, float threshold)
    : rows_(rows), wanted_(wanted), room_(kSlack * wanted), threshold_(threshold) {
  rows_.clear();
  rows_.reserve(room_ + SketchStore::kMostRows);
}

void LeastEstimates::Shrink() {
  const auto last = rows_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1;
  std::nth_element(rows_.begin(), last, rows_.end(), ByDistance{});
  threshold_ = last->distance;
  rows_.resize(wanted_);
}

template <class Counting>
bool LookCloser(std::span<RankedSlot> found, size_t k, const QueryScorers& scorers,
                std::vector<RankedSlot>& ranked, Counting counting) {
  const bool stopped = scorers.codes() != nullptr
                           ? LookWith(*scorers.codes(), found, k, ranked, counting)
                           : LookWith(scorers.exact(), found, k, ranked, counting);
  std::sort(ranked.begin(), ranked.end(), ByDistance{});
  return stopped;
}

template bool LookCloser(std::span<RankedSlot>, size_t, const QueryScorers&,
                         std::vector<RankedSlot>&, NoCounting);
template bool LookCloser(std::span<RankedSlot>, size_t, const QueryScorers&,
                         std::vector<RankedSlot>&, SearchCounting);

}  // namespace vitrine
