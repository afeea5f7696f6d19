#include "engine/table_file_format.h"

#include <bit>
#include <cstring>

#include "base/byte_order.h"

namespace vitrine {

void EncodeConfig(const IndexConfig& config, std::byte* out) {
  std::memset(out, 0, IndexConfig::kBytes);
  const uint32_t narrow[] = {config.dimension,    config.metric,    config.scalar_type,
                             config.id_type,      config.m,         config.ef_construction,
                             config.quantization, config.link_width};
  const uint64_t wide[] = {config.seed,   config.capacity,        config.next_id,       config.rows,
                           config.points, config.entries_offered, config.entries_stride};
  for (size_t i = 0; i < std::size(narrow); ++i) StoreLittleEndian(out + 4 * i, narrow[i]);
  for (size_t i = 0; i < std::size(wide); ++i) StoreLittleEndian(out + 32 + 8 * i, wide[i]);
  StoreLittleEndian(out + 88, config.codes);
}

IndexConfig DecodeConfig(const std::byte* in) {
  const auto narrow = [&](size_t i) { return LoadLittleEndian<uint32_t>(in + 4 * i); };
  const auto wide = [&](size_t i) { return LoadLittleEndian<uint64_t>(in + 32 + 8 * i); };
  return {
      .dimension = narrow(0),
      .metric = narrow(1),
      .scalar_type = narrow(2),
      .id_type = narrow(3),
      .m = narrow(4),
      .ef_construction = narrow(5),
      .quantization = narrow(6),
      .link_width = narrow(7),
      .seed = wide(0),
      .capacity = wide(1),
      .next_id = wide(2),
      .rows = wide(3),
      .points = wide(4),
      .entries_offered = wide(5),
      .entries_stride = wide(6),
      .codes = narrow(22),
  };
}

void EncodeGuest(const GuestRecord& guest, std::byte* out) {
  StoreLittleEndian(out, guest.id);
  StoreLittleEndian(out + 8, guest.birth);
  StoreLittleEndian(out + 16, guest.row);
  StoreLittleEndian(out + 20, guest.reserved);
}

GuestRecord DecodeGuest(const std::byte* in) {
  return {
      .id = LoadLittleEndian<uint64_t>(in),
      .birth = LoadLittleEndian<uint64_t>(in + 8),
      .row = LoadLittleEndian<uint32_t>(in + 16),
      .reserved = LoadLittleEndian<uint32_t>(in + 20),
  };
}

Status CheckFilePath(const std::string& path) {
  // Vectors and links go to and from files as they are in memory.
  if constexpr (std::endian::native != std::endian::little) {
    return {ErrorCode::kFormat, "index files need a little-endian processor"};
  }
  if (!path.empty() && path.find('\0') == std::string::npos) return {};
  return {ErrorCode::kArgument, path.empty() ? "the path is empty" : "the path has a zero byte"};
}

bool HasLink(std::span<const uint32_t> words, Slot target) {
  // Without an early end the compiler compares many words at a time.
  bool found = false;
  for (const uint32_t word : words) found |= word == target;
  return found;
}

}  // namespace vitrine
