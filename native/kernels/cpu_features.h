#pragma once

namespace vitrine {

// Whether this processor has every extension of a target region of isa.h and the operating system
// saves the registers of that region. Asks the processor each time; under a hypervisor that may
// take some microseconds, so keep the answer. False on other architectures.
bool Avx2Supported() noexcept;
// Also false on macOS until something has used AVX-512: its kernel grants the registers on first
// use, and shows them as missing before.
bool Avx512Supported() noexcept;
// AVX-512 with the dot products of bytes, which its first processors lack.
bool Avx512VnniSupported() noexcept;
// That and counts of bits, which came later.
bool Avx512VpopcntdqSupported() noexcept;
// Whether a core takes dozens of prefetches at once without waiting for the first: AMD's from
// Zen 5 on, as far as was measured. Zen 4 waits.
bool ManyPrefetchesAtOnce() noexcept;
// Dot products of bytes in NEON. False on other architectures than 64-bit ARM.
bool NeonDotprodSupported() noexcept;

}  // namespace vitrine
