#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/pages.h"
#include "base/platform.h"
#include "base/slot.h"

namespace vitrine {

// Fixed-size rows addressed by slot, which grow without ever moving: readers keep using a row
// while a writer adds more.
//
// Chunk 0 holds the first 2^shift rows, and chunk c > 0 the rows from 2^(shift + c - 1) up to twice
// that, so a handful of pointers reaches every slot and none of them changes once it is set. A row
// costs a bit scan, one load and one multiplication. Fresh rows are zero. Pages that nobody has
// written to are not resident, so the unused half of the last chunk costs address space only.
//
// Thread safety: `Grow` needs one writer at a time. `Row` may run beside it for any slot whose
// number reached the reader through a release/acquire pair that follows the `Grow` (the link, the
// published count or the id map that led there).
class SlotRows {
 public:
  // Of the first chunk, about; others are not smaller.
  static constexpr size_t kLeastChunkBytes = size_t{8} << 10;

  // Rows of `row_bytes` bytes, of which the first chunk has a power of two, 4,096 at most.
  explicit SlotRows(size_t row_bytes, PageBlock::Pages pages = PageBlock::Pages::kHuge)
      : row_bytes_(row_bytes), pages_(pages) {
    while (shift_ < 12 && (row_bytes_ << shift_) < kLeastChunkBytes) ++shift_;
  }
  SlotRows(const SlotRows&) = delete;
  SlotRows& operator=(const SlotRows&) = delete;
  ~SlotRows();

  // Makes rows [0, count) addressable; false when memory is refused, and then nothing changed
  // that matters: rows that were there before stay.
  //   region  where they come from, if all of them will be written to at once; may be null
  [[nodiscard]] bool Grow(size_t count, PageRegion* region = nullptr);
  // Makes rows [0, count) those at `rows`, which are `row_bytes` apart, outlive the object and are
  // only read.
  // REQUIRES: there are none yet, and Grow is not called for more
  void Borrow(const std::byte* rows, size_t row_bytes, size_t count);
  // Gives back what memory it can of rows [first, first + count). Each may be used again once it
  // has been written to. REQUIRES: Grow made room for them, and nobody reads them
  void Discard(Slot first, size_t count);

  // Where rows are, for a loop that asks for many: compilers keep its members in registers. Of
  // rows that are there and those that Grow adds; outlived by the SlotRows.
  class Places {
   public:
    Places(const std::atomic<uintptr_t>* bases, size_t row_bytes, unsigned shift)
        : bases_(bases), row_bytes_(row_bytes), shift_(shift) {}

    VITRINE_ALWAYS_INLINE std::byte* Row(Slot slot) const {
      // bases_[c] is the address that row 0 would have if chunk c reached down to it: unsigned
      // arithmetic, because that address is not inside the chunk.
      const auto chunk = static_cast<size_t>(std::bit_width(slot >> shift_));
      const uintptr_t base = bases_[chunk].load(std::memory_order_relaxed);
      return reinterpret_cast<std::byte*>(base +  // NOLINT
                                          static_cast<uintptr_t>(slot) * row_bytes_);
    }

   private:
    const std::atomic<uintptr_t>* bases_;
    size_t row_bytes_;
    unsigned shift_;
  };
  VITRINE_ALWAYS_INLINE Places places() const { return {base_, row_bytes_, shift_}; }
  VITRINE_ALWAYS_INLINE std::byte* Row(Slot slot) const { return places().Row(slot); }

  size_t row_bytes() const { return row_bytes_; }
  // Rows that can be addressed; acquire, partner of `Grow`: each of them can be.
  size_t capacity() const { return capacity_.load(std::memory_order_acquire); }
  // Bytes of the blocks that they lie in; of those that are borrowed too.
  size_t reserved_bytes() const { return capacity() * row_bytes_; }

 private:
  static constexpr size_t kChunks = 31;

  VITRINE_ALWAYS_INLINE size_t ChunkOf(Slot slot) const {
    return static_cast<size_t>(std::bit_width(slot >> shift_));
  }
  size_t FirstOf(size_t chunk) const { return chunk == 0 ? 0 : size_t{1} << (shift_ + chunk - 1); }
  size_t CountOf(size_t chunk) const {
    return size_t{1} << (shift_ + (chunk == 0 ? 0 : chunk - 1));
  }

  bool HasOwnPages(size_t chunk) const;

  size_t row_bytes_;
  const PageBlock::Pages pages_;
  unsigned shift_ = 4;
  std::atomic<size_t> capacity_{0};
  // Relaxed loads and stores: ordering comes with the slot number (see above).
  std::atomic<uintptr_t> base_[kChunks] = {};
  PageBlock blocks_[kChunks];  // at the first of the chunks that lie in one
};

// SlotRows of one trivially copyable value a row.
template <typename T>
class SlotArray {
  static_assert(std::is_trivially_copyable_v<T> || std::is_trivially_destructible_v<T>);

 public:
  SlotArray() : rows_(sizeof(T)) {}
  [[nodiscard]] bool Grow(size_t count, PageRegion* region = nullptr) {
    return rows_.Grow(count, region);
  }
  // All of rows [0, count) are `value`, which outlives the object and is only read.
  // REQUIRES: there are none yet, and Grow is not called for more
  void BorrowOne(const T& value, size_t count) {
    rows_.Borrow(reinterpret_cast<const std::byte*>(&value), 0, count);  // NOLINT
  }
  SlotRows::Places places() const { return rows_.places(); }
  VITRINE_ALWAYS_INLINE T& operator[](Slot slot) const {
    return *reinterpret_cast<T*>(rows_.Row(slot));
  }  // NOLINT
  size_t capacity() const { return rows_.capacity(); }
  size_t reserved_bytes() const { return rows_.reserved_bytes(); }

 private:
  SlotRows rows_;
};

// One bit a slot, readable while writers set and clear bits.
class SlotBitmap {
 public:
  // Makes the bits of slots [0, count) addressable; new bits are clear.
  [[nodiscard]] bool Grow(size_t count) { return words_.Grow((count + 63) / 64); }
  size_t capacity() const { return words_.capacity() * 64; }
  size_t reserved_bytes() const { return words_.reserved_bytes(); }

  // Acquire: a set bit orders what its writer did before setting it.
  bool Test(Slot slot) const {
    return (words_[slot / 64].load(std::memory_order_acquire) >> (slot % 64)) & 1;
  }
  // Both return whether the bit changed. Release: partner of the acquire in Test and Word.
  bool Set(Slot slot) const {
    const uint64_t bit = uint64_t{1} << (slot % 64);
    return (words_[slot / 64].fetch_or(bit, std::memory_order_acq_rel) & bit) == 0;
  }
  bool Clear(Slot slot) const {
    const uint64_t bit = uint64_t{1} << (slot % 64);
    return (words_[slot / 64].fetch_and(~bit, std::memory_order_acq_rel) & bit) != 0;
  }
  // The bits of a word at once. Release: as Set.
  void SetWord(size_t index, uint64_t bits) const {
    words_[static_cast<Slot>(index)].store(bits, std::memory_order_release);
  }
  // The bits of word `index` that stand for slots below `count`.
  static uint64_t WordOfFirst(size_t count, size_t index) {
    return count / 64 > index ? ~uint64_t{0} : (uint64_t{1} << (count % 64)) - 1;
  }
  uint64_t Word(size_t index) const {
    return words_[static_cast<Slot>(index)].load(std::memory_order_acquire);
  }

 private:
  SlotArray<std::atomic<uint64_t>> words_;
};

}  // namespace vitrine
