// The log where nothing goes wrong: frames, groups, segments, seals and what is counted.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "base/crc32c.h"
#include "fault_files.h"
#include "log_support.h"
#include "random_data.h"

namespace vitrine::storage_log_test {
namespace {

using Until = LogWriter::Until;

class LogTest : public testing::Test {
 protected:
  std::unique_ptr<LogWriter> Open(uint64_t incarnation = 7) {
    auto replay = RecoverLog(files);
    EXPECT_TRUE(replay.ok()) << replay.status().message();
    auto log = OpenLog(files, replay->end, incarnation);
    EXPECT_TRUE(log.ok()) << log.status().message();
    return std::move(*log);
  }
  // Appends record `index` and returns its number.
  static uint64_t Append(LogWriter& log, uint64_t index, size_t bytes = 100) {
    const auto ack =
        log.Append({.operations = 1, .payload = PayloadOf(index, bytes)}, Until::kDurable);
    EXPECT_TRUE(ack.ok()) << ack.status().message();
    EXPECT_TRUE(ack->durable);
    return ack->lsn;
  }
  std::vector<Replayed> Records(uint64_t covered = 0) {
    const auto replay = ReplayLog(files, covered);
    EXPECT_TRUE(replay.ok()) << replay.status().message();
    return replay->records;
  }
  static std::string PathOf(uint64_t number) {
    return std::string(kLogFolder) + "/" + SegmentName(number);
  }

  FaultFiles files{TestSeed()};
};

TEST_F(LogTest, IsEmptyAtFirst) {
  const auto replay = ReplayLog(files);
  ASSERT_TRUE(replay.ok());
  EXPECT_TRUE(replay->records.empty());
  EXPECT_EQ(replay->end.last_lsn, 0u);
  EXPECT_EQ(ReplayLog(files, 0, 1).status().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(ReplayLog(files, 5, 5)->end.last_lsn, 5u);
}

TEST_F(LogTest, ReturnsWhatWasAppendedInOrder) {
  std::vector<Replayed> expected;
  for (uint64_t life = 1; life <= 5; ++life) {
    const auto log = Open(life);
    for (uint64_t i = 0; i < 20; ++i) {
      const uint64_t index = life * 100 + i;
      const size_t bytes = i * i * 13;  // beyond the largest segment of this log
      expected.push_back({Append(*log, index, bytes), PayloadOf(index, bytes)});
    }
    ASSERT_EQ(Records(), expected);
    EXPECT_TRUE(life % 2 != 0 || log->Close().ok());
    ASSERT_EQ(Records(), expected);
    files.Restart();
  }
}

// Byte by byte, as the document says.
TEST_F(LogTest, WritesTheFormat) {
  const uint64_t incarnation = 0x0123456789abcdefu;
  const auto log = Open(incarnation);
  const LogBytes payload = PayloadOf(42, 5);  // 13 bytes, 3 of padding
  ASSERT_TRUE(log->Append({FrameKind::kConfiguration, 9, payload}, Until::kDurable).ok());
  ASSERT_TRUE(log->Close().ok());
  const auto bytes = files.Get(PathOf(1));
  ASSERT_EQ(bytes.size(), 3 * kPageBytes);
  const auto u64 = [&](size_t at) { return LoadLittleEndian<uint64_t>(bytes.data() + at); };
  const auto u32 = [&](size_t at) { return LoadLittleEndian<uint32_t>(bytes.data() + at); };
  EXPECT_EQ(u64(0), 0x0a1a0a0d52545689u);
  EXPECT_EQ(u32(8), 2u);  // kind, major
  EXPECT_EQ(std::memcmp(bytes.data() + 40, TestDatabase().data(), 16), 0);
  EXPECT_EQ(u64(56), 1u);
  EXPECT_EQ(u64(72), 1u);
  EXPECT_EQ(u64(368), incarnation);
  EXPECT_EQ(u64(376), 0u);
  EXPECT_EQ(u64(384), 0u);
  EXPECT_EQ(u64(392), 0u);
  EXPECT_EQ(u64(400), 3 * kPageBytes);
  EXPECT_EQ(u32(408), 0u);
  EXPECT_EQ(u32(4092), MaskCrc(Crc32c({bytes.data(), 4092})));

  EXPECT_EQ(u32(4096), 0x544d5246u ^ 0x89abcdefu);
  LogBytes covered(bytes.begin() + 368, bytes.begin() + 376);
  covered.insert(covered.end(), bytes.begin() + 4096 + 8, bytes.begin() + 4096 + 40);
  EXPECT_EQ(u32(4096 + 4), MaskCrc(Crc32c(covered)));
  EXPECT_EQ(u32(4096 + 8), 13u);
  LogBytes paid(8);
  paid[0] = std::byte{1};
  paid.insert(paid.end(), bytes.begin() + 4096 + 40, bytes.begin() + 4096 + 56);
  EXPECT_EQ(u32(4096 + 12), MaskCrc(Crc32c(paid)));
  EXPECT_EQ(u64(4096 + 16), 1u);
  EXPECT_EQ(u64(4096 + 24), 0u);
  EXPECT_EQ(u32(4096 + 32), 0u);
  EXPECT_EQ(u32(4096 + 36), 3u | 9u << 16);
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), bytes.begin() + 4096 + 40));
  // The seal, on a page of its own.
  EXPECT_EQ(u32(8192), u32(4096));
  EXPECT_EQ(u32(8192 + 8), 0u);
  EXPECT_EQ(u64(8192 + 16), 2u);
  EXPECT_EQ(u64(8192 + 24), 1u);
  EXPECT_EQ(u32(8192 + 32), u32(4096 + 4));
  EXPECT_EQ(u32(8192 + 36), 2u);
}

