#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "engine/collection.h"
#include "engine/table_transaction.h"
#include "engine/transaction.h"

namespace vitrine {

// The writes of one or more transactions to one collection, which become visible together. First
// they are gathered: each operation meets the collection as those before it left it, and each
// transaction can be taken back. Then everything that can fail is done, and the last step cannot.
//
// One at a time for a collection. May throw std::bad_alloc, and then nothing has happened.
class CollectionWrite {
 public:
  // `collection` outlives the object.
  explicit CollectionWrite(Collection& collection);
  CollectionWrite(const CollectionWrite&) = delete;
  CollectionWrite& operator=(const CollectionWrite&) = delete;
  ~CollectionWrite();

  enum class Conditions : uint8_t { kCheck, kHold };
  // Adds an operation of transaction `transaction`, whose bytes stay until Prepare. kExists,
  // kNotFound, kConflict, kDimension or kVector; the caller then takes the transaction back.
  //   returns  how many points it deletes
  Result<size_t> Add(const PointWrite& operation, size_t transaction, Conditions conditions);
  // Keeps what was added since the last Accept, or takes it back.
  void Accept() {
    undo_.clear();
    accepted_bytes_ = memory_bytes_;
  }
  void Undo();

  // Does all that can fail.
  Status Prepare();
  // Shows it to readers. Cannot fail. REQUIRES: Prepare succeeded
  //   lsns  of each transaction
  void Publish(std::span<const uint64_t> lsns);
  // Looks after the graph; see TableTransaction::Tidy.
  void Tidy();

  // About how much memory what was added takes.
  size_t memory_bytes() const;

 private:
  // What becomes of a key.
  struct Change {
    EntryId before = kNoEntry;
    bool present = false;
    size_t transaction = 0;
    const std::byte* vector = nullptr;
    PointRecord::Payload payload;
    PointKey key;
  };
  struct Added {
    EntryId entry;
    size_t transaction;
  };
  using Changes = std::unordered_map<std::string, Change>;

  Status Check(const PointWrite& operation, const Change* change, EntryId entry) const;
  EntryId AllocateEntry();
  size_t PointBytes(size_t payload) const;
  size_t CodeBytes() const;

  Collection& collection_;
  Changes changes_;
  std::vector<std::pair<std::string, std::optional<Change>>> undo_;
  std::list<std::vector<std::byte>> copied_vectors_;
  std::vector<Added> added_;
  std::vector<EntryId> removed_;
  std::optional<TableTransaction> table_write_;
  size_t memory_bytes_ = 0;
  size_t accepted_bytes_ = 0;
  bool published_ = false;
};

}  // namespace vitrine
