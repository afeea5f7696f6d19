#include "engine/key_map.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <vector>

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
  WordTable words(capacity, kNoEntry, region);
  // In the order of their numbers, in which records stand: in that of the words each key would be a
  // line of memory to wait for.
  std::vector<uint64_t> there;
  for (const EntryId entry : words_) {
    if (entry == kNoEntry) continue;
    if (entry / 64 >= there.size())
      there.resize(std::max<size_t>(2 * there.size(), entry / 64 + 1));
    there[entry / 64] |= uint64_t{1} << (entry % 64);
  }
  words_.swap(words);
  std::array<EntryId, kTogether> entries;
  size_t count_of_some = 0;
  const auto place = [&] {
    std::array<uint64_t, kTogether> hashes;
    HashAhead(std::span(entries).first(count_of_some), hashes);
    for (size_t i = 0; i < count_of_some; ++i) Place(hashes[i], entries[i]);
    count_of_some = 0;
  };
  for (size_t i = 0; i < there.size(); ++i) {
    for (uint64_t bits = there[i]; bits != 0; bits &= bits - 1) {
      entries[count_of_some++] =
          static_cast<EntryId>(64 * i + static_cast<size_t>(std::countr_zero(bits)));
      if (count_of_some == kTogether) place();
    }
  }
  place();
}

// What some entries hash to; their words are on the way to the cache when this returns.
void KeyMap::HashAhead(std::span<const EntryId> entries,
                       std::array<uint64_t, kTogether>& hashes) const {
  for (size_t i = 0; i < entries.size(); ++i) {
    hashes[i] = HashOf(keys_.KeyOf(entries[i]));
    Prefetch(&words_[HomeOf(hashes[i])]);
  }
}

void KeyMap::Place(uint64_t hash, EntryId entry) {
  size_t at = HomeOf(hash);
  while (words_[at] != kNoEntry) at = (at + 1) & (words_.size() - 1);
  words_[at] = entry;
}

void KeyMap::Put(EntryId entry) {
  Place(HashOf(keys_.KeyOf(entry)), entry);
  ++size_;
}

KeyMap::Filling::Filling(KeyMap& map, size_t limit)
    : map_(map), entry_bits_(static_cast<unsigned>(std::bit_width(limit))) {}

KeyMap::Filling::~Filling() {
  const uint32_t mask = entry_mask();
  for (uint32_t& word : map_.words_) word = word == kNoEntry ? word : word & mask;
}

bool KeyMap::Filling::Put(EntryId first, size_t count) {
  std::array<EntryId, kTogether> entries;
  std::array<uint64_t, kTogether> hashes;
  for (size_t done = 0; done < count; done += kTogether) {
    const size_t some = std::min(kTogether, count - done);
    std::iota(entries.begin(), entries.end(), static_cast<EntryId>(first + done));
    map_.HashAhead(std::span(entries).first(some), hashes);
    for (size_t i = 0; i < some; ++i) {
      if (!PutOne(hashes[i], entries[i])) return false;
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