TEST_F(LogTest, TellsItsKinds) {
  const auto log = Open();
  for (const auto kind : {FrameKind::kTransaction, FrameKind::kConfiguration,
                          FrameKind::kCheckpoint, FrameKind::kSpool}) {
    ASSERT_TRUE(
        log->Append({kind, static_cast<uint16_t>(kind), LogBytes(0)}, Until::kDurable).ok());
  }
  auto reader = LogReader::Open(files, kLogFolder, {.database = TestDatabase()});
  for (const int kind : {1, 3, 4, 5}) {
    const auto frame = (*reader)->Next();
    ASSERT_TRUE(frame.ok() && frame->has_value());
    EXPECT_EQ(static_cast<int>((**frame).kind), kind);
    EXPECT_EQ((**frame).operations, kind);
    EXPECT_TRUE((**frame).payload.empty());
  }
  EXPECT_FALSE((*reader)->Next()->has_value());
}

TEST_F(LogTest, WritesWhatWaitsAsOneGroup) {
  const auto log = Open();
  std::vector<LogWriter::Ticket> tickets;
  for (uint64_t i = 0; i < 10; ++i) {
    tickets.push_back(*log->Enqueue({.payload = PayloadOf(i, 20)}, Until::kDurable));
  }
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(log->Wait(tickets[i])->lsn, i + 1);
  const LogCounts counts = log->counts();
  EXPECT_EQ(counts.frames, 10u);
  EXPECT_EQ(counts.groups, 1u);
  EXPECT_EQ(counts.flushes, 2u);  // the segment's header, the group
  EXPECT_EQ(counts.payload_bytes, 280u);
  EXPECT_EQ(counts.written_bytes, 2 * kPageBytes);
  EXPECT_EQ(log->durable_lsn(), 10u);
}

TEST_F(LogTest, FlushesOnlyForThoseWhoAskForIt) {
  const auto log = Open();
  std::vector<LogWriter::Ticket> tickets;
  for (uint64_t i = 0; i < 3; ++i) {
    tickets.push_back(*log->Enqueue({.payload = PayloadOf(i, 20)}, Until::kWritten));
  }
  for (const auto& ticket : tickets) {
    const auto ack = log->Wait(ticket);
    ASSERT_TRUE(ack.ok());
    EXPECT_FALSE(ack->durable);
  }
  EXPECT_EQ(log->durable_lsn(), 0u);
  EXPECT_EQ(Records().size(), 3u);
  ASSERT_TRUE(log->Enqueue({.payload = PayloadOf(3, 20)}, Until::kWritten).ok());
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(log->durable_lsn(), 4u);
  files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  EXPECT_EQ(Records().size(), 4u);
}

TEST_F(LogTest, TellsWhoAppendsOfTheFlushThatItWaitsFor) {
  struct Recorder final : LogWriter::Listener {
    void Flushing() override { ++flushes; }
    int flushes = 0;
  };
  const auto log = Open();
  Recorder recorder;
  const auto append = [&](Until until) {
    std::vector<LogRecord> records;
    for (uint64_t i = 0; i < 3; ++i) {
      records.push_back({.operations = 1, .payload = PayloadOf(i, 20)});
    }
    ASSERT_TRUE(log->AppendAll(std::move(records), until, &recorder).ok());
  };
  append(Until::kWritten);
  EXPECT_EQ(recorder.flushes, 0);
  append(Until::kDurable);
  EXPECT_EQ(recorder.flushes, 1);
}

TEST_F(LogTest, SealsOnceWhenIdle) {
  const auto log = Open();
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_EQ(log->counts().seals, 0u);  // nothing to attest
  EXPECT_EQ(Append(*log, 1), 1u);
  ASSERT_TRUE(log->Seal().ok());
  ASSERT_TRUE(log->Seal().ok());
  EXPECT_EQ(log->counts().seals, 1u);
  EXPECT_EQ(Append(*log, 2), 3u);
  ASSERT_TRUE(log->Close().ok());
  ASSERT_TRUE(log->Close().ok());
  EXPECT_EQ(log->counts().seals, 2u);
  EXPECT_EQ(Records().size(), 2u);
}

