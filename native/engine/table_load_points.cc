// What a file says of points: which there are, and who owns which row.

#include <algorithm>
#include <utility>

#include "base/byte_order.h"
#include "engine/table_loader.h"

namespace vitrine {

Status TableLoader::ReadPoints() {
  table_->ids_.Reserve(config_.points, Section(SectionType::kGuests).count);
  VITRINE_RETURN_IF_ERROR(ReadBirths());
  VITRINE_RETURN_IF_ERROR(ForEach(Section(SectionType::kIds),
                                  [&](const Elements& elements) { return PutOwnerIds(elements); }));
  VITRINE_RETURN_IF_ERROR(AddOwners());
  VITRINE_RETURN_IF_ERROR(AddGuests());
  VITRINE_RETURN_IF_ERROR(CheckPoints());
  VITRINE_RETURN_IF_ERROR(CheckRowsHavePoints());
  table_->size_.store(config_.points, std::memory_order_release);
  return {};
}

Status TableLoader::AddPoint(PointId id, PointRef ref, const SectionEntry& section,
                             uint64_t element) {
  // There is room for so many, and a full map has no end to a search.
  if (table_->ids_.size() == config_.points) {
    return Corrupt(section, element, "there are more points than the config says");
  }
  if (table_->ids_.Find(id).present()) {
    return Corrupt(section, element, "id " + std::to_string(id) + " comes twice");
  }
  table_->ids_.Put(id, ref);
  highest_id_ = std::max(highest_id_, id);
  return {};
}

Status TableLoader::ReadBirths() {
  const SectionEntry& births = Section(SectionType::kBirths);
  without_owner_ = 0;
  return ForEach(births, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const Slot slot = static_cast<Slot>(elements.first + i);
      const uint64_t birth = LoadLittleEndian<uint64_t>(elements.bytes.data() + 8 * i);
      if (birth > reader_.covered_version()) {
        return Corrupt(births, slot, "a row appeared after the version that the file covers");
      }
      // Without an owner, guests live on.
      table_->stamps_[slot].birth.store(birth == 0 ? kNever : kAlways, std::memory_order_relaxed);
      table_->stamps_[slot].death.store(birth == 0 ? kAlways : kNever, std::memory_order_relaxed);
      table_->occupied_.Set(slot);
      if (birth != 0) continue;
      ++without_owner_;
      // As when an owner dies: scans must look at the stamps, until the row is free.
      if (table_->unsettled_.Set(slot)) {
        table_->unsettled_count_.fetch_add(1, std::memory_order_release);
      }
    }
    return Status();
  });
}

Status TableLoader::PutOwnerIds(const Elements& elements) const {
  const SectionEntry& ids = Section(SectionType::kIds);
  for (uint64_t i = 0; i < elements.count; ++i) {
    const Slot slot = static_cast<Slot>(elements.first + i);
    const std::byte* at = elements.bytes.data() + i * ids.element_bytes;
    const PointId id = ids.element_bytes == sizeof(uint64_t) ? LoadLittleEndian<uint64_t>(at)
                                                             : LoadLittleEndian<uint32_t>(at);
    if (id != 0 && !table_->OwnerAlive(slot)) {
      return Corrupt(ids, slot, "a row without an owner has an id");
    }
    table_->SetOwnerId(slot, id);
  }
  return {};
}

// REQUIRES: their ids have been put
Status TableLoader::AddOwners() {
  constexpr Slot kAhead = 16;
  const SectionEntry& ids = Section(SectionType::kIds);
  for (Slot slot = 0; slot < config_.rows; ++slot) {
    if (slot + kAhead < config_.rows) table_->ids_.Prefetch(table_->OwnerId(slot + kAhead));
    if (!table_->OwnerAlive(slot)) continue;
    VITRINE_RETURN_IF_ERROR(AddPoint(table_->OwnerId(slot), PointRef::Owner(slot), ids, slot));
  }
  return {};
}

template <typename Visitor>
Status TableLoader::ForEachGuest(Visitor visit) const {
  const SectionEntry& section = Section(SectionType::kGuests);
  GuestRecord before;
  return ForEach(section, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const uint64_t element = elements.first + i;
      const GuestRecord guest = DecodeGuest(elements.bytes.data() + i * GuestRecord::kBytes);
      if (guest.row >= config_.rows) return Corrupt(section, element, "there is no such row");
      if (guest.reserved != 0) return Corrupt(section, element, "reserved bytes are not zero");
      if (guest.id > LastId()) return Corrupt(section, element, "an id is out of range");
      if (guest.birth < 1 || guest.birth > reader_.covered_version()) {
        return Corrupt(section, element, "a version is out of range");
      }
      if (element > 0 && std::pair(guest.row, guest.id) <= std::pair(before.row, before.id)) {
        return Corrupt(section, element, "guests are not in order");
      }
      before = guest;
      VITRINE_RETURN_IF_ERROR(visit(guest, element));
    }
    return Status();
  });
}

