#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vitrine {

// CRC-32C (Castagnoli, polynomial 1edc6f41 reflected; RFC 3720, appendix B.4) of `bytes`, or of
// what came before and `bytes` when `before` is the CRC of that. 0 for nothing.
// By the processor's instruction where it has one, several gigabytes a second, and where it has
// AVX-512 with VPCLMULQDQ as fast as memory gives the bytes.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before = 0) noexcept;

// The CRCs of two to four neighbouring pieces of equal size, side by side: a processor that waits
// for one goes on with another, up to three times as fast.
//   bytes  [crcs.size() * size of a piece], the size a multiple of 8
void Crc32cSideBySide(std::span<const std::byte> bytes, std::span<uint32_t> crcs) noexcept;

// The same by tables, on any processor; about one gigabyte a second.
uint32_t Crc32cPortable(std::span<const std::byte> bytes, uint32_t before = 0) noexcept;

// Whether `Crc32c` uses an instruction.
bool HasCrc32cInstruction() noexcept;

// The form in which a CRC is stored: a CRC over bytes that end in their own CRC is a constant,
// which the mask prevents (the same one as LevelDB's).
constexpr uint32_t MaskCrc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

}  // namespace vitrine
