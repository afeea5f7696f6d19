#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

#include "base/crc32c.h"

namespace vitrine::base_crc32c_test {
namespace {

std::vector<std::byte> RandomBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32c, GivesThePublishedValues) {
  std::vector<std::byte> ascending(32);
  std::vector<std::byte> descending(32);
  for (size_t i = 0; i < 32; ++i) {
    ascending[i] = static_cast<std::byte>(i);
    descending[i] = static_cast<std::byte>(31 - i);
  }
  for (const auto crc : {Crc32c, Crc32cPortable}) {
    EXPECT_EQ(crc({}, 0), 0u);
    EXPECT_EQ(crc(BytesOf("123456789"), 0), 0xe3069283u);
    EXPECT_EQ(crc(std::vector<std::byte>(32, std::byte{0}), 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::vector<std::byte>(32, std::byte{0xff}), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(ascending, 0), 0x46dd794eu);
    EXPECT_EQ(crc(descending, 0), 0x113fdb5cu);
  }
}

TEST(Crc32c, IsTheSameByInstructionAndByTables) {
  const std::vector<std::byte> bytes = RandomBytes(4096 + 64, 1);
  const std::span<const std::byte> all(bytes);
  for (size_t size = 0; size < 600; ++size) {
    const auto part = all.subspan(size % 17, size);
    ASSERT_EQ(Crc32c(part), Crc32cPortable(part)) << size;
  }
  EXPECT_EQ(Crc32c(all), Crc32cPortable(all));
}

TEST(Crc32c, IsTheSameOfLongPieces) {
  const std::vector<std::byte> bytes = RandomBytes(9000, 4);
  const std::span<const std::byte> all(bytes);
  for (size_t size = 500; size < 8900; size += 61) {
    const auto part = all.subspan(size % 67, size);
    const uint32_t before = static_cast<uint32_t>(size * 2654435761u);
    ASSERT_EQ(Crc32c(part, before), Crc32cPortable(part, before)) << size;
  }
}

TEST(Crc32c, IsTheSameOfPiecesSideBySide) {
  const std::vector<std::byte> bytes = RandomBytes(4 * 1000, 5);
  for (size_t pieces = 1; pieces <= 4; ++pieces) {
    for (const size_t size : {size_t{0}, size_t{8}, size_t{64}, size_t{1000}}) {
      const std::span<const std::byte> all(bytes.data(), pieces * size);
      std::vector<uint32_t> crcs(pieces);
      Crc32cSideBySide(all, crcs);
      for (size_t i = 0; i < pieces; ++i) {
        ASSERT_EQ(crcs[i], Crc32cPortable(all.subspan(i * size, size))) << pieces << " " << size;
      }
    }
  }
}

TEST(Crc32c, GoesOnWhereItStopped) {
  const std::vector<std::byte> bytes = RandomBytes(300, 2);
  const std::span<const std::byte> all(bytes);
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    ASSERT_EQ(Crc32c(all.subspan(cut), Crc32c(all.first(cut))), Crc32c(all)) << cut;
    ASSERT_EQ(Crc32cPortable(all.subspan(cut), Crc32cPortable(all.first(cut))), Crc32c(all)) << cut;
  }
}

TEST(Crc32c, FindsEveryFlippedBitOfABlock) {
  std::vector<std::byte> bytes = RandomBytes(1024, 3);
  const uint32_t whole = Crc32c(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    ASSERT_NE(Crc32c(bytes), whole) << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
}

#if defined(__x86_64__)
TEST(Crc32c, UsesTheInstructionOfEveryProcessorOfTheLastDecade) {
  EXPECT_EQ(HasCrc32cInstruction(), __builtin_cpu_supports("sse4.2") != 0);
}
#endif

TEST(MaskCrc, RotatesAndAdds) {
  EXPECT_EQ(MaskCrc(0), 0xa282ead8u);
  EXPECT_EQ(MaskCrc(0x00008000u), 0xa282ead9u);
  EXPECT_EQ(MaskCrc(0x00000001u), 0xa284ead8u);
}

}  // namespace
}  // namespace vitrine::base_crc32c_test