Status TableLoader::AddGuests() {
  const SectionEntry& section = Section(SectionType::kGuests);
  return ForEachGuest([&](const GuestRecord& guest, uint64_t element) {
    VITRINE_RETURN_IF_ERROR(AddPoint(guest.id, PointRef::Shared(guest.row), section, element));
    // A table that is read on demand has them already.
    if (!is_lazy_) PutGuest(guest);
    return Status();
  });
}

void TableLoader::PutGuest(const GuestRecord& guest) const {
  table_->shared_rows_.Put(guest.row, guest.id);
  table_->shared_rows_.SetBirth(guest.row, guest.id, guest.birth);
  table_->shared_.Set(guest.row);
}

Status TableLoader::CheckPoints() const {
  if (table_->ids_.size() != config_.points) {
    return Corrupt(SectionType::kConfig, 0,
                   "the number of points is not that of owners and guests");
  }
  if (config_.points > 0 && highest_id_ != UINT64_MAX && config_.next_id <= highest_id_) {
    return Corrupt(SectionType::kConfig, 0, "the next id is taken");
  }
  return {};
}

Status TableLoader::CheckRowsHavePoints() const {
  for (Slot slot = 0; without_owner_ > 0 && slot < config_.rows; ++slot) {
    if (!table_->OwnerAlive(slot) && !table_->shared_.Test(slot)) {
      return Corrupt(SectionType::kBirths, slot, "a row has neither an owner nor a guest");
    }
  }
  return {};
}

// What every search needs to know of points: how many there are, which rows have guests, and which
// have no owner. The last are found among the births, of which none is looked at where there are no
// guests; and ids come later.
Status TableLoader::ReadLazyPoints() {
  if (Section(SectionType::kGuests).count > 0) {
    VITRINE_RETURN_IF_ERROR(ReadBirths());
    VITRINE_RETURN_IF_ERROR(ForEachGuest([&](const GuestRecord& guest, uint64_t) {
      PutGuest(guest);
      return Status();
    }));
    VITRINE_RETURN_IF_ERROR(CheckRowsHavePoints());
  } else {
    for (size_t word = 0; word * 64 < config_.rows; ++word) {
      table_->occupied_.SetWord(word, SlotBitmap::WordOfFirst(config_.rows, word));
    }
  }
  if (config_.rows - without_owner_ + Section(SectionType::kGuests).count != config_.points) {
    return Corrupt(SectionType::kConfig, 0,
                   "the number of points is not that of owners and guests");
  }
  table_->size_.store(config_.points, std::memory_order_release);
  table_->lazy_owner_ids_ = Leave(Section(SectionType::kIds), [this](const Elements& elements) {
    return PutOwnerIds(elements);
  });
  table_->bring_ids_ = [self = shared_from_this()] {
    Status status = self->BringIds();
    if (!status.ok()) self->table_->ids_.Clear();
    return status;
  };
  table_->ids_here_.store(false, std::memory_order_relaxed);
  return {};
}

// All ids, with everything that a load into memory says of them. REQUIRES: the lock of ids is held
Status TableLoader::BringIds() {
  table_->ids_.Clear();  // what was left when memory ran out
  highest_id_ = 0;
  VITRINE_RETURN_IF_ERROR(table_->lazy_owner_ids_->FetchAll());
  if (Section(SectionType::kGuests).count == 0) VITRINE_RETURN_IF_ERROR(CheckBirths());
  table_->ids_.Reserve(config_.points, Section(SectionType::kGuests).count);
  VITRINE_RETURN_IF_ERROR(AddOwners());
  VITRINE_RETURN_IF_ERROR(AddGuests());
  return CheckPoints();
}

// That every row has an owner. Whoever asks for ids wants all of what the file says of them.
Status TableLoader::CheckBirths() const {
  const SectionEntry& births = Section(SectionType::kBirths);
  return ForEach(births, [&](const Elements& elements) {
    for (uint64_t i = 0; i < elements.count; ++i) {
      const uint64_t birth = LoadLittleEndian<uint64_t>(elements.bytes.data() + 8 * i);
      if (birth > reader_.covered_version()) {
        return Corrupt(births, elements.first + i,
                       "a row appeared after the version that the file covers");
      }
      if (birth == 0) {
        return Corrupt(births, elements.first + i, "a row has neither an owner nor a guest");
      }
    }
    return Status();
  });
}

}  // namespace vitrine
