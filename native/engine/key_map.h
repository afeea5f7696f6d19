#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

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
  // Puts the entries of a file, whose keys may be the same, into an empty map.
  class Filling;
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
  uint64_t HashOf(const PointKey& key) const;
  size_t HomeOf(uint64_t hash) const { return static_cast<size_t>(hash) & (words_.size() - 1); }
  // Entries whose hashes are worked out before the first is looked for.
  static constexpr size_t kTogether = 32;
  void HashAhead(std::span<const EntryId> entries, std::array<uint64_t, kTogether>& hashes) const;
  void Place(uint64_t hash, EntryId entry);

  const Keys& keys_;
  const uint64_t hash_key_[2];
  WordTable words_;  // a power of two, at most 3/4 full
  size_t size_ = 0;
};

// As long as it lives, a word of the map has bits of its key's hash where its entry leaves room:
// nearly all keys that meet differ there, and no record is looked at. Then the map can be used.
class KeyMap::Filling {
 public:
  //   limit  no entry has this number, or a higher one
  // REQUIRES: the map outlives the object, is empty, and has room for all that is put
  Filling(KeyMap& map, size_t limit);
  Filling(const Filling&) = delete;
  Filling& operator=(const Filling&) = delete;
  ~Filling();

  // Entries [first, first + more); false if a key is there already, and then some of them are.
  bool Put(EntryId first, size_t more);

 private:
  uint32_t entry_mask() const { return static_cast<uint32_t>((uint64_t{1} << entry_bits_) - 1); }
  bool PutOne(uint64_t hash, EntryId entry);

  KeyMap& map_;
  const unsigned entry_bits_;  // no entry has them all: none looks like kNoEntry
};

}  // namespace vitrine
