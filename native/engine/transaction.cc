#include "engine/transaction.h"

#include <algorithm>
#include <string>
#include <utility>

namespace vitrine {
namespace {

constexpr size_t kHeaderBytes = 32;
constexpr size_t kOperationBytes = 32;
constexpr size_t kTimeAt = 16;
constexpr size_t kCountAt = 24;
constexpr uint8_t kTextFlag = 1;
constexpr uint8_t kPayloadFlag = 2;

Status TooLarge(const std::string& what, size_t limit) {
  return {ErrorCode::kTooLarge, what + ", more than " + std::to_string(limit)};
}

size_t Padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace

Transaction::Transaction() : bytes_(kHeaderBytes) {}

void Transaction::SetIdempotencyKey(const Digest128& key) {
  std::copy(key.begin(), key.end(), bytes_.begin());
}

Status Transaction::Add(const PointWrite& operation) {
  const size_t key = operation.key.is_text ? operation.key.text.size() : sizeof(uint64_t);
  const size_t payload = operation.payload ? operation.payload->size() : 0;
  if (key > kMaxKeyBytes) {
    return TooLarge("an id has " + std::to_string(key) + " bytes", kMaxKeyBytes);
  }
  if (payload > kMaxPayloadOfPoint) {
    return TooLarge(
        "the payload of " + NameOf(operation.key) + " has " + std::to_string(payload) + " bytes",
        kMaxPayloadOfPoint);
  }
  if (operations_ == kMaxTransactionPoints) {
    return TooLarge("a transaction has too many points", kMaxTransactionPoints);
  }
  const size_t size =
      kOperationBytes + Padded(key) + Padded(operation.vector.size_bytes()) + Padded(payload);
  if (bytes_.size() + size > kMaxTransactionBytes) {
    return TooLarge("a transaction has too many bytes", kMaxTransactionBytes);
  }
  if (bytes_.capacity() < bytes_.size() + size) {
    bytes_.reserve(std::max(bytes_.size() + size, 2 * bytes_.capacity()));
  }
  ByteWriter out(bytes_);
  out.Put(operation.collection);
  out.Put(static_cast<uint8_t>(operation.type));
  out.Put(static_cast<uint8_t>(operation.condition));
  out.Put(static_cast<uint8_t>((operation.key.is_text ? kTextFlag : 0) |
                               (operation.payload ? kPayloadFlag : 0)));
  out.Put(static_cast<uint8_t>(operation.vector_type));
  out.Put(static_cast<uint32_t>(key));
  out.Put(
      static_cast<uint32_t>(ComponentsIn(operation.vector_type, operation.vector.size_bytes())));
  out.Put(static_cast<uint32_t>(payload));
  out.Put(uint32_t{0});
  out.Put(operation.expected_lsn);
  if (operation.key.is_text) {
    out.Append(operation.key.text);
  } else {
    out.Put(operation.key.number);
  }
  out.Pad(8);
  out.Append(operation.vector.bytes());
  out.Pad(8);
  if (operation.payload) out.Append(*operation.payload);
  out.Pad(8);
  StoreLittleEndian(bytes_.data() + kCountAt, ++operations_);
  return {};
}

Status Transaction::AddRemoval(uint32_t collection, const Filter& filter) {
  if (removals_.size() == kMaxTransactionFilters) {
    return TooLarge("a transaction has too many filters", kMaxTransactionFilters);
  }
  removals_.push_back({operations_, collection, filter});
  return {};
}

void Transaction::Reserve(size_t operations, size_t bytes) {
  // Each of the three parts of an operation is padded.
  const size_t needed = bytes_.size() + operations * (kOperationBytes + 24) + bytes;
  bytes_.reserve(std::min(needed, kMaxTransactionBytes));
}

void Transaction::SetTime(uint64_t time_ms) { StoreLittleEndian(bytes_.data() + kTimeAt, time_ms); }

TransactionReader::TransactionReader(std::span<const std::byte> bytes) : in_(bytes) {
  const std::span<const std::byte> key = in_.Take(key_.size());
  if (!key.empty()) std::copy(key.begin(), key.end(), key_.begin());
  time_ms_ = in_.Get<uint64_t>();
  operations_ = in_.Get<uint32_t>();
  if (in_.Get<uint32_t>() != 0) in_.Fail();
}

std::optional<PointWrite> TransactionReader::Next() {
  if (done_ == operations_ || in_.failed()) {
    if (in_.left() != 0) in_.Fail();
    return {};
  }
  ++done_;
  PointWrite operation;
  operation.collection = in_.Get<uint32_t>();
  const uint8_t type = in_.Get<uint8_t>();
  const uint8_t condition = in_.Get<uint8_t>();
  const uint8_t flags = in_.Get<uint8_t>();
  const uint8_t vector_type = in_.Get<uint8_t>();
  const uint32_t key_bytes = in_.Get<uint32_t>();
  const uint32_t components = in_.Get<uint32_t>();
  const uint32_t payload_bytes = in_.Get<uint32_t>();
  const uint32_t reserved = in_.Get<uint32_t>();
  operation.expected_lsn = in_.Get<uint64_t>();
  operation.type = static_cast<OperationType>(type);
  operation.condition = static_cast<Condition>(condition);
  operation.vector_type = static_cast<VectorType>(vector_type);
  const bool has_payload = (flags & kPayloadFlag) != 0;
  if (type < 1 || type > 3 || condition > 3 || flags > (kTextFlag | kPayloadFlag) ||
      vector_type >= std::size(kVectorTypeNames) || reserved != 0 ||
      payload_bytes > kMaxPayloadOfPoint || (!has_payload && payload_bytes != 0)) {
    in_.Fail();
  }
  if ((flags & kTextFlag) != 0) {
    if (key_bytes < 1 || key_bytes > kMaxKeyBytes) in_.Fail();
    operation.key = PointKey::Text(in_.Text(key_bytes));
  } else {
    if (key_bytes != sizeof(uint64_t)) in_.Fail();
    operation.key = PointKey::Number(in_.Get<uint64_t>());
  }
  in_.SkipPadding(8);
  // More than any vector has makes no sense, and would overflow where size_t is small.
  if (components > kMaxDimension || !DimensionFits(operation.vector_type, components)) in_.Fail();
  operation.vector = in_.Take(in_.failed() ? 0 : VectorBytes(operation.vector_type, components));
  in_.SkipPadding(8);
  const std::span<const std::byte> payload = in_.Take(payload_bytes);
  if (has_payload) operation.payload = payload;
  in_.SkipPadding(8);
  if (in_.failed()) return {};
  return operation;
}

}  // namespace vitrine
