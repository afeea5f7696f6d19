// Calls fail, one after the other: every failure is reported as what it is, nothing is written
// after one, and what was acknowledged is there.

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>

#include "fault_files.h"
#include "log_user.h"
#include "random_data.h"

namespace vitrine::storage_log_faults_test {
namespace {

using Call = FaultFiles::Call;
using End = LogUser::End;
using Gap = LogUser::Gap;
using Operation = FaultFiles::Operation;
using Until = LogWriter::Until;

constexpr FaultFiles::PowerCutModel kLeast = {FaultFiles::Keep::kNothing,
                                              FaultFiles::Names::kAsFlushed};

bool IsFlush(Operation operation) {
  return operation == Operation::kSync || operation == Operation::kSyncData;
}
bool IsSegment(const std::string& path) {
  return SegmentNumber(path.substr(path.rfind('/') + 1)).has_value();
}

// The rules of writing in docs/formats/log.md, over the calls of one open log.
void Audit(std::span<const Call> calls) {
  std::map<std::string, std::set<uint64_t>> unflushed;  // pages, by path
  std::map<std::string, std::set<uint64_t>> flushed;
  std::set<std::string> unnamed;  // renamed, and the folder not flushed since
  bool failed = false;
  for (const Call& call : calls) {
    if (call.operation == Operation::kSyncFolder) {
      ASSERT_FALSE(failed) << "a flush after a failure";
      failed = !call.ok;
      unnamed.clear();
    }
    if (call.operation == Operation::kRename && call.ok) unnamed.insert(call.path);
    if (!IsSegment(call.path)) continue;
    if (call.operation == Operation::kWrite) {
      ASSERT_FALSE(failed) << "a write after a failure";
      ASSERT_FALSE(unnamed.contains(call.path)) << "a write before the folder was flushed";
      const uint64_t first = call.offset / kPageBytes;
      const uint64_t last = (call.offset + call.size - 1) / kPageBytes;
      for (uint64_t page = first; page <= last; ++page) {
        ASSERT_FALSE(flushed[call.path].contains(page)) << "a page is written again";
        ASSERT_TRUE(page == 0 || flushed[call.path].contains(0)) << "a frame before its header";
        unflushed[call.path].insert(page);
      }
      // Nothing of another segment may wait: its header attests everything before.
      for (const auto& [path, pages] : unflushed) {
        ASSERT_TRUE(path == call.path || pages.empty()) << path;
      }
      failed = !call.ok;
    }
    if (IsFlush(call.operation)) {
      ASSERT_FALSE(failed) << "a flush after a failure";
      failed = !call.ok;
      flushed[call.path].merge(unflushed[call.path]);
      unflushed[call.path].clear();
    }
  }
}

void AuditAll(const FaultFiles& files, const LogUser& user) {
  const std::vector<Call> trace = files.trace();
  for (const LogUser::Span& span : user.spans()) {
    ASSERT_NO_FATAL_FAILURE(Audit(std::span(trace).subspan(span.begin, span.end - span.begin)));
  }
}

void RunScript(LogUser& user) {
  ASSERT_NO_FATAL_FAILURE(user.Live(12, End::kClose, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(12, End::kLeave, Gap::kProcess));
  ASSERT_NO_FATAL_FAILURE(user.Live(8, End::kClose, Gap::kProcess));
}

TEST(LogFaults, KeepsTheRulesOfWriting) {
  VITRINE_TRACE_SEED();
  for (uint64_t seed = TestSeed(); seed < TestSeed() + Rounds(200, 10); ++seed) {
    FaultFiles files(seed);
    LogUser user(files, seed);
    ASSERT_NO_FATAL_FAILURE(RunScript(user));
    ASSERT_NO_FATAL_FAILURE(AuditAll(files, user));
    ASSERT_EQ(user.spans().size(), 3u);
    ASSERT_EQ(files.open_files(), 0u);
  }
}

// The script goes on after a failure, and a later life finds what was acknowledged, even where a
// flush that failed lost pages that memory still shows.
TEST(LogFaults, EveryCallMayFail) {
  VITRINE_TRACE_SEED();
  size_t runs = 0;
  for (uint64_t script = 0; script < Rounds(4, 1); ++script) {
    const uint64_t seed = TestSeed() + 200 + script;
    FaultFiles whole(seed);
    LogUser undisturbed(whole, seed);
    RunScript(undisturbed);
    const uint64_t calls = whole.operations();
    for (uint64_t k = 0; k < calls; k += Rounds(1, 5)) {
      for (const int error : {EIO, ENOSPC}) {
        for (const auto lasting : {FaultFiles::Lasting::kOnce, FaultFiles::Lasting::kFromThenOn}) {
          SCOPED_TRACE("script " + std::to_string(script) + ", call " + std::to_string(k) +
                       ", error " + std::to_string(error) +
                       (lasting == FaultFiles::Lasting::kOnce ? " once" : " from then on"));
          FaultFiles files(seed + k);
          LogUser user(files, seed);
          files.FailAt(k, error, lasting);
          ASSERT_NO_FATAL_FAILURE(RunScript(user));
          ASSERT_NO_FATAL_FAILURE(AuditAll(files, user));
          ASSERT_EQ(files.open_files(), 0u);
          files.PowerCut(kLeast);
          ASSERT_NO_FATAL_FAILURE(user.Live(4, End::kClose, Gap::kPower));
          ASSERT_NO_FATAL_FAILURE(user.Check(Gap::kProcess));
          ++runs;
        }
      }
    }
  }
  EXPECT_GT(runs, Rounds(2000, 100));
}

class LogFaultsTest : public testing::Test {
 protected:
  void Open() {
    const auto replay = RecoverLog(files);
    ASSERT_TRUE(replay.ok()) << replay.status().message();
    auto opened = OpenLog(files, replay->end, ++incarnation);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    log = std::move(*opened);
  }
  Result<LogWriter::Ack> Append(uint64_t index, size_t bytes = 100) {
    return log->Append({.payload = PayloadOf(index, bytes)}, Until::kDurable);
  }
  FaultFiles files{TestSeed()};
  uint64_t incarnation = 0;
  std::unique_ptr<LogWriter> log;
};

TEST_F(LogFaultsTest, NothingIsAcknowledgedAfterAFailedFlush) {
  Open();
  ASSERT_TRUE(Append(1).ok());  // begins the segment; the next call writes, the one after flushes
  ASSERT_TRUE(log->PrepareNext().ok());
  ASSERT_TRUE(Append(2).ok());
  ASSERT_TRUE(log->PrepareNext().ok());
  const uint64_t before = files.operations();
  ASSERT_TRUE(Append(3).ok());
  const std::vector<Call> calls = files.trace();
  ASSERT_TRUE(IsFlush(calls.back().operation));
  files.FailAt(files.operations() + (files.operations() - before) - 1, EIO);
  const auto failed = Append(4);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), ErrorCode::kIo);
  EXPECT_EQ(OutcomeOf(failed.status()), "unknown");
  const uint64_t calls_then = files.operations();
  const auto late = Append(5);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(OutcomeOf(late.status()), "not_applied");
  EXPECT_NE(late.status().message().find("failed before"), std::string::npos);
  EXPECT_FALSE(log->Flush().ok());
  EXPECT_FALSE(log->Seal().ok());
  EXPECT_FALSE(log->RemoveThrough(1).ok());
  EXPECT_FALSE(log->Close().ok());
  EXPECT_EQ(files.operations(), calls_then);  // the files are left alone
  EXPECT_EQ(log->durable_lsn(), 3u);
  EXPECT_EQ(log->counts().unknown, 1u);
}

// A disk that is full shows when a segment is prepared: writes are refused, none is in doubt, and
// they go on once there is room.
TEST_F(LogFaultsTest, AFullDiskRefusesAndRecovers) {
  Open();
  uint64_t acknowledged = 0;
  uint64_t index = 1;
  for (int cycle = 1; cycle <= 20; ++cycle) {
    files.SetCapacity(static_cast<uint64_t>(cycle) * 16 * kPageBytes);
    Result<LogWriter::Ack> ack = Append(index, 3000);
    while (ack.ok()) {
      ++acknowledged;
      ack = Append(++index, 3000);
    }
    ASSERT_EQ(ack.status().code(), ErrorCode::kIo);
    ASSERT_EQ(OutcomeOf(ack.status()), "not_applied") << ack.status().message();
    for (const std::string& name : files.names()) ASSERT_TRUE(IsSegment(name)) << name;
    const auto replay = ReplayLog(files);
    ASSERT_TRUE(replay.ok());
    ASSERT_EQ(replay->records.size(), acknowledged);
    if (cycle % 5 == 0) {
      files.PowerCut(kLeast);
      Open();
    }
  }
  EXPECT_GT(acknowledged, 100u);
  EXPECT_EQ(log->counts().unknown, 0u);
}

// Short records still fit into the segment when a long one does not get its own.
TEST_F(LogFaultsTest, AFullDiskLeavesTheCurrentSegmentInUse) {
  Open();
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(Append(i, 100).ok());
  files.SetCapacity(0);
  const auto longer = Append(4, 200'000);
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(OutcomeOf(longer.status()), "not_applied");
  EXPECT_EQ(log->counts().refused, 1u);
  const auto shorter = Append(5, 100);
  ASSERT_TRUE(shorter.ok()) << shorter.status().message();
  EXPECT_EQ(shorter->lsn, 4u);  // the refused one took no number
}

TEST_F(LogFaultsTest, OpensOnAFullDisk) {
  Open();
  ASSERT_TRUE(Append(1).ok());
  files.Restart();
  files.SetCapacity(0);
  Open();
  const auto refused = Append(2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(OutcomeOf(refused.status()), "not_applied");
  EXPECT_TRUE(log->Close().ok());
  EXPECT_EQ(ReplayLog(files)->records.size(), 1u);
}

TEST_F(LogFaultsTest, AFolderThatCannotBeFlushedIsAFailure) {
  Open();
  ASSERT_TRUE(Append(1).ok());
  const uint64_t before = files.operations();
  ASSERT_TRUE(log->PrepareNext().ok());
  const uint64_t calls = files.operations() - before;
  ASSERT_EQ(files.trace().back().operation, Operation::kSyncFolder);
  ASSERT_TRUE(Append(2).ok());
  files.FailAt(files.operations() + calls - 1, EIO);
  ASSERT_FALSE(log->PrepareNext().ok());
  const auto refused = Append(3);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(OutcomeOf(refused.status()), "not_applied");
  EXPECT_FALSE(Append(4, 100).ok());
}

}  // namespace
}  // namespace vitrine::storage_log_faults_test