TEST_F(LogTest, RefusesWhatItCannotTake) {
  auto log = Open();
  const auto large = log->Enqueue({.payload = LogBytes(kMaxPayloadBytes + 1)}, Until::kDurable);
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.status().code(), ErrorCode::kTooLarge);
  EXPECT_EQ(OutcomeOf(large.status()), "not_applied");
  ASSERT_TRUE(log->Close().ok());
  const auto late = log->Append({.payload = LogBytes(1)}, Until::kDurable);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.status().code(), ErrorCode::kClosed);

  LogWriter::Options options = SmallLog(8);
  options.queue_bytes = 1000;
  files.Restart();
  log = std::move(*LogWriter::Open(files, kLogFolder, RecoverLog(files)->end, options));
  const auto first = log->Enqueue({.payload = LogBytes(5000)}, Until::kDurable);
  ASSERT_TRUE(first.ok());
  const auto second = log->Enqueue({.payload = LogBytes(1)}, Until::kDurable);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), ErrorCode::kOverloaded);
  EXPECT_TRUE(log->Wait(*first).ok());
  EXPECT_TRUE(log->Enqueue({.payload = LogBytes(1)}, Until::kDurable).ok());
}

// A segment is as long as its longest frame needs.
TEST_F(LogTest, TakesTheLongestPayload) {
  auto log = Open();
  Append(*log, 1);
  LogBytes payload(kMaxPayloadBytes);
  payload.front() = payload.back() = std::byte{9};
  const auto ack = log->Append({.payload = payload}, Until::kDurable);
  ASSERT_TRUE(ack.ok()) << ack.status().message();
  Append(*log, 3);
  const auto records = Records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_TRUE(records[1].payload == payload);
}

TEST_F(LogTest, SegmentsGrow) {
  const auto log = Open();
  for (uint64_t i = 0; i < 60; ++i) Append(*log, i, 2000);
  std::vector<size_t> pages;
  for (uint64_t number = 1; number <= 5; ++number) {
    pages.push_back(files.Get(PathOf(number)).size() / kPageBytes);
  }
  EXPECT_EQ(pages, (std::vector<size_t>{3, 6, 8, 8, 8}));
  const LogCounts counts = log->counts();
  EXPECT_EQ(counts.segments, counts.begun_segments);
  EXPECT_EQ(counts.frames, 60u);
  EXPECT_EQ(counts.segment_bytes, (3 + 6 + 8 * (counts.segments - 2)) * kPageBytes);
}

TEST_F(LogTest, PreparesAheadAndUsesIt) {
  const auto log = Open();
  EXPECT_EQ(log->counts().spare_bytes, 3 * kPageBytes);
  Append(*log, 1);
  EXPECT_EQ(log->counts().spare_bytes, 0u);
  ASSERT_TRUE(log->PrepareNext().ok());
  ASSERT_TRUE(log->PrepareNext().ok());
  EXPECT_EQ(log->counts().prepared_segments, 2u);
  files.Restart();
  // What was prepared and never used serves the next life.
  const auto replay = RecoverLog(files);
  EXPECT_EQ(replay->end.prepared.number, 2u);
  const auto again = OpenLog(files, replay->end, 8);
  EXPECT_EQ((*again)->counts().prepared_segments, 0u);
  EXPECT_EQ((*again)->counts().begun_segments, 1u);  // attests what no seal did
  EXPECT_EQ(Append(**again, 2), 2u);
}

TEST_F(LogTest, AsksTheDeviceForAPreparedSegmentOnlyOnceItIsUsed) {
  auto log = Open();
  Append(*log, 1);
  ASSERT_TRUE(log->PrepareNext().ok());
  const auto flushes_of = [&](uint64_t number) {
    const size_t before = files.trace().size();
    EXPECT_TRUE(RecoverLog(files).ok());
    const auto calls = files.trace();
    return std::count_if(calls.begin() + static_cast<std::ptrdiff_t>(before), calls.end(),
                         [&](const FaultFiles::Call& call) {
                           return call.operation == FaultFiles::Operation::kSyncData &&
                                  call.path == PathOf(number);
                         });
  };
  EXPECT_EQ(flushes_of(1), 1);
  EXPECT_EQ(flushes_of(2), 0);
  // One byte that is not zero, wherever it is, and the segment was written to: its header is lost.
  const auto zeros = files.Get(PathOf(2));
  for (const size_t at : {size_t{kPageBytes}, size_t{2 * kPageBytes + 1}, zeros.size() - 1}) {
    auto bytes = zeros;
    bytes[at] = std::byte{1};
    files.Put(PathOf(2), bytes);
    EXPECT_FALSE(RecoverLog(files).ok()) << at;
  }
  files.Put(PathOf(2), zeros);
  EXPECT_EQ(RecoverLog(files)->end.prepared.number, 2u);
}

