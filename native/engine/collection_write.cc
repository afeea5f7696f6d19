#include "engine/collection_write.h"

#include <algorithm>
#include <utility>

#include "base/seeded_defect.h"
#include "storage/container_format.h"

namespace vitrine {
namespace {

template <typename T>
void ReserveMore(std::vector<T>& list, size_t count) {
  const size_t needed = list.size() + count;
  if (list.capacity() < needed) list.reserve(std::max(needed, 2 * list.capacity()));
}

}  // namespace

CollectionWrite::CollectionWrite(Collection& collection) : collection_(collection) {}

CollectionWrite::~CollectionWrite() {
  if (published_) return;
  table_write_.reset();
  for (const Added& added : added_) collection_.Free(added.entry);
}

Status CollectionWrite::Check(const PointWrite& operation, const Change* change,
                              EntryId entry) const {
  const bool present = change != nullptr ? change->present : entry != kNoEntry;
  const std::string in = " in collection \"" + collection_.name() + '"';
  switch (operation.condition) {
    case Condition::kNone:
      break;
    case Condition::kAbsent:
      if (present) return {ErrorCode::kExists, NameOf(operation.key) + " is there already" + in};
      break;
    case Condition::kUnchanged:
      if (present &&
          (change != nullptr || collection_.RecordOf(entry).lsn() != operation.expected_lsn)) {
        return {ErrorCode::kConflict, NameOf(operation.key) + " was written meanwhile" + in};
      }
      [[fallthrough]];
    case Condition::kPresent:
      if (!present) return {ErrorCode::kNotFound, "there is no " + NameOf(operation.key) + in};
      break;
  }
  if (operation.type == OperationType::kSetPayload && !present) {
    return {ErrorCode::kNotFound, "there is no " + NameOf(operation.key) + in};
  }
  if (operation.type != OperationType::kPut) return {};
  const size_t dimension = collection_.dimension();
  const VectorType type = collection_.type();
  if (operation.vector_type != type) {
    return {ErrorCode::kVector, "the vector of " + NameOf(operation.key) + " is of " +
                                    std::string(NameOf(operation.vector_type)) + " instead of " +
                                    std::string(NameOf(type)) + in};
  }
  if (operation.vector.size_bytes() != VectorBytes(type, dimension)) {
    const size_t components = ComponentsIn(type, operation.vector.size_bytes());
    return {ErrorCode::kDimension, "the vector of " + NameOf(operation.key) + " has " +
                                       std::to_string(components) + " components instead of " +
                                       std::to_string(dimension) + in};
  }
  if (FindNonFinite(type, operation.vector.data(), dimension) != dimension) {
    return {ErrorCode::kVector,
            "the vector of " + NameOf(operation.key) + " has a component that is not finite" + in};
  }
  return {};
}

size_t CollectionWrite::PointBytes(size_t payload) const {
  const Table& table = collection_.table();
  // Vector, links, stamps, maps and the record.
  return table.vector_bytes() + 2 * table.options().graph.m * sizeof(uint32_t) + payload + 96 +
         (table.quantization_used() == Quantization::kNone ? 0 : CodeBytes());
}

// A byte a component, and factors.
size_t CollectionWrite::CodeBytes() const { return RoundUp(collection_.dimension(), 64) + 16; }

size_t CollectionWrite::memory_bytes() const {
  const Table& table = collection_.table();
  const size_t after = table.size() + changes_.size();
  const bool makes_codes = table.options().quantization != Quantization::kNone &&
                           table.quantization_used() == Quantization::kNone &&
                           table.size() < kCodesFrom && after >= kCodesFrom;
  return memory_bytes_ + (makes_codes ? after * CodeBytes() : 0);
}

Result<size_t> CollectionWrite::Add(const PointWrite& operation, size_t transaction,
                                    Conditions conditions) {
  std::string key = BytesOf(operation.key);
  const auto found = changes_.find(key);
  const Change* const change = found == changes_.end() ? nullptr : &found->second;
  // Only the one writer changes the map, and that is who asks.
  const EntryId entry = change != nullptr ? change->before : collection_.keys_.Find(operation.key);
  PointWrite checked = operation;
  if (conditions == Conditions::kHold) checked.condition = Condition::kNone;
  VITRINE_RETURN_IF_ERROR(Check(checked, change, entry));
  // What is replayed may be older than a field.
  if (conditions == Conditions::kCheck && operation.type != OperationType::kDelete) {
    VITRINE_RETURN_IF_ERROR(collection_.columns_.Check(operation.payload, operation.key));
  }
  const bool present = change != nullptr ? change->present : entry != kNoEntry;
  if (operation.type == OperationType::kDelete && !present) return size_t{0};
  if (operation.type == OperationType::kDelete && conditions == Conditions::kHold &&
      SeededDefect("delete-not-replayed")) {
    return size_t{0};
  }

  Change next{.before = entry,
              .present = operation.type != OperationType::kDelete,
              .transaction = transaction,
              .vector = operation.vector.data(),
              .payload = operation.payload,
              .key = operation.key};
  if (operation.type == OperationType::kSetPayload) {
    if (change != nullptr) {
      next.vector = change->vector;
    } else {
      copied_vectors_.emplace_back(collection_.table().vector_bytes());
      const PointId id = entry;
      VITRINE_RETURN_IF_ERROR(collection_.table().Get({&id, 1}, copied_vectors_.back()));
      next.vector = copied_vectors_.back().data();
    }
  }
  undo_.emplace_back(key, change != nullptr ? std::optional(*change) : std::nullopt);
  changes_.insert_or_assign(std::move(key), next);
  if (next.present) memory_bytes_ += PointBytes(next.payload ? next.payload->size() : 0);
  return size_t{next.present ? 0u : 1u};
}

void CollectionWrite::Undo() {
  memory_bytes_ = accepted_bytes_;
  for (; !undo_.empty(); undo_.pop_back()) {
    auto& [key, before] = undo_.back();
    const auto change = changes_.find(key);
    if (change == changes_.end()) continue;
    if (before) {
      change->second = *before;
    } else {
      changes_.erase(change);
    }
  }
}

EntryId CollectionWrite::AllocateEntry() {
  if (collection_.free_entries_.empty()) return collection_.next_entry_++;
  const EntryId entry = collection_.free_entries_.back();
  collection_.free_entries_.pop_back();
  return entry;
}

Status CollectionWrite::Prepare() {
  collection_.ReclaimEntries();
  size_t present = 0;
  size_t gone = 0;
  for (const auto& [key, change] : changes_) {
    present += change.present ? 1 : 0;
    gone += change.before != kNoEntry ? 1 : 0;
  }
  added_.reserve(present);
  removed_.reserve(gone);
  ReserveMore(collection_.removed_, gone);
  if (size_t{collection_.next_entry_} + present > kMaxSlots ||
      !collection_.entries_.Grow(collection_.next_entry_ + present)) {
    return {ErrorCode::kOutOfMemory, "no memory for more points"};
  }
  // All of them may be free one day.
  const size_t free = collection_.free_entries_.size();
  if (collection_.free_entries_.capacity() < collection_.next_entry_ + present) {
    ReserveMore(collection_.free_entries_, collection_.next_entry_ + present - free);
  }
  std::vector<TableTransaction::Point> points;
  points.reserve(present);
  for (const auto& [key, change] : changes_) {
    if (change.before != kNoEntry) removed_.push_back(change.before);
    if (!change.present) continue;
    const size_t bytes = PointRecord::BytesFor(change.key, change.payload);
    std::byte* const record = collection_.records_.Allocate(bytes);
    PointRecord::Encode(change.key, change.payload, record);
    const EntryId entry = AllocateEntry();
    collection_.entries_[entry].store(record, std::memory_order_relaxed);
    added_.push_back({entry, change.transaction});
    points.push_back({entry, change.vector});
  }
  {
    const std::unique_lock lock(collection_.mutex_);
    collection_.keys_.Reserve(collection_.keys_.size() + added_.size());
    collection_.present_.Grow(collection_.next_entry_);
  }
  const std::vector<PointId> removed_ids(removed_.begin(), removed_.end());
  table_write_.emplace(collection_.table());
  VITRINE_RETURN_IF_ERROR(table_write_->Prepare(points, removed_ids));
  for (size_t i = 0; i < added_.size(); ++i) {
    const EntryId entry = added_[i].entry;
    collection_.columns_.Add(entry, table_write_->SlotOf(i), collection_.RecordOf(entry).payload());
  }
  return {};
}

void CollectionWrite::Publish(std::span<const uint64_t> lsns) {
  for (const Added& added : added_) {
    PointRecord::SetLsn(collection_.entries_[added.entry].load(std::memory_order_relaxed),
                        lsns[added.transaction]);
  }
  {
    const std::unique_lock lock(collection_.mutex_);
    for (const EntryId entry : removed_) {
      collection_.keys_.Erase(entry);
      collection_.present_.Clear(entry);
    }
    for (const Added& added : added_) {
      collection_.keys_.Put(added.entry);
      collection_.present_.Set(added.entry);
    }
    table_write_->Publish();
    collection_.last_lsn_.store(lsns.back(), std::memory_order_release);
  }
  published_ = true;
  uint64_t moment;
  {
    const std::lock_guard lock(collection_.pin_mutex_);
    moment = ++collection_.moment_;
  }
  for (const EntryId entry : removed_) collection_.removed_.push_back({entry, moment});
  collection_.ReclaimEntries();
}

void CollectionWrite::Tidy() {
  if (published_) table_write_->Tidy();
}

}  // namespace vitrine
