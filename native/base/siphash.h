#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vitrine {

using Digest128 = std::array<std::byte, 16>;

// SipHash-2-4 with 128 bits of output (Aumasson & Bernstein 2012, and the authors' reference code
// for the long output), over bytes that arrive in pieces. About a byte a cycle.
class SipHash128 {
 public:
  // The key of the reference code, as two little-endian words; zero where there is no secret.
  explicit SipHash128(uint64_t key_low = 0, uint64_t key_high = 0);

  void Append(std::span<const std::byte> bytes);
  // The digest of everything appended. REQUIRES: called once, last
  Digest128 Finish();
  // Its first eight bytes, little-endian, in half the time. REQUIRES: as Finish
  uint64_t FinishFirst();

 private:
  void Compress(uint64_t word);
  void Round();

  uint64_t v0_, v1_, v2_, v3_;
  uint64_t length_ = 0;
  std::array<std::byte, 8> rest_{};  // the last length_ % 8 bytes
};

}  // namespace vitrine
