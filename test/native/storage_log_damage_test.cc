// Logs whose bytes are not what was written: every bit of a small one, every length, pages that
// were exchanged. What is read is what was appended, or an error; nothing is lost silently.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/byte_order.h"
#include "log_support.h"
#include "memory_files.h"
#include "random_data.h"

namespace vitrine::storage_log_damage_test {
namespace {

using Until = LogWriter::Until;

std::string PathOf(uint64_t number) { return std::string(kLogFolder) + "/" + SegmentName(number); }

class LogDamageTest : public testing::Test {
 protected:
  // Two segments, each with groups of several frames; sealed unless `seal` says otherwise.
  enum class Seal : uint8_t { kYes, kNo };
  void Write(Seal seal = Seal::kYes) {
    LogWriter::Options options = SmallLog(0x1122334455667788u);
    options.segment_bytes = {3 * kPageBytes, 4 * kPageBytes};
    auto log = LogWriter::Open(files, kLogFolder, RecoverLog(files)->end, options);
    ASSERT_TRUE(log.ok()) << log.status().message();
    uint64_t index = 1;
    for (const size_t records : {3, 2, 4}) {
      std::vector<LogWriter::Ticket> tickets;
      for (size_t i = 0; i < records; ++i) {
        const LogBytes payload = PayloadOf(index, 100 + 80 * index);
        expected.push_back({index++, payload});
        tickets.push_back(*(*log)->Enqueue({.payload = payload}, Until::kDurable));
      }
      for (const auto& ticket : tickets) ASSERT_TRUE((*log)->Wait(ticket).ok());
    }
    ASSERT_TRUE(seal == Seal::kNo || (*log)->Close().ok());
    ASSERT_EQ(ReplayLog(files)->records, expected);
    ASSERT_TRUE(files.Has(PathOf(2)) && !files.Has(PathOf(3)));
  }

  // What a damaged log may say.
  enum class Verdict : uint8_t { kSame, kError, kBeginning, kWrong };
  Verdict Read() {
    const auto replay = ReplayLog(files);
    if (!replay.ok()) {
      const ErrorCode code = replay.status().code();
      return code == ErrorCode::kCorrupt || code == ErrorCode::kFormat ? Verdict::kError
                                                                       : Verdict::kWrong;
    }
    if (replay->records == expected) return Verdict::kSame;
    const bool beginning =
        replay->records.size() < expected.size() &&
        std::equal(replay->records.begin(), replay->records.end(), expected.begin());
    return beginning ? Verdict::kBeginning : Verdict::kWrong;
  }

