#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/container_format.h"

namespace vitrine {

// The segments and frames of the log, as docs/formats/log.md lays them out: names, encoding and
// decoding, without any judgement about what follows what.

using DatabaseId = std::array<std::byte, 16>;

enum class FrameKind : uint8_t {
  kTransaction = 1,
  kSeal = 2,
  kConfiguration = 3,
  kCheckpoint = 4,
  kSpool = 5,
};
inline constexpr uint8_t kLastFrameKind = 5;

// Log sequence numbers, and numbers of segments, are below: no sum of theirs overflows.
inline constexpr uint64_t kNumberLimit = uint64_t{1} << 62;
inline constexpr size_t kMaxPayloadBytes = size_t{64} << 20;

// What the header page of a segment holds beyond that of other files.
struct SegmentHeader {
  DatabaseId database{};
  uint64_t number = 0;
  uint64_t first_lsn = 0;
  uint64_t incarnation = 0;
  uint64_t previous_number = 0;
  uint64_t previous_last = 0;
  uint64_t truncated_from = 0;
  uint64_t segment_bytes = 0;
  uint32_t previous_chain = 0;

  static constexpr size_t kFieldsAt = 368;
  static constexpr size_t kReservedFrom = 412;
  static constexpr size_t kSmallestSegment = 2 * kPageBytes;
};

// Writes exactly one page.
//   creator  who writes, for messages; at most 32 bytes of it are kept
void EncodeSegmentHeader(const SegmentHeader& header, std::string_view creator, std::byte* page);

// Everything that a header can be judged by on its own, together with its file's number and length.
// Fails with kCorrupt or kFormat.
//   page  [kPageBytes]
Result<SegmentHeader> ReadSegmentHeader(std::span<const std::byte> page, const std::string& path,
                                        uint64_t number, uint64_t file_bytes);

struct FrameHeader {
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;
  uint64_t lsn = 0;
  uint64_t durable_lsn = 0;
  uint32_t previous_crc = 0;
  uint8_t kind = 0;
  uint8_t flags = 0;
  uint16_t operations = 0;

  static constexpr size_t kBytes = 40;
};

// Of a frame in the file, header and padding included.
constexpr uint64_t FrameBytes(uint64_t payload_bytes) {
  return RoundUp(FrameHeader::kBytes + payload_bytes, 8);
}

// Whether frames of this incarnation have a mark that differs from zeros.
constexpr bool IsUsableIncarnation(uint64_t incarnation) {
  return static_cast<uint32_t>(incarnation) != 0x544d5246u;
}

// Writes kBytes; returns the header CRC as stored, the next link of the chain.
uint32_t EncodeFrame(const FrameHeader& header, uint64_t incarnation, std::byte* out);

// The header at `at`, of which kBytes are there; nothing when mark or CRC are not those of a frame
// of `incarnation`.
//   chain  when there is one, becomes its header CRC as stored
std::optional<FrameHeader> DecodeFrame(const std::byte* at, uint64_t incarnation, uint32_t& chain);

// The payload CRC as stored, of a payload whose padding is left out.
uint32_t PayloadCrc(uint64_t lsn, std::span<const std::byte> payload);

// "wal-00000000000000000017"
std::string SegmentName(uint64_t number);
// Nothing when it is not the name of a segment.
std::optional<uint64_t> SegmentNumber(std::string_view name);
// Whether a file can be deleted unseen: a segment that was being prepared.
bool IsUnfinishedSegment(std::string_view name);
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";

}  // namespace vitrine
