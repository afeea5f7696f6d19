#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_order.h"

namespace vitrine {

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxPayloadOfPoint = size_t{1} << 20;

// What a point of a collection is called: an integer or a text. 5 and "5" are two points.
struct PointKey {
  bool is_text = false;
  uint64_t number = 0;    // unless it is text
  std::string_view text;  // UTF-8, 1 to kMaxKeyBytes; outlives the key

  static PointKey Number(uint64_t number) { return {false, number, {}}; }
  static PointKey Text(std::string_view text) { return {true, 0, text}; }
  friend bool operator==(const PointKey&, const PointKey&) = default;
  // Integers, then texts by their bytes.
  friend auto operator<=>(const PointKey&, const PointKey&) = default;
};

// "point 5", "point \"5\"": for messages.
inline std::string NameOf(const PointKey& key) {
  return "point " + (key.is_text ? '"' + std::string(key.text) + '"' : std::to_string(key.number));
}

// What tells a key from every other one, as bytes.
inline std::string BytesOf(const PointKey& key) {
  std::string bytes(key.is_text ? key.text.size() + 1 : sizeof(uint64_t) + 1, '\0');
  bytes[0] = key.is_text ? 't' : 'n';
  if (key.is_text) {
    std::copy(key.text.begin(), key.text.end(), bytes.begin() + 1);
  } else {
    std::memcpy(bytes.data() + 1, &key.number, sizeof(key.number));
  }
  return bytes;
}

// A point without its vector, as bytes that memory and checkpoints have in common:
//
//   0   u64  log sequence number of the write that made it
//   8   u32  length of the key; bit 31: it is text. An integer has 8 bytes
//   12  u32  length of the payload; ffffffff: there is none
//   16       key, payload
class PointRecord {
 public:
  static constexpr size_t kHeaderBytes = 16;
  static constexpr uint32_t kTextBit = 0x80000000u;
  static constexpr uint32_t kNoPayload = 0xffffffffu;

  using Payload = std::optional<std::span<const std::byte>>;

  // A record that was checked, or encoded here.
  explicit PointRecord(const std::byte* bytes) : bytes_(bytes) {}

  static size_t BytesFor(const PointKey& key, const Payload& payload) {
    return kHeaderBytes + (key.is_text ? key.text.size() : sizeof(uint64_t)) +
           (payload ? payload->size() : 0);
  }
  // Writes BytesFor(key, payload) bytes; the sequence number is 0.
  static void Encode(const PointKey& key, const Payload& payload, std::byte* out) {
    const uint32_t key_bytes =
        static_cast<uint32_t>(key.is_text ? key.text.size() : sizeof(uint64_t));
    StoreLittleEndian<uint64_t>(out, 0);
    StoreLittleEndian<uint32_t>(out + 8, key_bytes | (key.is_text ? kTextBit : 0));
    StoreLittleEndian<uint32_t>(out + 12,
                                payload ? static_cast<uint32_t>(payload->size()) : kNoPayload);
    if (key.is_text) {
      std::memcpy(out + kHeaderBytes, key.text.data(), key_bytes);
    } else {
      StoreLittleEndian<uint64_t>(out + kHeaderBytes, key.number);
    }
    if (payload && !payload->empty()) {
      std::memcpy(out + kHeaderBytes + key_bytes, payload->data(), payload->size());
    }
  }
  static void SetLsn(std::byte* record, uint64_t lsn) { StoreLittleEndian(record, lsn); }
  // Whether `bytes` is exactly one record within the limits.
  static bool IsValid(std::span<const std::byte> bytes);

  uint64_t lsn() const { return LoadLittleEndian<uint64_t>(bytes_); }
  PointKey key() const {
    if (!is_text()) return PointKey::Number(LoadLittleEndian<uint64_t>(bytes_ + kHeaderBytes));
    return PointKey::Text(
        {reinterpret_cast<const char*>(bytes_ + kHeaderBytes), key_bytes()});  // NOLINT
  }
  Payload payload() const {
    const uint32_t size = payload_word();
    if (size == kNoPayload) return {};
    return std::span(bytes_ + kHeaderBytes + key_bytes(), size);
  }
  std::span<const std::byte> bytes() const {
    const uint32_t size = payload_word();
    return {bytes_, kHeaderBytes + key_bytes() + (size == kNoPayload ? 0 : size)};
  }

 private:
  bool is_text() const { return (key_word() & kTextBit) != 0; }
  uint32_t key_bytes() const { return key_word() & ~kTextBit; }
  uint32_t key_word() const { return LoadLittleEndian<uint32_t>(bytes_ + 8); }
  uint32_t payload_word() const { return LoadLittleEndian<uint32_t>(bytes_ + 12); }

  const std::byte* bytes_;
};

inline bool PointRecord::IsValid(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  const PointRecord record(bytes.data());
  const uint32_t key = record.key_bytes();
  const uint32_t payload = record.payload_word();
  if (record.is_text() ? key < 1 || key > kMaxKeyBytes : key != sizeof(uint64_t)) return false;
  if (payload != kNoPayload && payload > kMaxPayloadOfPoint) return false;
  return record.bytes().size() == bytes.size();
}

}  // namespace vitrine
