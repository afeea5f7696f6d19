#include "kernels/cpu_features.h"

#include <cstdint>

#include "kernels/isa.h"

#if defined(VITRINE_X86_64)
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(VITRINE_ARM64)
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif
#endif

namespace vitrine {
#if defined(VITRINE_X86_64)
namespace {

// Not __builtin_cpu_supports: Clang up to 16 rejects "f16c", and MSVC has nothing like it. The bits
// are those of the Intel SDM, volume 2, CPUID; AMD's are the same.

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero where the processor does not know the leaf.
CpuidRegisters Cpuid(uint32_t leaf) {
  CpuidRegisters r;
#if defined(_MSC_VER) && !defined(__clang__)
  int registers[4];
  __cpuid(registers, static_cast<int>(leaf & 0x80000000u));
  if (static_cast<uint32_t>(registers[0]) < leaf) return r;
  __cpuidex(registers, static_cast<int>(leaf), 0);
  r.eax = static_cast<uint32_t>(registers[0]);
  r.ebx = static_cast<uint32_t>(registers[1]);
  r.ecx = static_cast<uint32_t>(registers[2]);
  r.edx = static_cast<uint32_t>(registers[3]);
#else
  if (__get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
#endif
  return r;
}

// Which register files the operating system saves. REQUIRES: CPUID shows OSXSAVE
uint64_t EnabledState() {
#if defined(_MSC_VER) && !defined(__clang__)
  return _xgetbv(0);
#else
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
#endif
}

// As the manuals of both makers compute it: 0x19 is Zen 3 and Zen 4, 0x1a Zen 5.
uint32_t Family() {
  const uint32_t signature = Cpuid(1).eax;
  const uint32_t base = signature >> 8 & 0xf;
  return base == 0xf ? base + (signature >> 20 & 0xff) : base;
}

bool IsAmd() {
  const CpuidRegisters vendor = Cpuid(0);
  // "AuthenticAMD", four letters a register.
  return vendor.ebx == 0x68747541 && vendor.edx == 0x69746e65 && vendor.ecx == 0x444d4163;
}

constexpr uint32_t Bit(int n) { return uint32_t{1} << n; }
constexpr bool HasAll(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

constexpr uint32_t kFma = Bit(12), kPopcnt = Bit(23), kOsxsave = Bit(27), kAvx = Bit(28),
                   kF16c = Bit(29);                                 // leaf 1, ecx
constexpr uint32_t kBmi1 = Bit(3), kAvx2 = Bit(5), kBmi2 = Bit(8);  // leaf 7, ebx
constexpr uint32_t kAvx512F = Bit(16), kAvx512Dq = Bit(17), kAvx512Bw = Bit(30),
                   kAvx512Vl = Bit(31);                                // leaf 7, ebx
constexpr uint32_t kAvx512Vnni = Bit(11), kAvx512Vpopcntdq = Bit(14);  // leaf 7, ecx
constexpr uint32_t kLzcnt = Bit(5);                                    // leaf 0x80000001, ecx
constexpr uint64_t kYmmState = 0x06;                                   // xmm, ymm
constexpr uint64_t kZmmState = 0xe6;                                   // and masks, zmm

}  // namespace

// Asked once: CPUID leaves a virtual machine for the host, which takes tens of microseconds, and
// every table that is made chooses its kernels.

bool Avx2Supported() noexcept {
  static const bool supported = HasAll(Cpuid(1).ecx, kFma | kPopcnt | kOsxsave | kAvx | kF16c) &&
                                HasAll(EnabledState(), kYmmState) &&
                                HasAll(Cpuid(7).ebx, kBmi1 | kAvx2 | kBmi2) &&
                                HasAll(Cpuid(0x80000001).ecx, kLzcnt);
  return supported;
}

bool Avx512Supported() noexcept {
  static const bool supported = Avx2Supported() && HasAll(EnabledState(), kZmmState) &&
                                HasAll(Cpuid(7).ebx, kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl);
  return supported;
}

bool Avx512VnniSupported() noexcept {
  static const bool supported = Avx512Supported() && HasAll(Cpuid(7).ecx, kAvx512Vnni);
  return supported;
}

bool Avx512VpopcntdqSupported() noexcept {
  static const bool supported = Avx512VnniSupported() && HasAll(Cpuid(7).ecx, kAvx512Vpopcntdq);
  return supported;
}

bool ManyPrefetchesAtOnce() noexcept {
  static const bool many = IsAmd() && Family() >= 0x1a;
  return many;
}

#else

bool Avx2Supported() noexcept { return false; }
bool Avx512Supported() noexcept { return false; }
bool Avx512VnniSupported() noexcept { return false; }
bool Avx512VpopcntdqSupported() noexcept { return false; }
bool ManyPrefetchesAtOnce() noexcept { return false; }

#endif  // VITRINE_X86_64

bool NeonDotprodSupported() noexcept {
#if !defined(VITRINE_ARM64)
  return false;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof(has);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#elif defined(_WIN32)
  return IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE) != 0;
#else
  return false;
#endif
}

}  // namespace vitrine
