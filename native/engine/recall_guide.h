#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "base/background_steps.h"
#include "base/time_budget.h"
#include "engine/best_hits.h"
#include "engine/recall_curve.h"
#include "index/walk.h"

namespace vitrine {

class CalibrationRun;
class Table;

// Finds the beam width for the recall that searches ask for: from a calibration, which is made in
// the background when somebody first asks and again when the table has changed much; corrected by a
// few of the searches, which are checked exactly in the background.
//
// Thread safety: every function may be called from any thread at any time, except as noted.
class RecallGuide {
 public:
  // What checks of a band of beams may cost; some of it gathers while nobody searches.
  static constexpr TimeBudget::Rule kCheckBudget{.share = 0.02,
                                                 .most = std::chrono::milliseconds(1500)};

  // Both outlive the guide; without a pool nothing happens in the background.
  RecallGuide(const Table& table, ThreadPool* pool, TimeBudget::Rule budget = kCheckBudget);

  // REQUIRES: 0 < target < 1
  RecallChoice Choose(size_t k, double target);
  // Makes the calibration on this thread if there is none, however long that takes; kTimeout and
  // kCancelled leave it to the background. May throw std::bad_alloc.
  StopReason CalibrateNow(const SearchControl& control);
  // Lets the guide check a search: what was found for `query` at beam width `ef` by a walk over all
  // points of the version `snapshot`. Costs nothing most of the time.
  void Observe(const void* query, size_t k, size_t ef, std::span<const Hit> hits,
               uint64_t snapshot);

  // Walks find more than when the table was measured: it will be measured again.
  void Renew();

  // For files.
  RecallCalibration Copy() const;
  void Restore(RecallCalibration calibration);

 private:
  // Whether the calibration says too little about the table as it is. REQUIRES: mutex_ is held
  bool IsStale() const;
  // What checks of searches of this kind may cost; null while nothing is foretold of them.
  TimeBudget* BudgetFor(size_t k, size_t ef);
  void StartCalibration();
  // Takes what a run measured that has ended.
  void Finish(CalibrationRun& run);

  const Table& table_;
  mutable std::mutex mutex_;
  RecallCalibration calibration_;
  // Each band of beams has its own: searches that ask for little, which know enough from a few
  // checks, would leave nothing to those that ask for much.
  std::array<TimeBudget, LiveRecall::kBands> budgets_;
  std::atomic<bool> unreadable_{false};  // relaxed: a calibration failed, and so would others
  std::atomic<uint32_t> asked_{0};       // relaxed: every so many searches is offered to be checked
  BackgroundSteps steps_;                // last: no step runs once the rest goes
};

}  // namespace vitrine
