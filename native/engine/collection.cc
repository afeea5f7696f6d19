#include "engine/collection.h"

#include <algorithm>
#include <utility>

namespace vitrine {

class Collection::Pin {
 public:
  explicit Pin(const Collection& collection)
      : collection_(collection), moment_(collection.PinNow()) {}
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { collection_.Unpin(moment_); }

 private:
  const Collection& collection_;
  const uint64_t moment_;
};

Collection::Collection(uint32_t id, std::string name, const CollectionConfig& config)
    : id_(id), name_(std::move(name)), config_(config), keys_(*this) {}

Collection::~Collection() = default;

Result<std::shared_ptr<Collection>> Collection::Create(uint32_t id, std::string name,
                                                       const CollectionConfig& config,
                                                       const KernelTable& kernels, ThreadPool* pool,
                                                       size_t threads) {
  Result<std::unique_ptr<Table>> table =
      Table::Create(config.table_options(threads), kernels, pool);
  if (!table.ok()) return table.status();
  std::shared_ptr<Collection> collection(new Collection(id, std::move(name), config));
  collection->table_ = std::move(*table);
  return collection;
}

uint64_t Collection::PinNow() const {
  const std::lock_guard lock(pin_mutex_);
  ++pins_[moment_];
  return moment_;
}

void Collection::Unpin(uint64_t moment) const {
  const std::lock_guard lock(pin_mutex_);
  const auto pin = pins_.find(moment);
  if (--pin->second == 0) pins_.erase(pin);
}

CollectionMemory Collection::memory() const {
  CollectionMemory memory;
  memory.table = table_->memory();
  memory.payloads = record_bytes_.load(std::memory_order_relaxed);
  const std::shared_lock lock(mutex_);
  memory.keys = keys_.memory_bytes() + keys_.size() * sizeof(std::byte*);
  return memory;
}

StoredPoint Collection::Copy(EntryId entry, Select select) const {
  const PointRecord record = RecordOf(entry);
  StoredPoint point;
  if (select.payload) {
    const std::span<const std::byte> bytes = record.bytes();
    point.record.assign(bytes.begin(), bytes.end());
  } else {
    const PointKey key = record.key();
    point.record.resize(PointRecord::BytesFor(key, {}));
    PointRecord::Encode(key, {}, point.record.data());
    PointRecord::SetLsn(point.record.data(), record.lsn());
  }
  return point;
}

bool Collection::Has(const PointKey& key) const {
  const std::shared_lock lock(mutex_);
  return keys_.Find(key) != kNoEntry;
}

std::vector<std::optional<StoredPoint>> Collection::GetMany(std::span<const PointKey> keys,
                                                            Select select) const {
  std::vector<std::optional<StoredPoint>> points(keys.size());
  const std::shared_lock lock(mutex_);
  for (size_t i = 0; i < keys.size(); ++i) {
    const EntryId entry = keys_.Find(keys[i]);
    if (entry == kNoEntry) continue;
    points[i] = Copy(entry, select);
    if (!select.vector) continue;
    points[i]->vector.resize(config_.dimension);
    const PointId id = entry;
    // It is there: nothing is published while the lock is held.
    (void)table_->Get({&id, 1}, points[i]->vector).ok();
  }
  return points;
}

Result<std::vector<CollectionHit>> Collection::Search(const float* query,
                                                      const SearchParameters& parameters,
                                                      Select select) const {
  if (parameters.k < 1 || parameters.k > kMaxK) {
    return Status(ErrorCode::kOption, "k must be 1 to " + std::to_string(kMaxK) + ", not " +
                                          std::to_string(parameters.k));
  }
  std::vector<Hit> hits(std::min(parameters.k, std::max<size_t>(size() + 1, 64)));
  SearchParameters bounded = parameters;
  bounded.k = hits.size();
  const Pin pin(*this);
  // Vectors are found by the ids of this moment: nothing may be published before they are copied.
  std::shared_lock lock(mutex_, std::defer_lock);
  if (select.vector) lock.lock();
  const Result<size_t> found = table_->Search(query, bounded, hits);
  if (!found.ok()) return found.status();
  std::vector<CollectionHit> result;
  result.reserve(*found);
  for (size_t i = 0; i < *found; ++i) {
    result.push_back({hits[i].distance, Copy(static_cast<EntryId>(hits[i].id), select)});
    if (!select.vector) continue;
    result.back().point.vector.resize(config_.dimension);
    (void)table_->Get({&hits[i].id, 1}, result.back().point.vector).ok();
  }
  return result;
}

Collection::Image::Image(const Collection& collection)
    : collection_(collection), pin_(collection.PinNow()) {
  const std::shared_lock lock(collection.mutex_);
  // One version of everything: writers publish under this lock.
  last_lsn_ = collection.last_lsn();
  table_.emplace(*collection.table_);
}

Collection::Image::~Image() { collection_.Unpin(pin_); }

PointRecord Collection::Image::Record(size_t point) const {
  return collection_.RecordOf(static_cast<EntryId>(table_->id(point)));
}

// REQUIRES: free_entries_ has room, as CollectionWrite sees to
void Collection::Free(EntryId entry) {
  std::byte* const record = entries_[entry].load(std::memory_order_relaxed);
  records_.Free(record, PointRecord(record).bytes().size());
  free_entries_.push_back(entry);
}

void Collection::ReclaimEntries() {
  uint64_t oldest;
  {
    const std::lock_guard lock(pin_mutex_);
    oldest = pins_.empty() ? moment_ : pins_.begin()->first;
  }
  // They are in the order of their moments.
  size_t done = 0;
  while (done < removed_.size() && removed_[done].moment <= oldest) Free(removed_[done++].entry);
  removed_.erase(removed_.begin(), removed_.begin() + static_cast<ptrdiff_t>(done));
  record_bytes_.store(records_.memory_bytes(), std::memory_order_relaxed);
}

}  // namespace vitrine
