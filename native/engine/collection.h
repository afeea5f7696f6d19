#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/slot_array.h"
#include "base/status.h"
#include "engine/collection_config.h"
#include "engine/field_columns.h"
#include "engine/key_map.h"
#include "engine/point_record.h"
#include "engine/record_store.h"
#include "engine/table.h"
#include "engine/table_image.h"
#include "stats/lazy_statistics.h"

namespace vitrine {

// What a reader wants of a point besides its key.
struct Select {
  bool payload = true;
  bool vector = false;
};

// A point as a reader gets it.
struct StoredPoint {
  std::vector<std::byte> record;  // without payload when none was asked for
  std::vector<std::byte> vector;  // of the collection's type; empty when none was asked for

  PointRecord view() const { return PointRecord(record.data()); }
};

struct CollectionQuery {
  const void* vector = nullptr;  // of the collection's type
  SearchParameters parameters;   // without a filter
  Select select;
  const Filter* filter = nullptr;  // admits the points that count; null: all
};

// What a search did, or would do.
struct SearchReport {
  SearchPlan plan;
  SearchCounters counters;
  // The share of points that the filter admits: what the columns make one expect, and what it was.
  double estimated_share = 1;
  double share = 1;
};

struct CollectionHit {
  float distance = 0;
  StoredPoint point;
};

struct CollectionMemory {
  TableMemory table;
  size_t payloads = 0;  // with keys
  size_t keys = 0;
  size_t fields = 0;
  // Kept for searches by the same; not in `total`, for they must not keep anybody from writing.
  size_t filters = 0;
  size_t total() const { return table.total() + payloads + keys + fields; }
};

// Points with keys, payloads and vectors: a table, and beside it a record for each of its ids. A
// point that is written anew gets a new record and a new id, so that whoever found the old id finds
// the old payload with it: vector and payload change together, for every reader.
//
// Thread safety: every function may be called from any thread at any time. Writing is for
// CollectionWrite (engine/collection_write.h), one at a time.
class Collection final : private KeyMap::Keys {
 public:
  // `kernels` and `pool` outlive it. Fails as Table::Create does.
  static Result<std::shared_ptr<Collection>> Create(uint32_t id, std::string name,
                                                    const CollectionConfig& config,
                                                    const KernelTable& kernels, ThreadPool* pool,
                                                    size_t threads);
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;
  ~Collection() override;

  uint32_t id() const { return id_; }
  const std::string& name() const { return name_; }
  // With the fields that it has now.
  CollectionConfig config() const;
  Fields fields() const { return columns_.fields(); }
  size_t dimension() const { return table_->dimension(); }
  VectorType type() const { return table_->type(); }
  size_t size() const { return table_->size(); }
  // Whether searches walk a graph; false while a lost one is built anew.
  bool linked() const { return table_->linked(); }
  // Table::LinkSome. One call at a time.
  Result<bool> LinkSome(size_t most);
  const Table& table() const { return *table_; }
  Table& table() { return *table_; }
  CollectionMemory memory() const;
  // Of what is done to this collection, beside those of its database.
  LazyStatistics& statistics() { return statistics_; }

  bool Has(const PointKey& key) const;
  // The points with these keys, all of one moment; nothing for those that are not there. kCorrupt
  // and kIo where a vector cannot be read.
  Result<std::vector<std::optional<StoredPoint>>> GetMany(std::span<const PointKey> keys,
                                                          Select select) const;
  // The points nearest to a query, as of the moment at which it begins; as Table::Search.
  Result<std::vector<CollectionHit>> Search(const CollectionQuery& query) const;
  // The same, saying what it did.
  Result<std::vector<CollectionHit>> Search(const CollectionQuery& query,
                                            SearchReport& report) const;
  // What `Search` would do. The filter is computed.
  Result<SearchReport> Explain(const CollectionQuery& query) const;
  // How many points a filter admits.
  size_t Count(const Filter& filter) const;
  // Their keys, as long as nobody writes: for the writer.
  std::vector<PointKey> KeysOf(const Filter& filter) const;
  // What all points hold in a field that is to be added. Searches go on. For the writer.
  //   source  of what is written kPayload names the first value of another type; what is replayed
  //           may be older than the field, and such a value is passed over
  enum class FieldSource : uint8_t { kWritten, kReplayed };
  Result<std::unique_ptr<FieldColumns>> ReadField(const Field& field, FieldSource source);
  // Adds the field. Cannot fail. For the writer, which wrote nothing since.
  void AddField(std::unique_ptr<FieldColumns> values) { columns_.TakeColumns(*values); }

