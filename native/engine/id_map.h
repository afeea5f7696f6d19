#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/slot.h"
#include "base/word_table.h"

namespace vitrine {

// Where a point is: the row it owns, or the row of an equal vector that it shares.
struct PointRef {
  static constexpr uint32_t kSharedBit = 0x80000000u;
  static constexpr uint32_t kAbsent = kNoSlot;

  uint32_t word = kAbsent;

  static PointRef Owner(Slot slot) { return {slot}; }
  static PointRef Shared(Slot slot) { return {slot | kSharedBit}; }
  bool present() const { return word != kAbsent; }
  bool shared() const { return (word & kSharedBit) != 0; }
  Slot slot() const { return word & ~kSharedBit; }
  friend bool operator==(PointRef, PointRef) = default;
};

// Ids to rows: open addressing with linear probing. A point that owns its row is stored by slot
// alone, four bytes, and its id is compared where the table keeps it; only points that share a row
// carry their id here as well.
//
// Not thread-safe: the table guards it.
class IdMap {
 public:
  // Where the id of a row's owner stands.
  class OwnerIds {
   public:
    virtual ~OwnerIds() = default;
    virtual PointId OwnerId(Slot slot) const = 0;
  };

  explicit IdMap(const OwnerIds& owners) : owners_(owners) {}

  PointRef Find(PointId id) const;
  // Asks memory for what Find and Put of `id` will look at first.
  void Prefetch(PointId id) const;
  // Makes room so that `count` ids in all, of which `shared` more than now share a row, fit without
  // another allocation. May throw std::bad_alloc.
  //   region  of what all ids need, kRegionBytes an id or less; may be null
  void Reserve(size_t count, size_t shared, PageRegion* region = nullptr);
  static constexpr size_t kRegionBytes = 2 * sizeof(uint32_t);
  // Points `id` to `ref`, new or not. REQUIRES: room was reserved; an owner's id is in place.
  void Put(PointId id, PointRef ref);
  // The same of an id that is not there, of the owner of a row.
  void PutNewOwner(PointId id, Slot slot);
  // REQUIRES: the id is there
  void Erase(PointId id);
  // Forgets all ids; what was reserved stays.
  void Clear();

  size_t size() const { return size_; }
  size_t memory_bytes() const;

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (const uint32_t word : words_) {
      if (word == PointRef::kAbsent) continue;
      const PointRef ref = Decode(word);
      visit(IdOf(word), ref);
    }
  }

  // Calls visit(ref) for each point; cheaper than ForEach, for no id is looked up.
  template <typename Visitor>
  void ForEachRef(Visitor visit) const {
    for (const uint32_t word : words_) {
      if (word != PointRef::kAbsent) visit(Decode(word));
    }
  }

 private:
  // A word is a slot, or kSharedBit and the index of an entry of `shared_`.
  struct SharedPoint {
    PointId id;
    Slot slot;
  };

  PointId IdOf(uint32_t word) const;
  PointRef Decode(uint32_t word) const;
  size_t FindPlace(PointId id) const;
  void Rehash(size_t capacity, PageRegion* region);

  const OwnerIds& owners_;
  WordTable words_;  // a power of two, at most 7/8 full
  size_t size_ = 0;
  std::vector<SharedPoint> shared_;
  std::vector<uint32_t> free_shared_;
};

}  // namespace vitrine
