#include "engine/id_map.h"

#include <algorithm>

#include "base/prefetch.h"
#include "base/splitmix64.h"

namespace vitrine {
namespace {

constexpr size_t kMinCapacity = 16;

// Ids are often consecutive or aligned.
size_t Hash(PointId id) { return static_cast<size_t>(SplitMix64::Hash(id)); }

size_t CapacityFor(size_t count) {
  size_t capacity = kMinCapacity;
  while (capacity / 8 * 7 < count) capacity *= 2;
  return capacity;
}

}  // namespace

PointId IdMap::IdOf(uint32_t word) const {
  return (word & PointRef::kSharedBit) != 0 ? shared_[word & ~PointRef::kSharedBit].id
                                            : owners_.OwnerId(word);
}

PointRef IdMap::Decode(uint32_t word) const {
  return (word & PointRef::kSharedBit) != 0
             ? PointRef::Shared(shared_[word & ~PointRef::kSharedBit].slot)
             : PointRef::Owner(word);
}

// The place of `id`, or the empty one where it would go. REQUIRES: words_ is not empty.
size_t IdMap::FindPlace(PointId id) const {
  const size_t mask = words_.size() - 1;
  size_t place = Hash(id) & mask;
  while (words_[place] != PointRef::kAbsent && IdOf(words_[place]) != id) {
    place = (place + 1) & mask;
  }
  return place;
}

PointRef IdMap::Find(PointId id) const {
  if (words_.empty()) return {};
  const uint32_t word = words_[FindPlace(id)];
  return word == PointRef::kAbsent ? PointRef{} : Decode(word);
}

void IdMap::Prefetch(PointId id) const {
  if (!words_.empty()) vitrine::Prefetch(&words_[Hash(id) & (words_.size() - 1)]);
}

void IdMap::Reserve(size_t count, size_t shared, PageRegion* region) {
  const size_t capacity = CapacityFor(count);
  if (capacity > words_.size()) Rehash(capacity, region);
  const size_t needed = shared_.size() + shared;
  if (shared_.capacity() < needed) shared_.reserve(std::max(needed, shared_.size() * 3 / 2));
  free_shared_.reserve(shared_.capacity());
}

void IdMap::Rehash(size_t capacity, PageRegion* region) {
  WordTable words(capacity, PointRef::kAbsent, region);
  for (const uint32_t word : words_) {
    if (word == PointRef::kAbsent) continue;
    size_t place = Hash(IdOf(word)) & (capacity - 1);
    while (words[place] != PointRef::kAbsent) place = (place + 1) & (capacity - 1);
    words[place] = word;
  }
  words_.swap(words);
}

void IdMap::Put(PointId id, PointRef ref) {
  const size_t place = FindPlace(id);
  const uint32_t before = words_[place];
  if (before == PointRef::kAbsent) {
    ++size_;
  } else if ((before & PointRef::kSharedBit) != 0) {
    free_shared_.push_back(before & ~PointRef::kSharedBit);
  }
  if (!ref.shared()) {
    words_[place] = ref.slot();
    return;
  }
  uint32_t index = static_cast<uint32_t>(shared_.size());
  if (free_shared_.empty()) {
    shared_.push_back({id, ref.slot()});
  } else {
    index = free_shared_.back();
    free_shared_.pop_back();
    shared_[index] = {id, ref.slot()};
  }
  words_[place] = index | PointRef::kSharedBit;
}

void IdMap::PutNewOwner(PointId id, Slot slot) {
  const size_t mask = words_.size() - 1;
  size_t place = Hash(id) & mask;
  while (words_[place] != PointRef::kAbsent) place = (place + 1) & mask;
  words_[place] = slot;
  ++size_;
}

void IdMap::Erase(PointId id) {
  const size_t mask = words_.size() - 1;
  size_t hole = FindPlace(id);
  if ((words_[hole] & PointRef::kSharedBit) != 0) {
    free_shared_.push_back(words_[hole] & ~PointRef::kSharedBit);
  }
  // Backward shift (Knuth vol. 3, 6.4, algorithm R): whatever the hole would hide moves into it.
  for (size_t next = (hole + 1) & mask; words_[next] != PointRef::kAbsent;
       next = (next + 1) & mask) {
    const size_t home = Hash(IdOf(words_[next])) & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      words_[hole] = words_[next];
      hole = next;
    }
  }
  words_[hole] = PointRef::kAbsent;
  --size_;
}

void IdMap::Clear() {
  std::fill(words_.begin(), words_.end(), PointRef::kAbsent);
  size_ = 0;
  shared_.clear();
  free_shared_.clear();
}

size_t IdMap::memory_bytes() const {
  return words_.memory_bytes() + shared_.capacity() * sizeof(SharedPoint) +
         free_shared_.capacity() * sizeof(uint32_t);
}

}  // namespace vitrine