 private:
  // The right to look at records: those that go later stay.
  class Pin {
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

 public:
  // All points at one moment, by ascending entry. Writers go on, and what they remove stays until
  // the image goes.
  class Image {
   public:
    enum class Order : uint8_t { kSorted, kNotYet };
    // `collection` outlives the image.
    //   filter  null for all points; read by the constructor only
    //   order   kNotYet where writers wait for the constructor to end: Sort is called later
    explicit Image(const Collection& collection, const Filter* filter = nullptr,
                   Order order = Order::kSorted);
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;
    // Gives points their numbers. REQUIRES: they have none, and nothing has asked for a point
    void Sort() { table_->Sort(); }

    size_t size() const { return table_->size(); }
    PointRecord Record(size_t point) const;
    // Whether the filter admits it.
    bool Admits(size_t point) const {
      return !admitted_ || admitted_->Test(static_cast<EntryId>(table_->id(point)));
    }
    // Its bytes, as TableImage::Vector.
    Result<const std::byte*> Vector(size_t point) const { return table_->Vector(point); }
    // Of the newest write that is in it; 0 for none.
    uint64_t last_lsn() const { return last_lsn_; }
    TableImage& table() { return *table_; }

   private:
    const Collection& collection_;
    const Pin pin_;
    uint64_t last_lsn_ = 0;
    std::optional<TableImage> table_;
    std::optional<EntryBitmap> admitted_;
  };

  // Of the newest write that is visible.
  uint64_t last_lsn() const { return last_lsn_.load(std::memory_order_acquire); }

 private:
  friend class CollectionWrite;
  friend class CollectionLoader;

  Collection(uint32_t id, std::string name, const CollectionConfig& config);

  PointKey KeyOf(EntryId entry) const override { return RecordOf(entry).key(); }
  PointRecord RecordOf(EntryId entry) const {
    // Relaxed: who knows the number learned it after the record was there, through the mutex or
    // the table's version.
    return PointRecord(entries_[entry].load(std::memory_order_relaxed));
  }
  // kCorrupt and kIo as Table::Get. REQUIRES: mutex_ is held where the vector is selected
  Result<StoredPoint> Copy(EntryId entry, Select select) const;
  class KeyOrder;
  template <class Counting, typename SearchTable>
  Result<std::vector<CollectionHit>> SearchBy(const CollectionQuery& query, Counting counting,
                                              SearchTable search) const;
  // Gives `parameters` the filter of a query.
  Result<std::shared_ptr<const EntryFilter>> SetFilter(const CollectionQuery& query,
                                                       const ReaderPool::Lease& lease,
                                                       SearchParameters& parameters) const;
  void NoteShares(const EntryFilter* filter, SearchReport& report) const;
  Result<std::shared_ptr<const EntryFilter>> FilterOf(const Filter& filter,
                                                      const ReaderPool::Lease& lease) const;

  uint64_t PinNow() const;
  void Unpin(uint64_t moment) const;

  // For the one writer.
  void Free(EntryId entry);
  void ReclaimEntries();

  const uint32_t id_;
  const std::string name_;
  const CollectionConfig config_;
  std::unique_ptr<Table> table_;
  SlotArray<std::atomic<std::byte*>> entries_;
  std::atomic<uint64_t> last_lsn_{0};  // release by the writer, acquire by who asks

  // Guards keys_ and present_; the table's versions are published under it too.
  mutable std::shared_mutex mutex_;
  KeyMap keys_;
  EntryBitmap present_;  // the entries that are in keys_

  FieldColumns columns_;
  // The filters that were used last, newest first, as long as nothing is written.
  struct UsedFilter {
    std::string text;
    uint64_t version;
    std::shared_ptr<const EntryFilter> made;
  };
  mutable std::mutex filter_mutex_;
  mutable std::vector<UsedFilter> used_filters_;

  // Moments are counted by writes. What a write takes away at one is freed once no reader is left
  // that began before it.
  mutable std::mutex pin_mutex_;
  uint64_t moment_ = 1;
  mutable std::map<uint64_t, size_t> pins_;

  // The writer's.
  RecordStore records_;
  EntryId next_entry_ = 0;
  std::vector<EntryId> free_entries_;
  struct Removed {
    EntryId entry;
    uint64_t moment;
  };
  std::vector<Removed> removed_;
  std::atomic<size_t> record_bytes_{0};  // relaxed: for memory() alone
  LazyStatistics statistics_;
};

}  // namespace vitrine
