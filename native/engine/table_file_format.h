#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/slot.h"
#include "base/status.h"
#include "index/vector_type.h"
#include "storage/container_format.h"

namespace vitrine {

// What the sections of an index file hold, as docs/formats/index-file.md has it.

struct IndexConfig {
  uint32_t dimension = 0;
  uint32_t metric = 0;
  uint32_t scalar_type = 0;
  uint32_t id_type = 0;
  uint32_t m = 0;
  uint32_t ef_construction = 0;
  uint32_t quantization = 0;
  uint32_t link_width = 0;
  uint64_t seed = 0;
  uint64_t capacity = 0;
  uint64_t next_id = 0;
  uint64_t rows = 0;
  uint64_t points = 0;
  uint64_t entries_offered = 0;
  uint64_t entries_stride = 1;
  uint32_t codes = 0;

  static constexpr size_t kBytes = 128;
  static constexpr size_t kReservedFrom = 92;

  size_t id_bytes() const { return id_type == 0 ? sizeof(uint32_t) : sizeof(uint64_t); }
  // Rows of the file start on cache lines, so that they can be used in place one day.
  // REQUIRES: a known scalar type, and a dimension that fits it
  size_t vector_bytes() const { return RoundUp(used_vector_bytes(), 64); }
  size_t used_vector_bytes() const {
    return VectorBytes(static_cast<VectorType>(scalar_type), dimension);
  }
  size_t link_bytes() const { return link_width * sizeof(uint32_t); }
};

// A point that shares the row of an equal vector.
struct GuestRecord {
  uint64_t id = 0;
  uint64_t birth = 0;
  uint32_t row = 0;
  uint32_t reserved = 0;

  static constexpr size_t kBytes = 24;
};

// Versions and counts of offered entries stay below, so that going on from them cannot overflow.
inline constexpr uint64_t kMaxVersion = uint64_t{1} << 62;

// Each writes or reads exactly kBytes.
void EncodeConfig(const IndexConfig& config, std::byte* out);
IndexConfig DecodeConfig(const std::byte* in);
void EncodeGuest(const GuestRecord& guest, std::byte* out);
GuestRecord DecodeGuest(const std::byte* in);

// kArgument for a path that is empty, or that the operating system would cut at a zero byte;
// kFormat on a processor that cannot use the files.
Status CheckFilePath(const std::string& path);

// Whether a link (not a fill edge) to `target` is among `words`.
bool HasLink(std::span<const uint32_t> words, Slot target);

}  // namespace vitrine
