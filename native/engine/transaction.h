#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/siphash.h"
#include "base/status.h"
#include "engine/filter.h"
#include "engine/point_record.h"
#include "index/vector_type.h"
#include "storage/byte_stream.h"

namespace vitrine {

inline constexpr size_t kMaxTransactionBytes = size_t{64} << 20;
inline constexpr size_t kMaxTransactionPoints = 100'000;
inline constexpr size_t kMaxTransactionFilters = 100;

enum class OperationType : uint8_t {
  kPut = 1,         // vector and payload
  kSetPayload = 2,  // of a point that is there; the vector stays
  kDelete = 3,      // nothing when it is not there
};

// What must hold for a write when it is its turn. Replays do not ask again.
enum class Condition : uint8_t {
  kNone = 0,
  kAbsent = 1,     // the point is not there
  kPresent = 2,    // it is
  kUnchanged = 3,  // it is, and was last written by the record with that number
};

// One operation of a transaction; the spans point into its bytes.
struct PointWrite {
  uint32_t collection = 0;
  OperationType type = OperationType::kPut;
  Condition condition = Condition::kNone;
  uint64_t expected_lsn = 0;  // of kUnchanged
  PointKey key;
  VectorType vector_type = VectorType::kF32;
  VectorView vector;             // of kPut
  PointRecord::Payload payload;  // of kPut and kSetPayload
};

// Writes to any number of collections that are done whole or not at all: the payload of one record
// of the log (docs/formats/log.md, "Transaction").
class Transaction {
 public:
  Transaction();

  // 16 bytes of a caller's own, not all zero: of several transactions with the same ones only the
  // first is done.
  void SetIdempotencyKey(const Digest128& key);
  // kTooLarge when it would exceed what a transaction, a key or a payload may have; then nothing
  // was added. May throw std::bad_alloc.
  Status Add(const PointWrite& operation);

  // Adds the removal of every point that the filter admits when the transaction has its turn. See
  // ResolveRemovals (engine/filtered_removal.h). kTooLarge; may throw std::bad_alloc.
  Status AddRemoval(uint32_t collection, const Filter& filter);

  // Makes room for so many bytes of vectors, keys and payloads in so many operations at once:
  // growing step by step copies what is there each time. A hint: too little is no error.
  void Reserve(size_t operations, size_t bytes);
  // When the caller's key is first seen, in milliseconds since 1970.
  void SetTime(uint64_t time_ms);

  size_t operations() const { return operations_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  // Removals by filter, which are not in the bytes, in the order in which they were added.
  struct Removal {
    size_t after;  // so many operations
    uint32_t collection;
    Filter filter;
  };
  const std::vector<Removal>& removals() const { return removals_; }
  // The bytes; nothing may be added afterwards.
  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
  uint32_t operations_ = 0;
  std::vector<Removal> removals_;
};

// Takes a transaction apart; every byte may be wrong. The bytes begin at a multiple of 4.
class TransactionReader {
 public:
  explicit TransactionReader(std::span<const std::byte> bytes);

  const Digest128& idempotency_key() const { return key_; }
  bool has_idempotency_key() const { return key_ != Digest128{}; }
  uint64_t time_ms() const { return time_ms_; }
  size_t operations() const { return operations_; }
  // The next one; nothing at the end, or where the bytes make no sense: then `failed`.
  std::optional<PointWrite> Next();
  bool failed() const { return in_.failed(); }

 private:
  ByteReader in_;
  Digest128 key_{};
  uint64_t time_ms_ = 0;
  uint32_t operations_ = 0;
  uint32_t done_ = 0;
};

}  // namespace vitrine
