#include "engine/recall_guide.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/calibration_run.h"
#include "engine/recall_check.h"

namespace vitrine {
namespace {

// One search in so many is offered to be checked.
constexpr uint32_t kOfferedEvery = 8;
// Measured again when the table has so many times its rows, or lost this share of its points.
constexpr uint64_t kGrowth = 2;
constexpr uint64_t kChangedPart = 5;

}  // namespace

static_assert(LiveRecall::kBands == 4, "there is a budget for every band");

RecallGuide::RecallGuide(const Table& table, ThreadPool* pool, TimeBudget::Rule budget)
    : table_(table),
      budgets_{TimeBudget(budget), TimeBudget(budget), TimeBudget(budget), TimeBudget(budget)},
      steps_(pool) {}

bool RecallGuide::IsStale() const {
  const uint64_t rows = table_.graph_rows();
  if (rows < CalibrationRun::kLeastRows || unreadable_.load(std::memory_order_relaxed))
    return false;
  if (calibration_.empty()) return true;
  return rows >= kGrowth * calibration_.rows || calibration_.rows >= kGrowth * rows ||
         table_.ended_points() - calibration_.ended > calibration_.rows / kChangedPart;
}

RecallChoice RecallGuide::Choose(size_t k, double target) {
  RecallChoice choice;
  bool stale = false;
  {
    const std::lock_guard lock(mutex_);
    choice = ChooseEf(calibration_, k, target);
    stale = IsStale();
  }
  if (stale && table_.linked()) StartCalibration();
  return choice;
}

TimeBudget* RecallGuide::BudgetFor(size_t k, size_t ef) {
  const std::lock_guard lock(mutex_);
  if (calibration_.empty()) return nullptr;
  const double foretold = calibration_.ForetoldMisses(k, static_cast<double>(ef));
  return &budgets_[LiveRecall::BandOf(foretold / static_cast<double>(k))];
}

void RecallGuide::StartCalibration() {
  if (steps_.busy()) return;
  // Made on the pool, not on the thread of the search.
  steps_.Start([this, run = std::shared_ptr<CalibrationRun>()]() mutable {
    if (run == nullptr) {
      run = std::make_shared<CalibrationRun>(table_);
      return true;
    }
    if (run->Step()) return true;
    Finish(*run);
    return false;
  });
}

void RecallGuide::Finish(CalibrationRun& run) {
  if (run.failed()) {
    unreadable_.store(true, std::memory_order_relaxed);
  } else {
    Restore(run.Take());
  }
}

StopReason RecallGuide::CalibrateNow(const SearchControl& control) {
  {
    const std::lock_guard lock(mutex_);
    if (!calibration_.empty() || !IsStale() || !table_.linked()) return StopReason::kExhausted;
  }
  CalibrationRun run(table_);
  while (run.Step()) {
    const StopReason stopped = control.Check();
    if (stopped != StopReason::kExhausted) return stopped;
  }
  Finish(run);
  return StopReason::kExhausted;
}

void RecallGuide::Observe(const void* query, size_t k, size_t ef, std::span<const Hit> hits,
                          uint64_t snapshot) {
  if (asked_.fetch_add(1, std::memory_order_relaxed) % kOfferedEvery != 0) return;
  if (steps_.busy()) return;
  TimeBudget* const budget = BudgetFor(k, ef);
  if (budget == nullptr || !budget->HasSome()) return;
  const auto check = std::make_shared<RecallCheck>(table_, query, k, hits, snapshot);
  if (!check->valid()) return;
  steps_.Start([this, check, ef, budget] {
    const auto start = TimeBudget::Clock::now();
    const bool more = check->Step();
    budget->Spend(TimeBudget::Clock::now() - start);
    if (more) return true;
    const std::lock_guard lock(mutex_);
    if (calibration_.empty() || check->failed()) return false;
    const double foretold = calibration_.ForetoldMisses(check->k(), static_cast<double>(ef));
    calibration_.Nearest(check->k())
        .live.Add(static_cast<double>(check->missed()), foretold,
                  foretold / static_cast<double>(check->k()));
    return false;
  });
}

// What was measured serves until there is something better.
void RecallGuide::Renew() {
  const std::lock_guard lock(mutex_);
  calibration_.rows = 0;
}

RecallCalibration RecallGuide::Copy() const {
  const std::lock_guard lock(mutex_);
  return calibration_;
}

void RecallGuide::Restore(RecallCalibration calibration) {
  const std::lock_guard lock(mutex_);
  // What checks said of the table holds for its new state until they say something else.
  for (RecallCurve& curve : calibration.curves) {
    if (calibration_.empty()) break;
    const RecallCurve& before = calibration_.Nearest(curve.k);
    if (before.k == curve.k) curve.live = before.live;
  }
  calibration_ = std::move(calibration);
}

}  // namespace vitrine
