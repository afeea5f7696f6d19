#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stats/histogram_layout.h"

namespace vitrine {

// The cells of one or more histograms, added up.
struct HistogramTotals {
  const HistogramLayout* layout = nullptr;  // null: nothing was observed yet
  // From the cell `first` on; those before and behind are 0. Most observations of one kind are much
  // alike.
  size_t first = 0;
  std::vector<uint64_t> cells;
  uint64_t sum = 0;  // of the observations
  uint64_t max = 0;

  uint64_t cell(size_t place) const {
    return place >= first && place - first < cells.size() ? cells[place - first] : 0;
  }
  uint64_t count() const;
  // Adds what another one of the same layout holds. May throw std::bad_alloc.
  void Add(const HistogramTotals& other);
  // Where the cells from `begin` on are, to `end` at least. May throw std::bad_alloc.
  uint64_t* Cover(size_t begin, size_t end);
  // What came after `earlier`, which is an earlier state of the same. The greatest of it is known
  // to its cell only, unless it is the greatest of all.
  HistogramTotals Since(const HistogramTotals& earlier) const;
};

// A histogram that one thread observes into, in 2.3 KB, and others read meanwhile. They read no
// more than was observed into: that is near to each other, and all cells are more than what a
// processor fetches in a microsecond.
//
// Thread safety: `Observe`, `Absorb` and moves are for one thread at a time; `AddTo` for any.
class Histogram {
 public:
  // Has no cells.
  Histogram() = default;
  // Has none either when memory is refused. `layout` outlives it.
  explicit Histogram(const HistogramLayout& layout);
  Histogram(Histogram&&) = default;
  Histogram& operator=(Histogram&&) = default;

  // The others are for one that has.
  bool has_cells() const { return words_ != nullptr; }

  void Observe(uint64_t value) {
    const size_t cell = layout().CellOf(value);
    if (Add(kCells + cell, 1) == 0) [[unlikely]]
      Touch(uint64_t{1} << (cell / kBlock));
    Add(kSum, value);
    if (value > Load(kMax)) Store(kMax, value);
  }
  // May throw std::bad_alloc.
  void AddTo(HistogramTotals& totals) const;
  // Takes over what another one holds, which nobody observes into any more.
  void Absorb(const Histogram& other);

  size_t memory_bytes() const { return sizeof(*this) + words() * sizeof(words_[0]); }

 private:
  // One allocation: layout, sum, greatest, a bit for each block of cells in which something is, and
  // the cells. A reader has to fetch nothing else.
  union Word {
    Word() : number(0) {}
    const HistogramLayout* layout;
    // Relaxed: each is a number of its own, with one writer; partner: AddTo. A reader who has not
    // seen a bit yet may not have seen what is in its block either, and takes it for observed
    // later.
    std::atomic<uint64_t> number;
  };
  static constexpr size_t kLayout = 0;
  static constexpr size_t kSum = 1;
  static constexpr size_t kMax = 2;
  static constexpr size_t kTouched = 3;
  static constexpr size_t kCells = 4;
  // As many as a cache line holds.
  static constexpr size_t kBlock = 8;
  static_assert(HistogramLayout::kMostCells <= 64 * kBlock);

  const HistogramLayout& layout() const { return *words_[kLayout].layout; }
  size_t words() const { return kCells + layout().cells(); }
  uint64_t Load(size_t word) const { return words_[word].number.load(std::memory_order_relaxed); }
  void Store(size_t word, uint64_t n) { words_[word].number.store(n, std::memory_order_relaxed); }
  // Returns what was there before.
  uint64_t Add(size_t word, uint64_t n) {
    const uint64_t before = Load(word);
    Store(word, before + n);
    return before;
  }
  void Touch(uint64_t blocks) { Store(kTouched, Load(kTouched) | blocks); }
  // Calls `visit(begin, end)` for each block of cells in which something is.
  template <typename Visit>
  void ForEachBlock(uint64_t touched, Visit visit) const;

  std::unique_ptr<Word[]> words_;
};

}  // namespace vitrine
