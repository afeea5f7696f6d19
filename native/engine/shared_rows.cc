#include "engine/shared_rows.h"

#include <algorithm>
#include <iterator>
#include <mutex>

namespace vitrine {

void SharedRows::Put(Slot slot, PointId id) {
  const std::unique_lock lock(mutex_);
  rows_[slot].emplace(std::pair{id, next_serial_++}, Life{kNoVersion, kNoVersion});
  ++size_;
}

// The guest of that id that came last: of several, the only one that may not be dying.
SharedRows::Life* SharedRows::FindLast(Slot slot, PointId id) {
  const auto row = rows_.find(slot);
  if (row == rows_.end()) return nullptr;
  const auto after = row->second.upper_bound({id, UINT64_MAX});
  if (after == row->second.begin() || std::prev(after)->first.first != id) return nullptr;
  return &std::prev(after)->second;
}

void SharedRows::SetBirth(Slot slot, PointId id, uint64_t version) {
  const std::unique_lock lock(mutex_);
  if (Life* life = FindLast(slot, id)) life->birth = version;
}

void SharedRows::SetDeath(Slot slot, PointId id, uint64_t version) {
  const std::unique_lock lock(mutex_);
  if (Life* life = FindLast(slot, id)) life->death = version;
}

void SharedRows::Erase(Slot slot, PointId id, uint64_t version) {
  const std::unique_lock lock(mutex_);
  const auto row = rows_.find(slot);
  if (row == rows_.end()) return;
  auto guest = row->second.lower_bound({id, 0});
  while (guest != row->second.end() && guest->first.first == id) {
    const Life& life = guest->second;
    if (version == 0 ? life.birth == kNoVersion : life.death <= version) {
      guest = row->second.erase(guest);
      --size_;
    } else {
      ++guest;
    }
  }
  if (row->second.empty()) rows_.erase(row);
}

bool SharedRows::AnyAlive(Slot slot) const {
  const std::shared_lock lock(mutex_);
  const auto row = rows_.find(slot);
  return row != rows_.end() &&
         std::any_of(row->second.begin(), row->second.end(),
                     [](const auto& guest) { return guest.second.death == kNoVersion; });
}

bool SharedRows::Empty(Slot slot) const {
  const std::shared_lock lock(mutex_);
  return !rows_.contains(slot);
}

size_t SharedRows::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

size_t SharedRows::memory_bytes() const {
  // A tree node is three pointers, a colour and the value, behind the allocator's own word or two.
  constexpr size_t kGuestBytes = 4 * sizeof(void*) + sizeof(Guests::value_type) + 16;
  constexpr size_t kRowBytes = sizeof(Guests) + 4 * sizeof(void*);
  const std::shared_lock lock(mutex_);
  return size_ * kGuestBytes + rows_.size() * kRowBytes;
}

}  // namespace vitrine
