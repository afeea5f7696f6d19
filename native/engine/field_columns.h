#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <variant>
#include <vector>

#include "base/slot.h"
#include "base/status.h"
#include "engine/entry_set.h"
#include "engine/field.h"
#include "engine/filter.h"
#include "engine/keyword_column.h"
#include "engine/number_column.h"
#include "engine/payload_fields.h"
#include "engine/point_filter.h"
#include "engine/table.h"

namespace vitrine {

// The entries that a filter admits, as a filter of the collection's table.
class EntryFilter final : public PointFilter {
 public:
  // `estimate` is what the filter was thought to admit, before anything was computed.
  EntryFilter(EntryBitmap entries, double estimate)
      : entries_(std::move(entries)), size_(entries_.Count()), estimate_(estimate) {}

  bool Contains(PointId id) const override {
    return id <= kNoEntry && entries_.Test(static_cast<EntryId>(id));
  }
  size_t size() const override { return size_; }
  const EntryBitmap& entries() const { return entries_; }
  // Share of all entries, 0 ... 1.
  double estimate() const { return estimate_; }
  size_t memory_bytes() const { return sizeof(*this) + slot_bytes() + entries_.memory_bytes(); }

 private:
  const EntryBitmap entries_;
  const size_t size_;
  const double estimate_;
};

// The values of one field.
struct FieldColumn {
  explicit FieldColumn(Field of) : field(std::move(of)) {
    if (field.type == FieldType::kInteger || field.type == FieldType::kNumber ||
        field.type == FieldType::kDate) {
      values.emplace<NumberColumn>();
    }
  }
  size_t memory_bytes() const;

  const Field field;
  EntrySet present;  // entries that have a value
  std::variant<KeywordColumn, NumberColumn> values;
};

// What the entries of a collection hold in its fields. An entry's values never change; it is here
// before it is published, and until no reader may see it any more.
//
// Thread safety: every function may be called at any time; those that change something come from
// one writer at a time. Readers hold it off while they evaluate.
class FieldColumns {
 public:
  explicit FieldColumns(const Fields& fields);
  FieldColumns(const FieldColumns&) = delete;
  FieldColumns& operator=(const FieldColumns&) = delete;

  Fields fields() const;
  // kPayload when a field has a value of the wrong type. For the writer.
  Status Check(const PointRecord::Payload& payload, const PointKey& of) {
    return reader_.Check(fields_, payload, of);
  }

  // Adds an entry; values of the wrong type are passed over. May throw std::bad_alloc: the entry
  // must then be removed.
  //   slot  the row of the table in which it is
  void Add(EntryId entry, Slot slot, const PointRecord::Payload& payload);
  // Makes room for what AddMany keeps of `entries` of them, fields aside. May throw std::bad_alloc.
  void Reserve(size_t entries);
  // Adds entries [first, first + count), each in the row of its number, holding readers off once.
  // May throw std::bad_alloc: then some of them are there.
  //   payload_of  (entry) -> Payload
  template <typename PayloadOf>
  void AddMany(EntryId first, size_t count, PayloadOf payload_of) {
    const std::unique_lock lock(mutex_);
    version_.fetch_add(1, std::memory_order_release);
    for (size_t i = 0; i < count; ++i) {
      const auto entry = static_cast<EntryId>(first + i);
      AddLocked(entry, entry, payload_of(entry));
    }
  }
  // Puts an entry that is there into another row. REQUIRES: nobody evaluates yet
  void MoveTo(EntryId entry, Slot slot);
  // Does not fail. Nothing happens when it is not there.
  //   payload  as it was added
  void Remove(EntryId entry, const PointRecord::Payload& payload);

  // Takes the columns of another one, whose fields are not here yet. Does not fail once
  // `ReserveColumns` made room for them.
  void ReserveColumns(size_t more);
  void TakeColumns(FieldColumns& from);

  // The entries that a filter admits, and some that no reader sees any more, or yet.
  EntryBitmap Evaluate(const Filter& filter) const;
  // The same for a search of the collection's table on a snapshot. kOutOfMemory.
  Result<std::shared_ptr<const EntryFilter>> MakeFilter(const Filter& filter, const Table& table,
                                                        const ReaderPool::Lease& lease) const;
  // Whether what MakeFilter made holds for other snapshots, too, if it knows the rows of all that
  // they show.
  bool KnowsRows(const ReaderPool::Lease& lease) const {
    return lease.snapshot() >= rows_from_.load(std::memory_order_acquire);
  }
  // A table that is linked anew moves entries to other rows: where they are is not known from
  // `ForgetRows` until `LearnRows`, which is called when it is linked.
  void ForgetRows() { rows_from_.store(UINT64_MAX, std::memory_order_release); }
  // May throw std::bad_alloc, and then nothing changed.
  void LearnRows(const Table& table);
  // Changes with each entry that is added or removed. What was evaluated at a version holds for
  // every snapshot that was taken before the same version was seen.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  size_t memory_bytes() const;

 private:
  class Adder;
  class Remover;

  // mutex_ is held
  void AddLocked(EntryId entry, Slot slot, const PointRecord::Payload& payload);
  const FieldColumn& ColumnOf(const std::string& name) const;
  FieldColumn& ColumnOf(const Field& field);
  // mutex_ is held by the callers of these.
  EntryBitmap Evaluate(const Filter::Node& node) const;
  EntryBitmap EvaluateLeaf(const Filter::Node& node) const;
  double Estimate(const Filter::Node& node) const;
  double EstimateLeaf(const Filter::Node& node) const;

  mutable std::shared_mutex mutex_;
  Fields fields_;                                      // of the columns, in their order
  std::vector<std::unique_ptr<FieldColumn>> columns_;  // ascending by name
  EntrySet entries_;                                   // all that are here
  std::vector<Slot> slots_;                            // of each of them
  std::atomic<uint64_t> version_{0};  // release by the writer, acquire by who evaluates
  // slots_ holds for snapshots from this version of the table on. Release by LearnRows, after
  // slots_; acquire by who evaluates.
  std::atomic<uint64_t> rows_from_{0};

  PayloadFields reader_;  // the writer's
};

}  // namespace vitrine
