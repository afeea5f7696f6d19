#pragma once

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "base/slot.h"

namespace vitrine {

// The points that have no row of their own because an equal vector was there before. Each row that
// has such guests keeps them by id, with the versions at which they came and went.
//
// Thread safety: every function may run beside the others; those that change something come from
// one writer at a time.
class SharedRows {
 public:
  // A snapshot that sees the guests which are not dying, and those only.
  static constexpr uint64_t kNewest = UINT64_MAX - 1;

  // A guest that no reader sees yet. May throw std::bad_alloc, and then nothing changed.
  void Put(Slot slot, PointId id);
  // The version at which the guest that is not dying appears, or disappears.
  void SetBirth(Slot slot, PointId id, uint64_t version);
  void SetDeath(Slot slot, PointId id, uint64_t version);
  // Forgets guests of that id that died at or before `version`, or that were never born when
  // `version` is 0.
  void Erase(Slot slot, PointId id, uint64_t version);

  // Whether the row has a guest that is not dying.
  bool AnyAlive(Slot slot) const;
  bool Empty(Slot slot) const;

  // Calls visit(id) for each guest visible at `snapshot`, by ascending id, until it returns false.
  template <typename Visitor>
  void ForEachVisible(Slot slot, uint64_t snapshot, Visitor visit) const {
    const std::shared_lock lock(mutex_);
    const auto row = rows_.find(slot);
    if (row == rows_.end()) return;
    for (const auto& [key, life] : row->second) {
      if (life.birth <= snapshot && snapshot < life.death && !visit(key.first)) return;
    }
  }

  // Calls visit(id, birth) for each guest visible at `snapshot`, by ascending id.
  template <typename Visitor>
  void ForEachBirth(Slot slot, uint64_t snapshot, Visitor visit) const {
    const std::shared_lock lock(mutex_);
    const auto row = rows_.find(slot);
    if (row == rows_.end()) return;
    for (const auto& [key, life] : row->second) {
      if (life.birth <= snapshot && snapshot < life.death) visit(key.first, life.birth);
    }
  }

  // Calls visit(id) for each guest that is kept, whoever may see it, until it returns false.
  template <typename Visitor>
  void ForEachKept(Slot slot, Visitor visit) const {
    const std::shared_lock lock(mutex_);
    const auto row = rows_.find(slot);
    if (row == rows_.end()) return;
    for (const auto& [key, life] : row->second) {
      if (!visit(key.first)) return;
    }
  }

  // How many guests there are, dying ones included.
  size_t size() const;
  size_t memory_bytes() const;

 private:
  static constexpr uint64_t kNoVersion = UINT64_MAX;  // has not happened

  struct Life {
    uint64_t birth;
    uint64_t death;
  };
  // An id may be there twice: dying, for readers of old versions, and anew. The second part of
  // the key tells them apart.
  using Guests = std::map<std::pair<PointId, uint64_t>, Life>;

  Life* FindLast(Slot slot, PointId id);

  mutable std::shared_mutex mutex_;
  std::unordered_map<Slot, Guests> rows_;
  size_t size_ = 0;
  uint64_t next_serial_ = 0;
};

}  // namespace vitrine
