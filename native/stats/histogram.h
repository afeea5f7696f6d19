#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stats/histogram_layout.h"

namespace vitrine {

// The cells of one or more histograms, added up.
struct HistogramTotals {
  const HistogramLayout* layout = nullptr;  // null: nothing was observed yet
  std::vector<uint64_t> cells;              // [layout->cells()]
  uint64_t sum = 0;                         // of the observations
  uint64_t max = 0;

  uint64_t count() const;
  // What came after `earlier`, which is an earlier state of the same. The greatest of it is known
  // to its cell only, unless it is the greatest of all.
  HistogramTotals Since(const HistogramTotals& earlier) const;
};

// A histogram that one thread observes into, in 2.3 KB, and others read meanwhile.
//
// Thread safety: `Observe` and `Absorb` are for one thread at a time; `AddTo` for any.
class Histogram {
 public:
  // Null when memory is refused. `layout` outlives it.
  static std::unique_ptr<Histogram> Create(const HistogramLayout& layout);

  void Observe(uint64_t value) {
    Add(kCells + layout_.CellOf(value), 1);
    Add(kSum, value);
    if (value > words_[kMax].load(std::memory_order_relaxed)) {
      words_[kMax].store(value, std::memory_order_relaxed);
    }
  }
  void AddTo(HistogramTotals& totals) const;
  // Takes over what another one holds, which nobody observes into any more.
  void Absorb(const Histogram& other);

  size_t memory_bytes() const { return sizeof(*this) + words() * sizeof(words_[0]); }

 private:
  // One allocation: sum, greatest, and the cells.
  static constexpr size_t kSum = 0;
  static constexpr size_t kMax = 1;
  static constexpr size_t kCells = 2;
  using Words = std::unique_ptr<std::atomic<uint64_t>[]>;

  Histogram(const HistogramLayout& layout, Words words)
      : layout_(layout), words_(std::move(words)) {}
  size_t words() const { return kCells + layout_.cells(); }
  void Add(size_t word, uint64_t n) {
    words_[word].store(words_[word].load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  const HistogramLayout& layout_;
  // Relaxed: each is a number of its own, with one writer; partner: AddTo.
  const Words words_;
};

}  // namespace vitrine
