#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/byte_order.h"
#include "base/siphash.h"

namespace vitrine::base_siphash_test {
namespace {

std::string Hex(const Digest128& digest) {
  std::string hex;
  for (const std::byte byte : digest) {
    hex += "0123456789abcdef"[static_cast<unsigned>(byte) >> 4];
    hex += "0123456789abcdef"[static_cast<unsigned>(byte) & 15];
  }
  return hex;
}

std::vector<std::byte> Counting(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

// vectors_sip128 of the authors' reference code (key 00 01 ... 0f, input 00 01 ...); OpenSSL's
// SIPHASH gives the same.
TEST(SipHash128, GivesThePublishedValues) {
  const struct {
    size_t size;
    const char* digest;
  } vectors[] = {
      {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
      {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},  {8, "3b62a9ba6258f5610f83e264f31497b4"},
      {9, "264499060ad9baabc47f8b02bb6d71ed"},  {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
      {16, "6ee2a4ca67b054bbfd3315bf85230577"}, {31, "2939b0183223fafc1723de4f52c43d35"},
      {63, "5150d1772f50834a503e069a973fbd7c"},
  };
  for (const auto& [size, digest] : vectors) {
    SipHash128 hash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
    hash.Append(Counting(size));
    SipHash128 again = hash;
    const Digest128 whole = hash.Finish();
    EXPECT_EQ(Hex(whole), digest) << size;
    EXPECT_EQ(again.FinishFirst(), LoadLittleEndian<uint64_t>(whole.data())) << size;
  }
  EXPECT_EQ(Hex(SipHash128().Finish()), "5049d74780a3e07d4202ab47d4cef2f4");
}

TEST(SipHash128, DoesNotDependOnThePieces) {
  const std::vector<std::byte> bytes = Counting(100);
  SipHash128 whole;
  whole.Append(bytes);
  const Digest128 expected = whole.Finish();
  const std::span<const std::byte> all(bytes);
  for (size_t first = 0; first <= 20; ++first) {
    for (size_t second = 0; second <= 20; ++second) {
      SipHash128 pieces;
      pieces.Append(all.first(first));
      pieces.Append(all.subspan(first, second));
      pieces.Append(all.subspan(first + second));
      ASSERT_EQ(pieces.Finish(), expected) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace vitrine::base_siphash_test
