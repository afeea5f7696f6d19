#include "engine/key_map.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/prefetch.h"
#include "base/random.h"
#include "base/siphash.h"

namespace vitrine {

KeyMap::KeyMap(const Keys& keys) : keys_(keys), hash_key_{RandomWord(), RandomWord()} {}

uint64_t KeyMap::HashOf(const PointKey& key) const {
  SipHash128 hash(hash_key_[0], hash_key_[1]);
  // Integers and texts must not collide on purpose either: the lengths differ, or the kind does.
  std::array<std::byte, 9> number{};
  if (key.is_text) {
    hash.Append(std::as_bytes(std::span(key.text)));
  } else {
    StoreLittleEndian(number.data(), key.number);
    number[8] = std::byte{0xff};  // no byte of UTF-8
    hash.Append(number);
  }
  return hash.FinishFirst();
}

EntryId KeyMap::Find(const PointKey& key) const {
  if (words_.empty()) return kNoEntry;
  for (size_t at = HomeOf(HashOf(key));; at = (at + 1) & (words_.size() - 1)) {
    if (words_[at] == kNoEntry || keys_.KeyOf(words_[at]) == key) return words_[at];
  }
}

void KeyMap::Reserve(size_t count, PageRegion* region) {
  const size_t capacity = std::bit_ceil(count + count / 3 + 8);
  if (capacity <= words_.size()) return;
  WordTable before(capacity, kNoEntry, region);
  before.swap(words_);
  for (const EntryId entry : before) {
    if (entry != kNoEntry) PutUnchecked(entry);
  }
}

void KeyMap::PutUnchecked(EntryId entry) {
  size_t at = HomeOf(HashOf(keys_.KeyOf(entry)));
  while (words_[at] != kNoEntry) at = (at + 1) & (words_.size() - 1);
  words_[at] = entry;
}

void KeyMap::Put(EntryId entry) {
  PutUnchecked(entry);
  ++size_;
}

KeyMap::Filling::Filling(KeyMap& map, size_t limit)
    : map_(map), entry_bits_(static_cast<unsigned>(std::bit_width(limit))) {}

KeyMap::Filling::~Filling() {
  const uint32_t mask = entry_mask();
  for (uint32_t& word : map_.words_) word = word == kNoEntry ? word : word & mask;
}

bool KeyMap::Filling::Put(EntryId first, size_t count) {
  constexpr size_t kTogether = 32;
  std::array<uint64_t, kTogether> hashes;
  for (size_t done = 0; done < count; done += kTogether) {
    const size_t some = std::min(kTogether, count - done);
    const auto entry = static_cast<EntryId>(first + done);
    for (size_t i = 0; i < some; ++i) {
      hashes[i] = map_.HashOf(map_.keys_.KeyOf(entry + static_cast<EntryId>(i)));
      Prefetch(&map_.words_[map_.HomeOf(hashes[i])]);
    }
    for (size_t i = 0; i < some; ++i) {
      if (!PutOne(hashes[i], entry + static_cast<EntryId>(i))) return false;
    }
  }
  return true;
}

bool KeyMap::Filling::PutOne(uint64_t hash, EntryId entry) {
  const uint32_t mask = entry_mask();
  const uint32_t tag = static_cast<uint32_t>(hash >> 32) & ~mask;
  size_t at = map_.HomeOf(hash);
  for (; map_.words_[at] != kNoEntry; at = (at + 1) & (map_.words_.size() - 1)) {
    const uint32_t word = map_.words_[at];
    if ((word & ~mask) != tag) continue;
    if (map_.keys_.KeyOf(word & mask) == map_.keys_.KeyOf(entry)) return false;
  }
  map_.words_[at] = tag | entry;
  ++map_.size_;
  return true;
}

void KeyMap::Erase(EntryId entry) {
  const size_t mask = words_.size() - 1;
  size_t hole = HomeOf(HashOf(keys_.KeyOf(entry)));
  while (words_[hole] != entry) hole = (hole + 1) & mask;
  // What follows moves up, unless that would bring it before its home (Knuth 6.4, algorithm R).
  for (size_t at = (hole + 1) & mask; words_[at] != kNoEntry; at = (at + 1) & mask) {
    const size_t home = HomeOf(HashOf(keys_.KeyOf(words_[at])));
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    words_[hole] = words_[at];
    hole = at;
  }
  words_[hole] = kNoEntry;
  --size_;
}

}  // namespace vitrine
