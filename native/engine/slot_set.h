#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/slot.h"
#include "base/status.h"

namespace vitrine {

// A set of slots whose members can be numbered from 0 without gaps.
class SlotSet {
 public:
  explicit SlotSet(size_t slots) : words_(slots / 64 + 1), before_(slots / 64 + 1) {}

  void Insert(Slot slot) { words_[slot / 64] |= uint64_t{1} << (slot % 64); }
  bool Has(Slot slot) const {
    return slot / 64 < words_.size() && ((words_[slot / 64] >> (slot % 64)) & 1) != 0;
  }

  template <typename Predicate>
  void EraseIf(Predicate predicate) {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t bits = words_[i]; bits != 0; bits &= bits - 1) {
        const size_t bit = static_cast<size_t>(std::countr_zero(bits));
        if (predicate(static_cast<Slot>(i * 64 + bit))) words_[i] &= ~(uint64_t{1} << bit);
      }
    }
  }

  // Gives the members their numbers. REQUIRES: called after the last change, before what follows
  void Number() {
    count_ = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      before_[i] = count_;
      count_ += static_cast<uint32_t>(std::popcount(words_[i]));
    }
  }
  size_t size() const { return count_; }
  // Members are below.
  size_t slots() const { return words_.size() * 64; }
  // REQUIRES: Has(slot)
  uint32_t NumberOf(Slot slot) const {
    const uint64_t below = words_[slot / 64] & ((uint64_t{1} << (slot % 64)) - 1);
    return before_[slot / 64] + static_cast<uint32_t>(std::popcount(below));
  }

  // Calls visit(slot), ascending, until it fails.
  template <typename Visitor>
  Status ForEach(Visitor visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t bits = words_[i]; bits != 0; bits &= bits - 1) {
        const size_t bit = static_cast<size_t>(std::countr_zero(bits));
        VITRINE_RETURN_IF_ERROR(visit(static_cast<Slot>(i * 64 + bit)));
      }
    }
    return {};
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> before_;  // members in earlier words
  uint32_t count_ = 0;
};

}  // namespace vitrine
