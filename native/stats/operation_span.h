#pragma once

#include <optional>

#include "base/thread_time.h"
#include "stats/statistics.h"
#include "stats/tick_clock.h"

namespace vitrine {

// One operation that is measured: how long it waits and runs, and how it ends. It keeps times only
// where the level asks for them. Of an operation that nobody measures it does nothing.
//
// Thread safety: for one thread at a time; it may go from one to another.
class OperationSpan {
 public:
  OperationSpan() = default;
  // `statistics` may be null, and outlives it.
  OperationSpan(Statistics* statistics, CountedOperation operation)
      : statistics_(statistics),
        operation_(operation),
        level_(statistics == nullptr ? StatsLevel::kOff : statistics->level()) {}

  bool counts() const { return level_ != StatsLevel::kOff; }
  StatsLevel level() const { return level_; }

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
    record.wait_ns = Between(submitted_, started_);
    record.duration_ns = Between(started_, stopped_);
    record.cpu_ns = cpu_ns_;
    statistics_->Count(record);
    level_ = StatsLevel::kOff;
  }

 private:
  using Ticks = std::optional<uint64_t>;
  std::optional<uint64_t> Between(Ticks begin, Ticks end) const {
    if (!begin || !end) return std::nullopt;
    return TickClock::Process().NanosecondsBetween(*begin, *end);
  }

  Statistics* statistics_ = nullptr;
  CountedOperation operation_ = CountedOperation::kSearch;
  StatsLevel level_ = StatsLevel::kOff;
  Ticks submitted_;
  Ticks started_;
  Ticks stopped_;
  std::optional<uint64_t> cpu_started_;
  std::optional<uint64_t> cpu_ns_;
};

}  // namespace vitrine
