#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/key_map.h"

namespace vitrine {

// One bit an entry, for the time of one evaluation.
class EntryBitmap {
 public:
  EntryBitmap() = default;
  // Bits for entries [0, limit), all clear.
  explicit EntryBitmap(size_t limit) : words_((limit + 63) / 64) {}

  size_t limit() const { return words_.size() * 64; }
  void Set(EntryId entry) { words_[entry / 64] |= uint64_t{1} << (entry % 64); }
  void Clear(EntryId entry) { words_[entry / 64] &= ~(uint64_t{1} << (entry % 64)); }
  // False for entries beyond the limit.
  bool Test(EntryId entry) const {
    return entry / 64 < words_.size() && ((words_[entry / 64] >> (entry % 64)) & 1) != 0;
  }
  // More bits, clear. May throw std::bad_alloc.
  void Grow(size_t limit) {
    if (limit > this->limit()) words_.resize((limit + 63) / 64);
  }

  // With a bitmap of the same limit.
  void And(const EntryBitmap& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void Or(const EntryBitmap& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void AndNot(const EntryBitmap& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }
  // How many bits are set, of those that are set in `mask` too; limits may differ.
  size_t CountIn(const EntryBitmap& mask) const {
    size_t count = 0;
    for (size_t i = 0; i < words_.size() && i < mask.words_.size(); ++i) {
      count += static_cast<size_t>(std::popcount(words_[i] & mask.words_[i]));
    }
    return count;
  }
  size_t Count() const { return CountIn(*this); }

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<EntryId>(i * 64 + static_cast<size_t>(std::countr_zero(word))));
      }
    }
  }

  std::vector<uint64_t>& words() { return words_; }
  const std::vector<uint64_t>& words() const { return words_; }
  size_t memory_bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  std::vector<uint64_t> words_;
};

// A set of entries that is kept: a sorted list, or a bitmap once that is smaller.
class EntrySet {
 public:
  // May throw std::bad_alloc, and then nothing changed. Nothing happens when it is there.
  void Add(EntryId entry);
  // Does not fail. Nothing happens when it is not there.
  void Remove(EntryId entry);
  bool Contains(EntryId entry) const;

  size_t size() const { return size_; }
  // Sets the bits of its entries. REQUIRES: all are below the limit
  void AddTo(EntryBitmap& bitmap) const;
  size_t memory_bytes() const { return list_.capacity() * sizeof(EntryId) + bits_.memory_bytes(); }

 private:
  bool is_list() const { return bits_.limit() == 0; }

  std::vector<EntryId> list_;  // ascending; or
  EntryBitmap bits_;
  size_t size_ = 0;
};

}  // namespace vitrine
