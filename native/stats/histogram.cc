#include "stats/histogram.h"

#include <algorithm>
#include <bit>
#include <new>
#include <numeric>

namespace vitrine {

uint64_t HistogramTotals::count() const {
  return std::accumulate(cells.begin(), cells.end(), uint64_t{0});
}

uint64_t* HistogramTotals::Cover(size_t begin, size_t end) {
  if (cells.empty()) {
    first = begin;
    cells.resize(end - begin);
    return cells.data();
  }
  if (begin < first) {
    cells.insert(cells.begin(), first - begin, 0);
    first = begin;
  }
  if (end > first + cells.size()) cells.resize(end - first);
  return cells.data() + (begin - first);
}

void HistogramTotals::Add(const HistogramTotals& other) {
  if (other.layout == nullptr) return;
  layout = other.layout;
  uint64_t* const to = Cover(other.first, other.first + other.cells.size());
  for (size_t i = 0; i < other.cells.size(); ++i) to[i] += other.cells[i];
  sum += other.sum;
  max = std::max(max, other.max);
}

HistogramTotals HistogramTotals::Since(const HistogramTotals& earlier) const {
  HistogramTotals later = *this;
  if (earlier.layout == nullptr || layout == nullptr) return later;
  later.sum -= earlier.sum;
  size_t last = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    later.cells[i] -= earlier.cell(first + i);
    if (later.cells[i] != 0) last = first + i;
  }
  if (max == earlier.max) {
    later.max = later.count() == 0 ? 0 : std::min(max, layout->upper(last));
  }
  return later;
}

Histogram::Histogram(const HistogramLayout& layout)
    : words_(new(std::nothrow) Word[kCells + layout.cells()]) {
  if (words_ != nullptr) words_[kLayout].layout = &layout;
}

template <typename Visit>
void Histogram::ForEachBlock(uint64_t touched, Visit visit) const {
  for (; touched != 0; touched &= touched - 1) {
    const size_t begin = static_cast<size_t>(std::countr_zero(touched)) * kBlock;
    visit(begin, std::min(begin + kBlock, layout().cells()));
  }
}

void Histogram::AddTo(HistogramTotals& totals) const {
  totals.layout = &layout();
  totals.sum += Load(kSum);
  totals.max = std::max(totals.max, Load(kMax));
  const uint64_t touched = Load(kTouched);
  if (touched == 0) return;
  const size_t first = static_cast<size_t>(std::countr_zero(touched)) * kBlock;
  const size_t behind = static_cast<size_t>(std::bit_width(touched)) * kBlock;
  uint64_t* const to = totals.Cover(first, std::min(behind, layout().cells()));
  ForEachBlock(touched, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) to[i - first] += Load(kCells + i);
  });
}

void Histogram::Absorb(const Histogram& other) {
  Store(kMax, std::max(Load(kMax), other.Load(kMax)));
  Add(kSum, other.Load(kSum));
  const uint64_t touched = other.Load(kTouched);
  ForEachBlock(touched, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) Add(kCells + i, other.Load(kCells + i));
  });
  Touch(touched);
}

}  // namespace vitrine
