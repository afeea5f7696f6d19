#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/pages.h"

namespace vitrine {

// Words of a hash table, in pages of their own or of a region, which are huge ones where there are
// many: each look at such a table is at another page.
class WordTable {
 public:
  WordTable() = default;
  // `count` words that are `word`. May throw std::bad_alloc: where pages are refused the heap is
  // asked.
  //   region  where they come from; may be null
  WordTable(size_t count, uint32_t word, PageRegion* region)
      : pages_(region != nullptr ? region->Allocate(count * sizeof(uint32_t))
                                 : PageBlock::Allocate(count * sizeof(uint32_t))),
        heap_(pages_.data() == nullptr ? count : 0),
        words_(pages_.data() == nullptr ? heap_.data()
                                        : reinterpret_cast<uint32_t*>(pages_.data())),  // NOLINT
        size_(count) {
    std::fill(begin(), end(), word);
  }
  WordTable(WordTable&& other) noexcept { swap(other); }
  WordTable& operator=(WordTable&& other) noexcept {
    swap(other);
    return *this;
  }
  ~WordTable() = default;

  void swap(WordTable& other) noexcept {
    std::swap(pages_, other.pages_);
    heap_.swap(other.heap_);
    std::swap(words_, other.words_);
    std::swap(size_, other.size_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t memory_bytes() const { return size_ * sizeof(uint32_t); }
  uint32_t& operator[](size_t i) { return words_[i]; }
  const uint32_t& operator[](size_t i) const { return words_[i]; }
  uint32_t* begin() { return words_; }
  uint32_t* end() { return words_ + size_; }
  const uint32_t* begin() const { return words_; }
  const uint32_t* end() const { return words_ + size_; }

 private:
  PageBlock pages_;
  std::vector<uint32_t> heap_;
  uint32_t* words_ = nullptr;
  size_t size_ = 0;
};

}  // namespace vitrine
