#include "base/siphash.h"

#include <algorithm>
#include <bit>

#include "base/byte_order.h"

namespace vitrine {

SipHash128::SipHash128(uint64_t key_low, uint64_t key_high)
    : v0_(key_low ^ 0x736f6d6570736575u),
      v1_(key_high ^ 0x646f72616e646f6du ^ 0xee),
      v2_(key_low ^ 0x6c7967656e657261u),
      v3_(key_high ^ 0x7465646279746573u) {}

void SipHash128::Round() {
  v0_ += v1_;
  v1_ = std::rotl(v1_, 13) ^ v0_;
  v0_ = std::rotl(v0_, 32);
  v2_ += v3_;
  v3_ = std::rotl(v3_, 16) ^ v2_;
  v0_ += v3_;
  v3_ = std::rotl(v3_, 21) ^ v0_;
  v2_ += v1_;
  v1_ = std::rotl(v1_, 17) ^ v2_;
  v2_ = std::rotl(v2_, 32);
}

void SipHash128::Compress(uint64_t word) {
  v3_ ^= word;
  Round();
  Round();
  v0_ ^= word;
}

void SipHash128::Append(std::span<const std::byte> bytes) {
  size_t filled = length_ % 8;
  length_ += bytes.size();
  if (filled > 0) {
    const size_t taken = std::min(8 - filled, bytes.size());
    std::copy_n(bytes.begin(), taken, rest_.begin() + static_cast<ptrdiff_t>(filled));
    bytes = bytes.subspan(taken);
    if (filled + taken < 8) return;
    Compress(LoadLittleEndian<uint64_t>(rest_.data()));
  }
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    Compress(LoadLittleEndian<uint64_t>(bytes.data()));
  }
  std::copy(bytes.begin(), bytes.end(), rest_.begin());
}

uint64_t SipHash128::FinishFirst() {
  uint64_t last = length_ << 56;
  for (size_t i = 0; i < length_ % 8; ++i) last |= uint64_t(rest_[i]) << (8 * i);
  Compress(last);
  v2_ ^= 0xee;
  for (int i = 0; i < 4; ++i) Round();
  return v0_ ^ v1_ ^ v2_ ^ v3_;
}

Digest128 SipHash128::Finish() {
  Digest128 digest;
  StoreLittleEndian(digest.data(), FinishFirst());
  v1_ ^= 0xdd;
  for (int i = 0; i < 4; ++i) Round();
  StoreLittleEndian(digest.data() + 8, v0_ ^ v1_ ^ v2_ ^ v3_);
  return digest;
}

}  // namespace vitrine
