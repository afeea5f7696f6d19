#include "engine/collection.h"

#include <algorithm>
#include <utility>

namespace vitrine {
namespace {

// Filters that are kept: about as many as there are different ones at a time.
constexpr size_t kUsedFilters = 8;

}  // namespace

Collection::Collection(uint32_t id, std::string name, const CollectionConfig& config)
    : id_(id), name_(std::move(name)), config_(config), keys_(*this), columns_(config.fields) {}

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

CollectionConfig Collection::config() const {
  CollectionConfig config = config_;
  config.fields = columns_.fields();
  return config;
}

CollectionMemory Collection::memory() const {
  CollectionMemory memory;
  memory.table = table_->memory();
  memory.payloads = record_bytes_.load(std::memory_order_relaxed);
  memory.fields = columns_.memory_bytes();
  {
    const std::lock_guard lock(filter_mutex_);
    for (const UsedFilter& one : used_filters_) {
      memory.filters += sizeof(one) + one.text.capacity() + one.made->memory_bytes();
    }
  }
  const std::shared_lock lock(mutex_);
  memory.keys = keys_.memory_bytes() + keys_.size() * sizeof(std::byte*) + present_.memory_bytes();
  return memory;
}

Result<StoredPoint> Collection::Copy(EntryId entry, Select select) const {
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
  if (select.vector) {
    const PointId id = entry;
    point.vector.resize(table_->vector_bytes());
    VITRINE_RETURN_IF_ERROR(table_->Get({&id, 1}, point.vector));
  }
  return point;
}

bool Collection::Has(const PointKey& key) const {
  const std::shared_lock lock(mutex_);
  return keys_.Find(key) != kNoEntry;
}

Result<std::vector<std::optional<StoredPoint>>> Collection::GetMany(std::span<const PointKey> keys,
                                                                    Select select) const {
  std::vector<std::optional<StoredPoint>> points(keys.size());
  // What is there stays: nothing is published while the lock is held.
  const std::shared_lock lock(mutex_);
  for (size_t i = 0; i < keys.size(); ++i) {
    const EntryId entry = keys_.Find(keys[i]);
    if (entry == kNoEntry) continue;
    Result<StoredPoint> point = Copy(entry, select);
    if (!point.ok()) return point.status();
    points[i] = std::move(*point);
  }
  return points;
}

Result<bool> Collection::LinkSome(size_t most) {
  Result<bool> more = table_->LinkSome(most);
  if (more.ok() && !*more) columns_.LearnRows(*table_);
  return more;
}

Result<std::shared_ptr<const EntryFilter>> Collection::FilterOf(
    const Filter& filter, const ReaderPool::Lease& lease) const {
  if (!columns_.KnowsRows(lease)) return columns_.MakeFilter(filter, *table_, lease);
  const uint64_t version = columns_.version();
  {
    const std::lock_guard lock(filter_mutex_);
    std::erase_if(used_filters_, [&](const UsedFilter& one) { return one.version != version; });
    for (const UsedFilter& one : used_filters_) {
      if (one.text == filter.text()) return one.made;
    }
  }
  Result<std::shared_ptr<const EntryFilter>> made = columns_.MakeFilter(filter, *table_, lease);
  // Something was written meanwhile: it holds for this search, but not for the next one.
  if (!made.ok() || columns_.version() != version) return made;
  const std::lock_guard lock(filter_mutex_);
  // Another thread may have made it as well.
  for (const UsedFilter& one : used_filters_) {
    if (one.version == version && one.text == filter.text()) return one.made;
  }
  if (used_filters_.size() == kUsedFilters) used_filters_.pop_back();
  used_filters_.insert(used_filters_.begin(), {filter.text(), version, *made});
  return made;
}

size_t Collection::Count(const Filter& filter) const {
  // Nothing is published while it is held.
  const std::shared_lock lock(mutex_);
  return columns_.Evaluate(filter).CountIn(present_);
}

std::vector<PointKey> Collection::KeysOf(const Filter& filter) const {
  const std::shared_lock lock(mutex_);
  std::vector<PointKey> keys;
  columns_.Evaluate(filter).ForEach([&](EntryId entry) {
    if (present_.Test(entry)) keys.push_back(KeyOf(entry));
  });
  return keys;
}

Result<std::unique_ptr<FieldColumns>> Collection::ReadField(const Field& field,
                                                            FieldSource source) {
  auto values = std::make_unique<FieldColumns>(Fields{field});
  Status status;
  // Only the writer changes what is there.
  present_.ForEach([&](EntryId entry) {
    const PointRecord record = RecordOf(entry);
    if (!status.ok()) return;
    if (source == FieldSource::kWritten) status = values->Check(record.payload(), record.key());
    if (status.ok()) values->Add(entry, 0, record.payload());
  });
  if (!status.ok()) return status;
  columns_.ReserveColumns(1);
  return values;
}

// Null without one; it lives as long as the search.
Result<std::shared_ptr<const EntryFilter>> Collection::SetFilter(
    const CollectionQuery& query, const ReaderPool::Lease& lease,
    SearchParameters& parameters) const {
  if (query.filter == nullptr) return std::shared_ptr<const EntryFilter>();
  Result<std::shared_ptr<const EntryFilter>> made = FilterOf(*query.filter, lease);
  if (made.ok()) parameters.filter = made->get();
  return made;
}

void Collection::NoteShares(const EntryFilter* filter, SearchReport& report) const {
  if (filter == nullptr) return;
  const size_t all = size();
  report.estimated_share = filter->estimate();
  report.share =
      all == 0 ? 0 : std::min(1.0, static_cast<double>(filter->size()) / static_cast<double>(all));
}

Result<std::vector<CollectionHit>> Collection::Search(const CollectionQuery& query) const {
  return SearchBy(
      query, NoCounting{},
      [&](const ReaderPool::Lease& lease, const EntryFilter*, const SearchParameters& parameters,
          std::span<Hit> hits) { return table_->Search(lease, query.vector, parameters, hits); });
}

Result<std::vector<CollectionHit>> Collection::Search(const CollectionQuery& query,
                                                      SearchReport& report) const {
  return SearchBy(query, SearchCounting(report.counters),
                  [&](const ReaderPool::Lease& lease, const EntryFilter* filter,
                      const SearchParameters& parameters, std::span<Hit> hits) {
                    NoteShares(filter, report);
                    return table_->Search(lease, query.vector, parameters, hits, report.counters,
                                          &report.plan);
                  });
}

// Ids of the table are other ones after each write of a point: its key is what stays.
class Collection::KeyOrder final : public PointOrder {
 public:
  explicit KeyOrder(const Collection& collection) : collection_(collection) {}
  bool Before(PointId a, PointId b) const override {
    return collection_.KeyOf(static_cast<EntryId>(a)) < collection_.KeyOf(static_cast<EntryId>(b));
  }

