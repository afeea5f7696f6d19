#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/slot.h"
#include "base/status.h"

namespace vitrine {

// Rows of vectors that lie in a mapped file, and are verified a block of bytes at a time, before
// the first row of the block is used.
//
// Thread safety: all functions may be called from any thread.
class MappedRows {
 public:
  struct Layout {
    const std::byte* data;  // row 0, with which block 0 begins
    size_t count;           // rows
    size_t row_bytes;       // from one row to the next
    size_t used_bytes;      // of a row, that are read; at least 1
    size_t block_bytes;     // a power of two
  };
  // Whether the bytes of a block are what was written, and if not, why. Runs on many threads at
  // once, for one block too. Keeps alive what the rows lie in.
  using VerifyBlock = std::function<Status(size_t block)>;

  // What is known of the blocks at first.
  enum class Known : uint8_t { kNothing, kVerified };

  // May throw std::bad_alloc.
  MappedRows(const Layout& layout, VerifyBlock verify, Known known = Known::kNothing);
  MappedRows(const MappedRows&) = delete;
  MappedRows& operator=(const MappedRows&) = delete;

  const Layout& layout() const { return layout_; }
  // What is in memory for their sake.
  size_t memory_bytes() const { return words_ * sizeof(uint64_t) + zeros_.size(); }

  bool IsVerified(Slot slot) const {
    const size_t last = LastBlock(slot);
    for (size_t block = FirstBlock(slot); block <= last; ++block) {
      // Acquire; partner: the release in Verify. What was verified stays readable.
      const uint64_t word = verified_[block / 64].load(std::memory_order_acquire);
      if (((word >> (block % 64)) & 1) == 0) return false;
    }
    return true;
  }
  // Verifies what has not been verified of row `slot`. What fails is tried again the next time.
  Status Verify(Slot slot) const;
  Status VerifyAll() const;
  // Forgets that blocks were verified: each is once more before it is used.
  void Distrust() const;
  // Verifies the blocks of row `slot` whether they were before or not, but for `block`, which
  // becomes the last of them: for who copies rows in order, and must not copy what has changed
  // since.
  Status VerifyAgain(Slot slot, size_t& block) const;
  static constexpr size_t kNoBlock = SIZE_MAX;

  const std::byte* Row(Slot slot) const { return layout_.data + slot * layout_.row_bytes; }
  // A row that can be read, in place of one that cannot.
  const std::byte* zeros() const { return zeros_.data(); }

 private:
  size_t FirstBlock(Slot slot) const { return slot * layout_.row_bytes >> shift_; }
  size_t LastBlock(Slot slot) const {
    return (slot * layout_.row_bytes + layout_.used_bytes - 1) >> shift_;
  }

  const Layout layout_;
  const unsigned shift_;
  const VerifyBlock verify_;
  const size_t words_;
  const std::unique_ptr<std::atomic<uint64_t>[]> verified_;  // a bit a block
  const std::vector<std::byte> zeros_;
};

}  // namespace vitrine