TEST_F(LogTest, SkipsWhatACheckpointCovers) {
  auto log = Open();
  for (uint64_t i = 1; i <= 30; ++i) Append(*log, i, 2000);
  for (uint64_t covered = 0; covered <= 30; ++covered) {
    const auto records = Records(covered);
    ASSERT_EQ(records.size(), 30 - covered);
    EXPECT_TRUE(covered == 30 || records.front().lsn == covered + 1);
  }
  const auto beyond = RecoverLog(files, 35);
  ASSERT_TRUE(beyond.ok());
  EXPECT_EQ(beyond->end.last_lsn, 35u);
  files.Restart();
  log = std::move(*OpenLog(files, beyond->end, 8));
  EXPECT_EQ(Append(*log, 36), 36u);
  EXPECT_EQ(Records(35).size(), 1u);
  // Numbers 31 to 35 are in the checkpoint only.
  EXPECT_EQ(ReplayLog(files, 0).status().code(), ErrorCode::kCorrupt);
}

TEST_F(LogTest, RemovesSegmentsThatNobodyNeeds) {
  const auto log = Open();
  for (uint64_t i = 1; i <= 40; ++i) Append(*log, i, 2000);
  const uint64_t segments = log->counts().segments;
  ASSERT_TRUE(log->RemoveThrough(0).ok());
  EXPECT_EQ(log->counts().removed_segments, 0u);
  ASSERT_TRUE(log->RemoveThrough(20).ok());
  EXPECT_GT(log->counts().removed_segments, 1u);
  EXPECT_EQ(Records(20).size(), 20u);
  EXPECT_EQ(ReplayLog(files, 0).status().code(), ErrorCode::kCorrupt);
  ASSERT_TRUE(log->RemoveThrough(UINT64_MAX - 1).ok());
  EXPECT_EQ(log->counts().segments, 1u);
  EXPECT_EQ(log->counts().removed_segments, segments - 1);
  files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  EXPECT_TRUE(ReplayLog(files, 40).ok());
}

// Of a removal that a power cut undid in part.
TEST_F(LogTest, IgnoresSegmentsBeforeAGap) {
  auto log = Open();
  for (uint64_t i = 1; i <= 40; ++i) Append(*log, i, 2000);
  ASSERT_TRUE(log->Close().ok());
  ASSERT_TRUE(files.Remove(PathOf(2)).ok());
  EXPECT_EQ(ReplayLog(files, 0).status().code(), ErrorCode::kCorrupt);
  const auto replay = RecoverLog(files, 30);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  EXPECT_EQ(replay->end.left_over, std::vector<uint64_t>{1});
  files.Restart();
  log = std::move(*OpenLog(files, replay->end, 8));
  ASSERT_TRUE(log->RemoveThrough(0).ok());
  EXPECT_FALSE(ReplayLog(files, 30)->end.segments.empty());
  EXPECT_TRUE(ReplayLog(files, 30)->end.left_over.empty());
}

TEST_F(LogTest, IsWrittenOnlyAfterRecovery) {
  const auto log = OpenLog(files, ReplayLog(files)->end, 7);
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().code(), ErrorCode::kInternal);
}

TEST_F(LogTest, IsThatOfOneDatabase) {
  const auto log = Open();
  Append(*log, 1);
  const auto reader = LogReader::Open(files, kLogFolder, {.database = {}});
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.status().code(), ErrorCode::kCorrupt);
  EXPECT_NE(reader.status().message().find("another database"), std::string::npos);
}

TEST_F(LogTest, NamesSegmentsByTwentyDigits) {
  EXPECT_EQ(SegmentName(17), "wal-00000000000000000017");
  EXPECT_EQ(SegmentName(UINT64_MAX), "wal-18446744073709551615");
  EXPECT_EQ(SegmentNumber("wal-00000000000000000017"), 17u);
  for (const char* const name :
       {"wal-0000000000000000017", "wal-000000000000000000017", "wal-0000000000000000001x",
        "wal-00000000000000000000", "wal-99999999999999999999", "wal-00000000000000000017.tmp",
        "xwal-0000000000000000001", ""}) {
    EXPECT_FALSE(SegmentNumber(name).has_value()) << name;
  }
  EXPECT_TRUE(IsUnfinishedSegment("wal-00000000000000000017.tmp"));
  EXPECT_FALSE(IsUnfinishedSegment("wal-17.tmp"));
}

}  // namespace
}  // namespace vitrine::storage_log_test
