#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/container_format.h"

namespace vitrine {

// What the readers of every kind of file check, and how they say what they found.

// Fuzzers cannot guess checksums: a build for them looks at the structure alone.
#ifdef VITRINE_FUZZ_SKIP_CHECKSUMS
inline constexpr bool kSkipChecksums = true;
#else
inline constexpr bool kSkipChecksums = false;
#endif

bool AreZero(std::span<const std::byte> bytes);

// Whether `masked` is what the CRC of `bytes`, or of what came before and `bytes`, is stored as.
bool CrcHolds(std::span<const std::byte> bytes, uint32_t masked, uint32_t before = 0);

// kCorrupt: what is wrong at byte `offset` of the file.
Status CorruptFile(const std::string& path, std::string_view section, uint64_t offset,
                   std::string_view what);

// kFormat: what this version does not know, and who wrote it. `header` may be all zeros.
Status UnknownFile(const std::string& path, const HeaderPage& header, std::string_view what);

// Whether a file begins as vitrine's do; `start` may be shorter than the magic.
bool HasMagic(std::span<const std::byte> start);

// Decodes the header page of a file of `kind`, with magic, checksum, version and features checked.
//   page           [kPageBytes]
//   reserved_from  where the fields that this kind has of its own end
Result<HeaderPage> ReadHeaderPage(std::span<const std::byte> page, const std::string& path,
                                  FileKind kind, size_t reserved_from);

}  // namespace vitrine
