#include "stats/histogram.h"

#include <algorithm>
#include <new>
#include <numeric>

namespace vitrine {

uint64_t HistogramTotals::count() const {
  return std::accumulate(cells.begin(), cells.end(), uint64_t{0});
}

HistogramTotals HistogramTotals::Since(const HistogramTotals& earlier) const {
  HistogramTotals later = *this;
  if (earlier.layout == nullptr || layout == nullptr) return later;
  later.sum -= earlier.sum;
  size_t last = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    later.cells[i] -= earlier.cells[i];
    if (later.cells[i] != 0) last = i;
  }
  if (max == earlier.max) {
    later.max = later.count() == 0 ? 0 : std::min(max, layout->upper(last));
  }
  return later;
}

std::unique_ptr<Histogram> Histogram::Create(const HistogramLayout& layout) {
  Words words(new (std::nothrow) std::atomic<uint64_t>[kCells + layout.cells()]());
  if (words == nullptr) return nullptr;
  return std::unique_ptr<Histogram>(new (std::nothrow) Histogram(layout, std::move(words)));
}

void Histogram::AddTo(HistogramTotals& totals) const {
  if (totals.layout == nullptr) {
    totals.layout = &layout_;
    totals.cells.resize(layout_.cells());
  }
  for (size_t i = 0; i < totals.cells.size(); ++i) {
    totals.cells[i] += words_[kCells + i].load(std::memory_order_relaxed);
  }
  totals.sum += words_[kSum].load(std::memory_order_relaxed);
  totals.max = std::max(totals.max, words_[kMax].load(std::memory_order_relaxed));
}

void Histogram::Absorb(const Histogram& other) {
  const uint64_t max = other.words_[kMax].load(std::memory_order_relaxed);
  if (max > words_[kMax].load(std::memory_order_relaxed)) {
    words_[kMax].store(max, std::memory_order_relaxed);
  }
  for (size_t i = 0; i < words(); ++i) {
    if (i != kMax) Add(i, other.words_[i].load(std::memory_order_relaxed));
  }
}

}  // namespace vitrine