  MemoryFiles files;
  std::vector<Replayed> expected;
};

TEST_F(LogDamageTest, NoBitOfASealedLogChangesUnseen) {
  Write();
  size_t bits = 0;
  size_t errors = 0;
  for (const uint64_t number : {1, 2}) {
    LogBytes& segment = files.Edit(PathOf(number));
    for (size_t bit = 0; bit < 8 * segment.size(); bit += Rounds(1, 97)) {
      std::byte& byte = segment[bit / 8];
      const std::byte before = byte;
      byte ^= static_cast<std::byte>(1 << bit % 8);
      const Verdict verdict = Read();
      ASSERT_TRUE(verdict == Verdict::kSame || verdict == Verdict::kError)
          << "segment " << number << ", bit " << bit;
      ++bits;
      errors += verdict == Verdict::kError;
      byte = before;
    }
  }
  EXPECT_GE(bits, 8 * 7 * kPageBytes / Rounds(1, 97));
  // Zeros between and behind the frames do not matter, everything else does.
  EXPECT_GT(errors, bits / 8);
  EXPECT_EQ(Read(), Verdict::kSame);
}

// Without a seal only the last group may be taken for a torn tail, and nothing else.
TEST_F(LogDamageTest, OnlyTheLastGroupNeedsASeal) {
  Write(Seal::kNo);
  std::mt19937_64 random(TestSeed());
  size_t dropped = 0;
  for (size_t i = 0; i < Rounds(20'000, 500); ++i) {
    LogBytes& segment = files.Edit(PathOf(1 + random() % 2));
    std::byte& byte = segment[random() % segment.size()];
    const std::byte before = byte;
    byte ^= static_cast<std::byte>(1 + random() % 255);
    const auto replay = ReplayLog(files);
    if (replay.ok()) {
      ASSERT_GE(replay->records.size(), 5u);
      ASSERT_TRUE(std::equal(replay->records.begin(), replay->records.end(), expected.begin()));
      dropped += replay->records.size() < expected.size();
      // Whoever knows better is heard.
      ASSERT_EQ(ReplayLog(files, 0, 9).ok(), replay->records.size() == 9);
    }
    byte = before;
  }
  EXPECT_GT(dropped, 0u);
}

TEST_F(LogDamageTest, NoLengthIsTakenForAnother) {
  Write();
  for (const uint64_t number : {1, 2}) {
    const LogBytes whole = files.Get(PathOf(number));
    for (size_t length = 0; length < whole.size(); length += Rounds(1, 61)) {
      files.Put(PathOf(number), LogBytes(whole.begin(), whole.begin() + length));
      ASSERT_EQ(Read(), Verdict::kError) << "segment " << number << ", length " << length;
    }
    LogBytes longer = whole;
    longer.resize(whole.size() + kPageBytes);
    files.Put(PathOf(number), longer);
    EXPECT_EQ(Read(), Verdict::kError);
    files.Put(PathOf(number), whole);
  }
}

// Pages that were zeroed, doubled or exchanged, and pages of another log.
TEST_F(LogDamageTest, NoPageStandsForAnother) {
  Write();
  const LogBytes segments[] = {files.Get(PathOf(1)), files.Get(PathOf(2))};
  MemoryFiles others;
  {
    LogWriter::Options options = SmallLog(0x99aabbccddeeff00u);
    options.segment_bytes = {3 * kPageBytes, 4 * kPageBytes};
    auto log = LogWriter::Open(others, kLogFolder, RecoverLog(others)->end, options);
    for (uint64_t i = 1; i < 10; ++i) {
      ASSERT_TRUE((*log)->Append({.payload = PayloadOf(i, 600)}, Until::kDurable).ok());
    }
  }
  std::vector<LogBytes> pages = {LogBytes(kPageBytes)};
  const auto page_of = [](const LogBytes& bytes, size_t page) {
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(page * kPageBytes);
    return LogBytes(begin, begin + kPageBytes);
  };
  for (const LogBytes& segment : segments) {
    for (size_t page = 0; page < segment.size() / kPageBytes; ++page) {
      pages.push_back(page_of(segment, page));
    }
  }
  for (const std::string& name : others.Names()) {
    const LogBytes& segment = others.Get(name);
    for (size_t page = 0; page < segment.size() / kPageBytes; ++page) {
      pages.push_back(page_of(segment, page));
    }
  }
  for (const size_t at : {0, 1}) {
    for (size_t page = 0; page < segments[at].size() / kPageBytes; ++page) {
      for (size_t other = 0; other < pages.size(); ++other) {
        LogBytes& segment = files.Edit(PathOf(at + 1));
        std::copy(pages[other].begin(), pages[other].end(),
                  segment.begin() + static_cast<ptrdiff_t>(page * kPageBytes));
        const Verdict verdict = Read();
        ASSERT_TRUE(verdict == Verdict::kSame || verdict == Verdict::kError)
            << "segment " << at + 1 << ", page " << page << " from " << other;
        segment = segments[at];
      }
    }
  }
}

TEST_F(LogDamageTest, NoFileStandsForAnother) {
  Write();
  const LogBytes first = files.Get(PathOf(1));
  const LogBytes second = files.Get(PathOf(2));
  files.Put(PathOf(3), second);
  EXPECT_EQ(Read(), Verdict::kError);
  ASSERT_TRUE(files.Remove(PathOf(3)).ok());
  files.Put(PathOf(1), second);
  files.Put(PathOf(2), first);
  EXPECT_EQ(Read(), Verdict::kError);
  files.Put(PathOf(1), first);
  ASSERT_TRUE(files.Remove(PathOf(2)).ok());
  EXPECT_EQ(Read(), Verdict::kBeginning);  // only whoever knows what was durable can tell
  EXPECT_EQ(ReplayLog(files, 0, 9).status().code(), ErrorCode::kCorrupt);
  files.Put(PathOf(2), second);
  ASSERT_TRUE(files.Remove(PathOf(1)).ok());
  EXPECT_EQ(Read(), Verdict::kError);
}

// Nothing else knows of a segment that is gone but the one that was prepared behind it.
TEST_F(LogDamageTest, MissesASegmentInFrontOfAPreparedOne) {
  Write();
  files.Put(PathOf(3), LogBytes(3 * kPageBytes));
  EXPECT_EQ(Read(), Verdict::kSame);
  ASSERT_TRUE(files.Remove(PathOf(2)).ok());
  EXPECT_EQ(Read(), Verdict::kError);
  ASSERT_TRUE(files.Remove(PathOf(1)).ok());
  EXPECT_EQ(Read(), Verdict::kError);
}

// A checkpoint covers the damage.
TEST_F(LogDamageTest, DamageBelowACheckpointDoesNotMatter) {
  Write();
  std::mt19937_64 random(TestSeed());
  const uint64_t covered = 5;  // the end of the second group, in the second segment
  size_t healed = 0;
  for (size_t i = 0; i < Rounds(20'000, 500); ++i) {
    // The first segment, and the first group of the second.
    const bool first = random() % 2 == 0;
    LogBytes& segment = files.Edit(PathOf(first ? 1 : 2));
    std::byte& byte =
        first ? segment[random() % segment.size()] : segment[kPageBytes + random() % kPageBytes];
    const std::byte before = byte;
    byte ^= static_cast<std::byte>(1 + random() % 255);
    const auto replay = ReplayLog(files, covered);
    healed += !ReplayLog(files).ok();
    if (first && &byte < segment.data() + kPageBytes) {
      ASSERT_TRUE(!replay.ok() || replay->records.size() == 4);
    } else {
      ASSERT_TRUE(replay.ok()) << replay.status().message();
      ASSERT_TRUE(std::equal(replay->records.begin(), replay->records.end(),
                             expected.begin() + covered, expected.end()));
    }
    byte = before;
  }
  EXPECT_GT(healed, 0u);
}

TEST_F(LogDamageTest, SaysWhereTheDamageIs) {
  Write();
  files.Edit(PathOf(1))[kPageBytes + 60] ^= std::byte{1};
  const Status status = ReplayLog(files).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kCorrupt);
  EXPECT_EQ(status.message(), PathOf(1) +
                                  " is damaged: number 1 was acknowledged, but is not whole (log, "
                                  "byte 4096)");
}

TEST_F(LogDamageTest, RefusesWhatANewerVersionWrote) {
  Write();
  const LogBytes whole = files.Get(PathOf(2));
  const auto refused = [&](const Status& status, const std::string& words) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), ErrorCode::kFormat) << status.message();
    EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
  };
  const auto with_header = [&](size_t at, uint8_t value, const char* name) {
    LogBytes& segment = files.Edit(PathOf(2));
    segment = whole;
    segment[at] = static_cast<std::byte>(value);
    std::memcpy(segment.data() + 112, name, std::strlen(name));
    StoreLittleEndian(segment.data() + HeaderPage::kCrcAt,
                      PageCrc(segment.data(), HeaderPage::kCrcAt));
  };
  with_header(32, 1, "compressed-frames");
  refused(ReplayLog(files).status(), "compressed-frames; it was written by test");
  with_header(10, 9, "");
  refused(ReplayLog(files).status(), "format 9");
  files.Put(PathOf(2), whole);

