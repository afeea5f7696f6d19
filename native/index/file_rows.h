#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/slot.h"
#include "index/mapped_rows.h"

namespace vitrine {

// Which rows of a store lie in a mapped file, and where in it. The others are in memory, and so is
// a row from the moment on at which it is written.
//
// Thread safety: const functions may be called from any thread.
class FileRows {
 public:
  // None of rows [0, slots) yet. May throw std::bad_alloc.
  FileRows(std::unique_ptr<const MappedRows> mapped, size_t slots)
      : mapped_(std::move(mapped)),
        slots_(slots),
        places_(std::make_unique<std::atomic<Slot>[]>(slots)) {
    for (size_t i = 0; i < slots; ++i) places_[i].store(kNoSlot, std::memory_order_relaxed);
  }
  FileRows(const FileRows&) = delete;
  FileRows& operator=(const FileRows&) = delete;

  // Row `slot` is row `place` of the file. REQUIRES: nobody reads yet; slot < slots
  void SetPlace(Slot slot, Slot place) { places_[slot].store(place, std::memory_order_relaxed); }
  // Row `slot` is in memory from now on. Who learns of what is written there learns of this first,
  // as of its bytes.
  void Leave(Slot slot) const {
    if (slot < slots_) places_[slot].store(kNoSlot, std::memory_order_relaxed);
  }
  // The row of the file that row `slot` is; kNoSlot: it is in memory.
  Slot PlaceOf(Slot slot) const {
    return slot < slots_ ? places_[slot].load(std::memory_order_relaxed) : kNoSlot;
  }
  const MappedRows& mapped() const { return *mapped_; }
  size_t memory_bytes() const { return slots_ * sizeof(Slot) + mapped_->memory_bytes(); }

 private:
  const std::unique_ptr<const MappedRows> mapped_;
  const size_t slots_;
  const std::unique_ptr<std::atomic<Slot>[]> places_;
};

}  // namespace vitrine
