#include "base/crc32c.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_order.h"

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define VITRINE_CRC_X86 1
#include <nmmintrin.h>
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif
#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))
#define VITRINE_CRC_ARM 1
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace vitrine {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82f63b78u;
constexpr size_t kSlices = 8;

// kTables[k][b]: the CRC register after byte b and k zero bytes (Kounavis & Berry 2005, "slicing").
constexpr std::array<std::array<uint32_t, 256>, kSlices> MakeTables() {
  std::array<std::array<uint32_t, 256>, kSlices> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < kSlices; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr auto kTables = MakeTables();

// The functions below carry the register as it is, without the inversions of a finished CRC.

uint32_t StepPortable(uint32_t crc, const std::byte* at, size_t size) noexcept {
  for (; size >= 8; at += 8, size -= 8) {
    const uint64_t word = LoadLittleEndian<uint64_t>(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; size > 0; ++at, --size) crc = (crc >> 8) ^ kTables[0][(crc ^ uint32_t(*at)) & 0xff];
  return crc;
}

#if defined(VITRINE_CRC_X86)

#if defined(_MSC_VER) && !defined(__clang__)
#define VITRINE_CRC_TARGET
bool HasInstruction() noexcept {
  int registers[4];
  __cpuid(registers, 1);
  return (registers[2] & (1 << 20)) != 0;
}
#else
#define VITRINE_CRC_TARGET __attribute__((target("sse4.2")))
bool HasInstruction() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }
#endif

VITRINE_CRC_TARGET uint32_t StepInstruction(uint32_t crc, const std::byte* at,
                                            size_t size) noexcept {
  uint64_t wide = crc;
  for (; size >= 8; at += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; size > 0; ++at, --size) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return crc;
}

template <size_t kPieces>
VITRINE_CRC_TARGET void StepPieces(const std::byte* at, size_t size, uint32_t* crcs) noexcept {
  uint64_t wide[kPieces];
  std::copy_n(crcs, kPieces, wide);
  for (const std::byte* const end = at + size; at < end; at += 8) {
    for (size_t i = 0; i < kPieces; ++i) {
      uint64_t word;
      std::memcpy(&word, at + i * size, sizeof(word));
      wide[i] = _mm_crc32_u64(wide[i], word);
    }
  }
  for (size_t i = 0; i < kPieces; ++i) crcs[i] = static_cast<uint32_t>(wide[i]);
}

#elif defined(VITRINE_CRC_ARM)

bool HasInstruction() noexcept {
#if defined(__linux__)
  constexpr unsigned long kHwcapCrc32 = 1ul << 7;  // HWCAP_CRC32 of the kernel's ABI
  return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
#else
  return true;  // every 64-bit Apple processor that runs macOS
#endif
}

// As assembly, because Clang declares the intrinsics only where the whole file may use them.
uint32_t StepInstruction(uint32_t crc, const std::byte* at, size_t size) noexcept {
  for (; size >= 8; at += 8, size -= 8) {
    const uint64_t word = LoadLittleEndian<uint64_t>(at);
    asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
  }
  for (; size > 0; ++at, --size) {
    const uint32_t byte = static_cast<uint32_t>(*at);
    asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
  }
  return crc;
}

template <size_t kPieces>
void StepPieces(const std::byte* at, size_t size, uint32_t* crcs) noexcept {
  for (const std::byte* const end = at + size; at < end; at += 8) {
    for (size_t i = 0; i < kPieces; ++i) crcs[i] = StepInstruction(crcs[i], at + i * size, 8);
  }
}

#else

bool HasInstruction() noexcept { return false; }
uint32_t StepInstruction(uint32_t crc, const std::byte* at, size_t size) noexcept {
  return StepPortable(crc, at, size);
}
template <size_t kPieces>
void StepPieces(const std::byte* at, size_t size, uint32_t* crcs) noexcept {
  for (size_t i = 0; i < kPieces; ++i) crcs[i] = StepPortable(crcs[i], at + i * size, size);
}

#endif

}  // namespace

bool HasCrc32cInstruction() noexcept {
  static const bool has = HasInstruction();
  return has;
}

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before) noexcept {
  return HasCrc32cInstruction() ? ~StepInstruction(~before, bytes.data(), bytes.size())
                                : ~StepPortable(~before, bytes.data(), bytes.size());
}

void Crc32cSideBySide(std::span<const std::byte> bytes, std::span<uint32_t> crcs) noexcept {
  const size_t size = bytes.size() / crcs.size();
  std::fill(crcs.begin(), crcs.end(), ~0u);
  if (!HasCrc32cInstruction() || crcs.size() < 2 || crcs.size() > 4) {
    for (size_t i = 0; i < crcs.size(); ++i) crcs[i] = ~Crc32c(bytes.subspan(i * size, size));
  } else if (crcs.size() == 2) {
    StepPieces<2>(bytes.data(), size, crcs.data());
  } else if (crcs.size() == 3) {
    StepPieces<3>(bytes.data(), size, crcs.data());
  } else {
    StepPieces<4>(bytes.data(), size, crcs.data());
  }
  for (uint32_t& crc : crcs) crc = ~crc;
}

uint32_t Crc32cPortable(std::span<const std::byte> bytes, uint32_t before) noexcept {
  return ~StepPortable(~before, bytes.data(), bytes.size());
}

}  // namespace vitrine
