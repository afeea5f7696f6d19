#include "log_user.h"

#include <algorithm>
#include <utility>

namespace vitrine {

void LogUser::Hold(const Replay& replay) {
  ASSERT_LE(replay.records.size(), records_.size()) << "records were invented";
  for (size_t i = 0; i < replay.records.size(); ++i) {
    Record& record = records_[i];
    const Replayed& replayed = replay.records[i];
    ASSERT_EQ(replayed.payload, PayloadOf(record.index, record.bytes)) << record.index;
    ASSERT_TRUE(record.lsn == 0 || replayed.lsn == record.lsn);
    ASSERT_GT(replayed.lsn, i == 0 ? covered_ : records_[i - 1].lsn);
    record.lsn = replayed.lsn;
  }
  for (size_t i = replay.records.size(); i < records_.size(); ++i) {
    ASSERT_FALSE(records_[i].durable) << "an acknowledged record is lost: " << records_[i].index;
    ASSERT_TRUE(unflushed_may_be_lost_ || !records_[i].written) << records_[i].index;
  }
  // What is gone must never come back.
  records_.resize(replay.records.size());
  unflushed_may_be_lost_ = false;
}

void LogUser::Check(Gap gap) {
  unflushed_may_be_lost_ = unflushed_may_be_lost_ || gap == Gap::kPower;
  const auto replay = ReplayLog(files_, covered_);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  Hold(*replay);
}

void LogUser::Live(size_t steps, End end, Gap gap_before) {
  failed_ = false;
  ++life_;
  unflushed_may_be_lost_ = unflushed_may_be_lost_ || gap_before == Gap::kPower;
  const auto replay = RecoverLog(files_, covered_);
  if (!replay.ok()) {
    ASSERT_EQ(replay.status().code(), ErrorCode::kIo) << replay.status().message();
    return;
  }
  ASSERT_NO_FATAL_FAILURE(Hold(*replay));
  const uint64_t begin = files_.operations();
  {
    auto log = OpenLog(files_, replay->end, life_);
    if (!log.ok()) {
      ASSERT_EQ(log.status().code(), ErrorCode::kIo) << log.status().message();
      return;
    }
    for (Record& record : records_) record.written = record.durable = true;
    for (size_t i = 0; i < steps; ++i) ASSERT_NO_FATAL_FAILURE(Step(**log));
    if (end == End::kClose) Flushed((*log)->Close());
  }
  spans_.push_back({begin, files_.operations()});
}

void LogUser::Step(LogWriter& log) {
  switch (random_() % 10) {
    case 0:
      Append(log, 2 + random_() % 5);
      break;
    case 1:
      Flushed(log.Flush());
      break;
    case 2:
      Flushed(log.Seal());
      break;
    case 3:
      (void)log.PrepareNext().ok();
      break;
    case 4:
      RemoveSome(log);
      break;
    default:
      Append(log, 1);
  }
}

void LogUser::Flushed(const Status& status) {
  if (!status.ok()) {
    unflushed_may_be_lost_ = true;
    return;
  }
  for (Record& record : records_) record.written = record.durable = true;
}

void LogUser::Append(LogWriter& log, size_t count) {
  std::vector<std::pair<Record, Result<LogWriter::Ticket>>> issued;
  for (size_t i = 0; i < count; ++i) {
    // Most are short, some are longer than a segment.
    const size_t bytes = random_() % 8 == 0 ? random_() % 40'000 : random_() % 3000;
    const auto until = random_() % 4 == 0 ? LogWriter::Until::kWritten : LogWriter::Until::kDurable;
    const Record record = {next_index_++, bytes};
    issued.emplace_back(record, log.Enqueue({.payload = PayloadOf(record.index, bytes)}, until));
  }
  for (auto& [record, ticket] : issued) {
    const Result<LogWriter::Ack> result =
        ticket.ok() ? log.Wait(*ticket) : Result<LogWriter::Ack>(ticket.status());
    ASSERT_NO_FATAL_FAILURE(Judge(record, result));
  }
}

void LogUser::Judge(Record& record, const Result<LogWriter::Ack>& result) {
  if (!result.ok()) {
    const std::string outcome = OutcomeOf(result.status());
    ASSERT_EQ(result.status().code(), ErrorCode::kIo) << result.status().message();
    ASSERT_TRUE(outcome == "unknown" || outcome == "not_applied") << outcome;
    if (outcome == "unknown") {
      records_.push_back(record);
      failed_ = unflushed_may_be_lost_ = true;
    }
    return;
  }
  ASSERT_FALSE(failed_) << "an acknowledgement after a failure";
  record.lsn = result->lsn;
  record.written = true;
  record.durable = result->durable;
  records_.push_back(record);
  if (!record.durable) return;
  ++durable_;
  // A flush brings along everything before.
  for (Record& earlier : records_) earlier.durable = true;
}

void LogUser::RemoveSome(LogWriter& log) {
  const auto known = std::count_if(records_.begin(), records_.end(),
                                   [](const Record& record) { return record.durable; });
  if (known < 4) return;
  const auto end = records_.begin() + known / 2;
  covered_ = std::prev(end)->lsn;
  records_.erase(records_.begin(), end);
  (void)log.RemoveThrough(covered_).ok();
}

}  // namespace vitrine
