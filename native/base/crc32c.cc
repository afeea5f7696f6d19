#include "base/crc32c.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_order.h"

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define VITRINE_CRC_X86 1
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#include <nmmintrin.h>
#else
#define VITRINE_CRC_FOLDS 1
#include <immintrin.h>
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

#if defined(VITRINE_CRC_FOLDS)

// Multiplying polynomials by words (Gopal et al. 2009, "Fast CRC computation for generic
// polynomials using PCLMULQDQ"): bytes that stand d bits before others can be added to those once
// they were multiplied by x^d, and a whole file becomes sixteen bytes that have its CRC.

bool FoldsWide() noexcept {
  static const bool folds = __builtin_cpu_supports("sse4.2") != 0 &&
                            __builtin_cpu_supports("avx512f") != 0 &&
                            __builtin_cpu_supports("vpclmulqdq") != 0;
  return folds;
}

constexpr size_t kFoldedTogether = 256;
#define VITRINE_FOLD_TARGET __attribute__((target("sse4.2,pclmul,avx512f,vpclmulqdq")))

// x^power modulo the polynomial, as carry-less multiplication of reflected words wants it.
constexpr uint64_t FoldFactor(unsigned power) {
  uint32_t rest = 0x80000000u;  // 1, reflected
  for (; power > 0; --power) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kReflectedPolynomial : 0);
  return uint64_t{rest} << 1;
}

// What brings a register `bits` further: the factors of its first and of its second word.
struct Fold {
  constexpr explicit Fold(unsigned bits)
      : first(static_cast<long long>(FoldFactor(bits + 32))),
        second(static_cast<long long>(FoldFactor(bits - 32))) {}
  long long first;
  long long second;
};
constexpr Fold kFold2048(2048);
constexpr Fold kFold512(512);
constexpr Fold kFold128(128);

VITRINE_FOLD_TARGET inline __m512i Factors(const Fold& fold) noexcept {
  return _mm512_set_epi64(fold.second, fold.first, fold.second, fold.first, fold.second, fold.first,
                          fold.second, fold.first);
}

// `before`, moved on by what `factors` say, and `more`.
VITRINE_FOLD_TARGET inline __m512i FoldInto(__m512i before, __m512i factors,
                                            __m512i more) noexcept {
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(before, factors, 0x00),
                                   _mm512_clmulepi64_epi128(before, factors, 0x11), more,
                                   kXorOfThree);
}

// REQUIRES: FoldsWide(); size >= kFoldedTogether
VITRINE_FOLD_TARGET uint32_t StepFolding(uint32_t crc, const std::byte* at, size_t size) noexcept {
  const __m512i by_2048 = Factors(kFold2048);
  const __m512i crc_first =
      _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc)));  // u32
  __m512i folded0_u64x8 = _mm512_xor_si512(_mm512_loadu_si512(at), crc_first);
  __m512i folded1_u64x8 = _mm512_loadu_si512(at + 64);
  __m512i folded2_u64x8 = _mm512_loadu_si512(at + 128);
  __m512i folded3_u64x8 = _mm512_loadu_si512(at + 192);
  at += kFoldedTogether;
  size -= kFoldedTogether;
  for (; size >= kFoldedTogether; at += kFoldedTogether, size -= kFoldedTogether) {
    folded0_u64x8 = FoldInto(folded0_u64x8, by_2048, _mm512_loadu_si512(at));
    folded1_u64x8 = FoldInto(folded1_u64x8, by_2048, _mm512_loadu_si512(at + 64));
    folded2_u64x8 = FoldInto(folded2_u64x8, by_2048, _mm512_loadu_si512(at + 128));
    folded3_u64x8 = FoldInto(folded3_u64x8, by_2048, _mm512_loadu_si512(at + 192));
  }
  const __m512i by_512 = Factors(kFold512);
  folded1_u64x8 = FoldInto(folded0_u64x8, by_512, folded1_u64x8);
  folded2_u64x8 = FoldInto(folded1_u64x8, by_512, folded2_u64x8);
  folded3_u64x8 = FoldInto(folded2_u64x8, by_512, folded3_u64x8);

  alignas(64) std::byte last[64];
  _mm512_store_si512(last, folded3_u64x8);
  const __m128i by_128 = _mm_set_epi64x(kFold128.second, kFold128.first);
  __m128i folded_u64x2 = _mm_load_si128(reinterpret_cast<const __m128i*>(last));  // NOLINT
  for (size_t i = 16; i < sizeof(last); i += 16) {
    const __m128i next = _mm_load_si128(reinterpret_cast<const __m128i*>(last + i));  // NOLINT
    folded_u64x2 = _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(folded_u64x2, by_128, 0x00),
                                               _mm_clmulepi64_si128(folded_u64x2, by_128, 0x11)),
                                 next);
  }
  alignas(16) std::byte folded[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(folded), folded_u64x2);  // NOLINT
  return StepInstruction(StepInstruction(0, folded, sizeof(folded)), at, size);
}

#endif

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

#if !defined(VITRINE_CRC_FOLDS)
bool FoldsWide() noexcept { return false; }
#endif

}  // namespace

bool HasCrc32cInstruction() noexcept {
  static const bool has = HasInstruction();
  return has;
}

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t before) noexcept {
#if defined(VITRINE_CRC_FOLDS)
  if (bytes.size() >= kFoldedTogether && FoldsWide()) {
    return ~StepFolding(~before, bytes.data(), bytes.size());
  }
#endif
  return HasCrc32cInstruction() ? ~StepInstruction(~before, bytes.data(), bytes.size())
                                : ~StepPortable(~before, bytes.data(), bytes.size());
}

void Crc32cSideBySide(std::span<const std::byte> bytes, std::span<uint32_t> crcs) noexcept {
  const size_t size = bytes.size() / crcs.size();
  std::fill(crcs.begin(), crcs.end(), ~0u);
  // Folding does not wait.
  if (!HasCrc32cInstruction() || FoldsWide() || crcs.size() < 2 || crcs.size() > 4) {
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