 private:
  const Collection& collection_;
};

//   search  (lease, filter, parameters, hits) -> how many there are
template <class Counting, typename SearchTable>
Result<std::vector<CollectionHit>> Collection::SearchBy(const CollectionQuery& query,
                                                        Counting counting,
                                                        SearchTable search) const {
  SearchParameters parameters = query.parameters;
  if (parameters.k < 1 || parameters.k > kMaxK) {
    return Status(ErrorCode::kOption, "k must be 1 to " + std::to_string(kMaxK) + ", not " +
                                          std::to_string(parameters.k));
  }
  std::vector<Hit> hits(parameters.k);
  const KeyOrder order(*this);
  parameters.ties = &order;
  const Pin pin(*this);
  // Vectors are found by the ids of this moment: nothing may be published before they are copied.
  std::shared_lock lock(mutex_, std::defer_lock);
  if (query.select.vector) lock.lock();
  const ReaderPool::Lease lease = table_->Read();
  if (query.filter != nullptr) counting.Enter(SearchPhase::kFilter);
  const auto filter = SetFilter(query, lease, parameters);
  if (!filter.ok()) return filter.status();
  const Result<size_t> found = search(lease, filter->get(), parameters, hits);
  if (!found.ok()) return found.status();
  counting.Enter(SearchPhase::kMaterialize);
  std::vector<CollectionHit> result;
  result.reserve(*found);
  for (size_t i = 0; i < *found; ++i) {
    Result<StoredPoint> point = Copy(static_cast<EntryId>(hits[i].id), query.select);
    if (!point.ok()) return point.status();
    result.push_back({hits[i].distance, std::move(*point)});
  }
  return result;
}

Result<SearchReport> Collection::Explain(const CollectionQuery& query) const {
  SearchReport report;
  SearchParameters parameters = query.parameters;
  const Pin pin(*this);
  const ReaderPool::Lease lease = table_->Read();
  const auto filter = SetFilter(query, lease, parameters);
  if (!filter.ok()) return filter.status();
  NoteShares(filter->get(), report);
  const Result<SearchPlan> plan = table_->Explain(lease, query.vector, parameters);
  if (!plan.ok()) return plan.status();
  report.plan = *plan;
  return report;
}

Collection::Image::Image(const Collection& collection, const Filter* filter, Order order)
    : collection_(collection), pin_(collection) {
  {
    const std::shared_lock lock(collection.mutex_);
    // One version of everything: writers publish under this lock.
    last_lsn_ = collection.last_lsn();
    table_.emplace(*collection.table_);
    if (filter != nullptr) admitted_ = collection.columns_.Evaluate(*filter);
  }
  if (order == Order::kSorted) Sort();
}

PointRecord Collection::Image::Record(size_t point) const {
  return collection_.RecordOf(static_cast<EntryId>(table_->id(point)));
}

// REQUIRES: free_entries_ has room, as CollectionWrite sees to
void Collection::Free(EntryId entry) {
  std::byte* const record = entries_[entry].load(std::memory_order_relaxed);
  columns_.Remove(entry, PointRecord(record).payload());
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
