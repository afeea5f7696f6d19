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

size_t KeyMap::HomeOf(const PointKey& key) const {
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
  const Digest128 digest = hash.Finish();
  return static_cast<size_t>(LoadLittleEndian<uint64_t>(digest.data())) & (words_.size() - 1);
}

EntryId KeyMap::Find(const PointKey& key) const {
  if (words_.empty()) return kNoEntry;
  for (size_t at = HomeOf(key);; at = (at + 1) & (words_.size() - 1)) {
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
  size_t at = HomeOf(keys_.KeyOf(entry));
  while (words_[at] != kNoEntry) at = (at + 1) & (words_.size() - 1);
  words_[at] = entry;
}

void KeyMap::Put(EntryId entry) {
  PutUnchecked(entry);
  ++size_;
}

bool KeyMap::PutNew(EntryId first, size_t count) {
  constexpr size_t kTogether = 32;
  std::array<size_t, kTogether> homes;
  for (size_t done = 0; done < count; done += kTogether) {
    const size_t some = std::min(kTogether, count - done);
    const auto entry = static_cast<EntryId>(first + done);
    for (size_t i = 0; i < some; ++i) {
      homes[i] = HomeOf(keys_.KeyOf(entry + static_cast<EntryId>(i)));
      Prefetch(&words_[homes[i]]);
    }
    for (size_t i = 0; i < some; ++i) {
      if (!PutNewFrom(homes[i], entry + static_cast<EntryId>(i))) return false;
    }
  }
  return true;
}

bool KeyMap::PutNewFrom(size_t at, EntryId entry) {
  if (words_[at] != kNoEntry) {
    const PointKey key = keys_.KeyOf(entry);
    for (; words_[at] != kNoEntry; at = (at + 1) & (words_.size() - 1)) {
      if (keys_.KeyOf(words_[at]) == key) return false;
    }
  }
  words_[at] = entry;
  ++size_;
  return true;
}

void KeyMap::Erase(EntryId entry) {
  const size_t mask = words_.size() - 1;
  size_t hole = HomeOf(keys_.KeyOf(entry));
  while (words_[hole] != entry) hole = (hole + 1) & mask;
  // What follows moves up, unless that would bring it before its home (Knuth 6.4, algorithm R).
  for (size_t at = (hole + 1) & mask; words_[at] != kNoEntry; at = (at + 1) & mask) {
    const size_t home = HomeOf(keys_.KeyOf(words_[at]));
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    words_[hole] = words_[at];
    hole = at;
  }
  words_[hole] = kNoEntry;
  --size_;
}

}  // namespace vitrine
