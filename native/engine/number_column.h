#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "engine/entry_set.h"

namespace vitrine {

// Numbers between two others.
struct NumberRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_is_in = true;
  bool high_is_in = true;

  static NumberRange Only(double number) { return {number, number}; }
  // Whether the number is not too small, and not too large.
  bool Reaches(double number) const { return low_is_in ? number >= low : number > low; }
  bool Admits(double number) const { return high_is_in ? number <= high : number < high; }
  friend bool operator==(const NumberRange&, const NumberRange&) = default;
};

// Which entries have which numbers: pairs in ascending order, in blocks of some hundreds.
class NumberColumn {
 public:
  // May throw std::bad_alloc, and then nothing changed.
  //   number  finite, not -0
  void Add(double number, EntryId entry);
  // Does not fail. Nothing happens when it is not there.
  void Remove(double number, EntryId entry);

  // How many pairs lie in the range.
  size_t Count(const NumberRange& range) const;
  void AddTo(const NumberRange& range, EntryBitmap& bitmap) const;
  size_t memory_bytes() const {
    return blocks_.size() * sizeof(Block) + blocks_.capacity() * sizeof(blocks_[0]);
  }

 private:
  static constexpr size_t kBlock = 512;
  struct Block {
    size_t size = 0;
    double numbers[kBlock];
    EntryId entries[kBlock];

    bool IsBefore(size_t i, double number, EntryId entry) const {
      return numbers[i] != number ? numbers[i] < number : entries[i] < entry;
    }
    size_t LowerBound(double number, EntryId entry) const;
    void Open(size_t at);
    void Close(size_t at);
    void MoveTail(size_t from, Block& to);
  };

  // The block in which a pair is, or belongs.
  size_t BlockOf(double number, EntryId entry) const;
  // Calls visit(block, begin, end) for each run of pairs in the range.
  template <typename Visitor>
  void ForEachRun(const NumberRange& range, Visitor visit) const;

  std::vector<std::unique_ptr<Block>> blocks_;  // none is empty
};

}  // namespace vitrine
