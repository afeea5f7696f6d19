#include "engine/filtered_removal.h"

#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/field_columns.h"

namespace vitrine {
namespace {

// What the operations so far make of one collection's points.
class Overlay {
 public:
  explicit Overlay(std::shared_ptr<Collection> collection)
      : collection_(std::move(collection)), columns_(collection_->fields()) {}

  void Apply(const PointWrite& operation) {
    Forget(operation.key);
    if (operation.type == OperationType::kDelete) return;
    const EntryId entry = static_cast<EntryId>(points_.size());
    points_.push_back(operation);
    columns_.Add(entry, 0, operation.payload);
    entries_[BytesOf(operation.key)] = entry;
  }

  // The points that a filter admits; they are removed from then on.
  std::vector<PointKey> Take(const Filter& filter) {
    std::vector<PointKey> keys;
    for (const PointKey& key : collection_->KeysOf(filter)) {
      if (!entries_.contains(BytesOf(key))) keys.push_back(key);
    }
    columns_.Evaluate(filter).ForEach([&](EntryId entry) { keys.push_back(points_[entry].key); });
    for (const PointKey& key : keys) Forget(key);
    return keys;
  }

 private:
  // The point is not there: neither as an operation left it nor as it was before.
  void Forget(const PointKey& key) {
    const auto [written, is_new] = entries_.try_emplace(BytesOf(key), kNoEntry);
    if (is_new || written->second == kNoEntry) return;
    columns_.Remove(written->second, points_[written->second].payload);
    written->second = kNoEntry;
  }

  const std::shared_ptr<Collection> collection_;
  FieldColumns columns_;
  std::vector<PointWrite> points_;                    // what was put, by entry
  std::unordered_map<std::string, EntryId> entries_;  // kNoEntry: removed
};

class Resolver {
 public:
  Resolver(const Transaction& from, const FindCollectionById& find) : from_(from), find_(find) {}

  Result<Transaction> Resolve() {
    for (const Transaction::Removal& removal : from_.removals()) {
      if (overlays_.contains(removal.collection)) continue;
      Result<std::shared_ptr<Collection>> collection = find_(removal.collection);
      if (!collection.ok()) return collection.status();
      overlays_.try_emplace(removal.collection, std::move(*collection));
    }
    TransactionReader reader(from_.bytes());
    result_.SetIdempotencyKey(reader.idempotency_key());
    size_t next = 0;
    for (size_t done = 0;; ++done) {
      for (; next < from_.removals().size() && from_.removals()[next].after == done; ++next) {
        VITRINE_RETURN_IF_ERROR(Remove(from_.removals()[next]));
      }
      const std::optional<PointWrite> operation = reader.Next();
      if (!operation) return std::move(result_);
      const auto overlay = overlays_.find(operation->collection);
      if (overlay != overlays_.end()) overlay->second.Apply(*operation);
      VITRINE_RETURN_IF_ERROR(result_.Add(*operation));
    }
  }

 private:
  Status Remove(const Transaction::Removal& removal) {
    PointWrite operation;
    operation.collection = removal.collection;
    operation.type = OperationType::kDelete;
    for (const PointKey& key : overlays_.at(removal.collection).Take(removal.filter)) {
      operation.key = key;
      VITRINE_RETURN_IF_ERROR(result_.Add(operation));
    }
    return {};
  }

  const Transaction& from_;
  const FindCollectionById& find_;
  Transaction result_;
  std::map<uint32_t, Overlay> overlays_;
};

}  // namespace

Result<Transaction> ResolveRemovals(Transaction transaction, const FindCollectionById& find) {
  if (transaction.removals().empty()) return transaction;
  return Resolver(transaction, find).Resolve();
}

}  // namespace vitrine
