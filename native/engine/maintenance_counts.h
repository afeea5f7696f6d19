#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "stats/label_values.h"

namespace vitrine {

// How often an index was maintained, by what was done and how it ended; totals that only grow.
class MaintenanceTotals {
 public:
  uint64_t of(Maintenance kind, RunOutcome outcome) const { return counts_[At(kind, outcome)]; }
  void Add(Maintenance kind, RunOutcome outcome, uint64_t n) { counts_[At(kind, outcome)] += n; }
  void Add(const MaintenanceTotals& more) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += more.counts_[i];
  }

 private:
  static size_t At(Maintenance kind, RunOutcome outcome) {
    return static_cast<size_t>(kind) * std::size(kRunOutcomeNames) + static_cast<size_t>(outcome);
  }

  std::array<uint64_t, std::size(kMaintenanceNames) * std::size(kRunOutcomeNames)> counts_ = {};
};

// The same while it is counted.
//
// Thread safety: `Count` is for one thread at a time; `totals` for any.
class MaintenanceCounts {
 public:
  void Count(Maintenance kind, RunOutcome outcome) {
    std::atomic<uint64_t>& count = counts_[static_cast<size_t>(kind)][static_cast<size_t>(outcome)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  MaintenanceTotals totals() const {
    MaintenanceTotals totals;
    for (size_t kind = 0; kind < counts_.size(); ++kind) {
      for (size_t outcome = 0; outcome < counts_[kind].size(); ++outcome) {
        totals.Add(static_cast<Maintenance>(kind), static_cast<RunOutcome>(outcome),
                   counts_[kind][outcome].load(std::memory_order_relaxed));
      }
    }
    return totals;
  }

 private:
  // Relaxed: each is a number of its own, with one writer; partner: totals.
  std::array<std::array<std::atomic<uint64_t>, std::size(kRunOutcomeNames)>,
             std::size(kMaintenanceNames)>
      counts_ = {};
};

// One run of maintenance. It has failed unless somebody says how it ended: it may be left by an
// exception, of a container that gets no memory.
class MaintenanceRun {
 public:
  MaintenanceRun(MaintenanceCounts& counts, Maintenance kind) : counts_(counts), kind_(kind) {}
  ~MaintenanceRun() {
    if (!goes_on_) counts_.Count(kind_, outcome_);
  }
  MaintenanceRun(const MaintenanceRun&) = delete;
  MaintenanceRun& operator=(const MaintenanceRun&) = delete;

  void Succeeded() { outcome_ = RunOutcome::kOk; }
  // It was a step of a run that is not over.
  void GoesOn() { goes_on_ = true; }

 private:
  MaintenanceCounts& counts_;
  const Maintenance kind_;
  RunOutcome outcome_ = RunOutcome::kError;
  bool goes_on_ = false;
};

}  // namespace vitrine
