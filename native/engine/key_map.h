#pragma once

#include <cstddef>
#include <cstdint>

#include "base/word_table.h"
#include "engine/point_record.h"

namespace vitrine {

// The number under which a collection keeps a point, and its table knows it.
using EntryId = uint32_t;
inline constexpr EntryId kNoEntry = 0xffffffffu;

// Keys to entries: open addressing with linear probing, four bytes a point; a key is compared where
// its record keeps it. The hash has a random key, so that nobody can choose ids that collide.
//
// Not thread-safe: the collection guards it.
class KeyMap {
 public:
  // Where the key of an entry stands.
  class Keys {
   public:
    virtual ~Keys() = default;
    virtual PointKey KeyOf(EntryId entry) const = 0;
  };

  // `keys` outlives the map.
  explicit KeyMap(const Keys& keys);

  // kNoEntry when there is none.
  EntryId Find(const PointKey& key) const;
  // Makes room for `count` keys in all. May throw std::bad_alloc.
  //   region  where it comes from, kRegionBytes a key or less; may be null
  void Reserve(size_t count, PageRegion* region = nullptr);
  static constexpr size_t kRegionBytes = 2 * sizeof(EntryId);
  // REQUIRES: room was reserved; no entry has that key
  void Put(EntryId entry);
  // The same of entries [first, first + count), whose keys others may have; false if so, and then
  // some of them are there.
  bool PutNew(EntryId first, size_t count);
  // REQUIRES: the entry is there
  void Erase(EntryId entry);

  size_t size() const { return size_; }
  size_t memory_bytes() const { return words_.memory_bytes(); }

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (const EntryId entry : words_) {
      if (entry != kNoEntry) visit(entry);
    }
  }

 private:
  size_t HomeOf(const PointKey& key) const;
  void PutUnchecked(EntryId entry);
  // From the home of its key on.
  bool PutNewFrom(size_t at, EntryId entry);

  const Keys& keys_;
  const uint64_t hash_key_[2];
  WordTable words_;  // a power of two, at most 3/4 full
  size_t size_ = 0;
};

}  // namespace vitrine
