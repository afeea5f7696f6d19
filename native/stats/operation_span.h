#pragma once

#include <optional>

#include "base/thread_time.h"
#include "stats/statistics.h"
#include "stats/tick_clock.h"

namespace vitrine {

// One operation that is measured: it is in flight from here on until it ends, and the span knows
// how long it waits and runs, and how it ends. It keeps times only where the level asks for them.
// Of an operation that nobody measures it does nothing.
//
// Thread safety: for one thread at a time; it may go from one to another, but begins and ends on
// the same.
class OperationSpan {
 public:
  OperationSpan() = default;
  // `statistics` may be null, and outlives it.
  OperationSpan(Statistics* statistics, CountedOperation operation)
      : statistics_(statistics),
        operation_(operation),
        level_(statistics == nullptr ? StatsLevel::kOff : statistics->level()) {
    if (counts()) began_ = statistics->Begin(operation);
  }

  bool counts() const { return level_ != StatsLevel::kOff; }
  StatsLevel level() const { return level_; }
  // Null unless it counts.
  Statistics* statistics() const { return counts() ? statistics_ : nullptr; }
  // The same operation, for somebody else to go on with: it has neither waited nor run there. One
  // of the two ends it, and the other one is forgotten.
  OperationSpan HandOver() const {
    OperationSpan span;
    span.statistics_ = statistics_;
    span.began_ = began_;
    span.operation_ = operation_;
    span.level_ = level_;
    return span;
  }

  // It waits from now on.
  void Submit() {
    if (level_ >= StatsLevel::kPhases) submitted_ = TickClock::Process().Now();
  }
  // It runs from now on, until Stop, which is called on the same thread.
  void Start() {
    if (level_ >= StatsLevel::kHistograms) started_ = TickClock::Process().Now();
    if (level_ >= StatsLevel::kCpu) cpu_started_ = ThreadCpuNanoseconds();
  }
  // The same, of one that began on a thread that could not tell.
  void StartedAt(uint64_t ticks) {
    if (level_ >= StatsLevel::kHistograms) started_ = ticks;
  }
  // It has waited until now, and does not run.
  void GiveUpWaiting() {
    if (submitted_) given_up_ = TickClock::Process().Now();
  }
  void Stop() {
    if (level_ >= StatsLevel::kHistograms) stopped_ = TickClock::Process().Now();
    if (cpu_started_) cpu_ns_ = ThreadCpuNanoseconds() - *cpu_started_;
  }
  // It has ended, for good or for ill; `record` says what it did, and the rest is filled in. Counts
  // it, once.
  void End(const Status& status, OperationRecord record = {}) {
    if (!counts()) return;
    record.operation = operation_;
    record.level = level_;
    if (!status.ok()) record.error = status.code();
    record.wait_ns = Between(submitted_, started_ ? started_ : given_up_);
    record.duration_ns = Between(started_, stopped_);
    record.cpu_ns = cpu_ns_;
    statistics_->Count(record, began_);
    level_ = StatsLevel::kOff;
  }
  // It was a part of another one, which is counted instead.
  void GiveUp() {
    if (began_ != nullptr) began_->End(operation_);
    began_ = nullptr;
    level_ = StatsLevel::kOff;
  }

 private:
  using Ticks = std::optional<uint64_t>;
  std::optional<uint64_t> Between(Ticks begin, Ticks end) const {
    if (!begin || !end) return std::nullopt;
    return TickClock::Process().NanosecondsBetween(*begin, *end);
  }

  Statistics* statistics_ = nullptr;
  StatsShard* began_ = nullptr;  // as long as it is in flight
  CountedOperation operation_ = CountedOperation::kSearch;
  StatsLevel level_ = StatsLevel::kOff;
  Ticks submitted_;
  Ticks given_up_;
  Ticks started_;
  Ticks stopped_;
  std::optional<uint64_t> cpu_started_;
  std::optional<uint64_t> cpu_ns_;
};

}  // namespace vitrine