  LogBytes& segment = files.Edit(PathOf(1));
  uint32_t chain = 0;
  auto frame = DecodeFrame(segment.data() + kPageBytes, 0x1122334455667788u, chain);
  ASSERT_TRUE(frame.has_value());
  frame->kind = 77;
  EncodeFrame(*frame, 0x1122334455667788u, segment.data() + kPageBytes);
  refused(ReplayLog(files).status(), "kind 77");
}

// Numbers at their limits, in frames and headers whose checksums hold.
TEST_F(LogDamageTest, DoesNotTrustNumbersWithGoodChecksums) {
  Write();
  const LogBytes whole = files.Get(PathOf(1));
  uint32_t chain = 0;
  const auto frame = DecodeFrame(whole.data() + kPageBytes, 0x1122334455667788u, chain);
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, uint64_t{UINT32_MAX},
                               uint64_t{1} << 63, UINT64_MAX}) {
    for (int field = 0; field < 5; ++field) {
      FrameHeader changed = *frame;
      if (field == 0) changed.payload_bytes = static_cast<uint32_t>(value);
      if (field == 1) changed.lsn = value;
      if (field == 2) changed.durable_lsn = value;
      if (field == 3) changed.previous_crc = static_cast<uint32_t>(value) ^ 5;
      if (field == 4) changed.payload_crc = static_cast<uint32_t>(value);
      if (field == 1 && value == 1) continue;  // as it is
      if (field == 2 && value == 0) continue;
      files.Put(PathOf(1), whole);
      EncodeFrame(changed, 0x1122334455667788u, files.Edit(PathOf(1)).data() + kPageBytes);
      ASSERT_EQ(Read(), Verdict::kError) << field << ", " << value;
    }
  }
  for (size_t at = SegmentHeader::kFieldsAt; at < SegmentHeader::kReservedFrom; at += 4) {
    for (const uint32_t value : {0u, 1u, UINT32_MAX, 0x80000000u}) {
      files.Put(PathOf(1), whole);
      LogBytes& segment = files.Edit(PathOf(1));
      if (LoadLittleEndian<uint32_t>(segment.data() + at) == value) continue;
      StoreLittleEndian(segment.data() + at, value);
      StoreLittleEndian(segment.data() + HeaderPage::kCrcAt,
                        PageCrc(segment.data(), HeaderPage::kCrcAt));
      const Verdict verdict = Read();
      ASSERT_TRUE(verdict == Verdict::kError || verdict == Verdict::kSame) << at << ", " << value;
    }
  }
}

}  // namespace
}  // namespace vitrine::storage_log_damage_test
