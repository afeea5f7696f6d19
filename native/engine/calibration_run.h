#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "engine/recall_curve.h"
#include "engine/table_view.h"

namespace vitrine {

// Measures the recall of a table's walks by beam width: points of it, drawn by the table's seed,
// are searched for, and their true neighbours found by a look at every row. One snapshot
// throughout; what it shows is not reclaimed meanwhile.
//
// In steps of a few milliseconds: 0.1 to 0.3 ms of CPU time a row of 784 dimensions or thousand
// hops; altogether about a second for 60,000 of them. May throw std::bad_alloc.
class CalibrationRun {
 public:
  explicit CalibrationRun(const Table& table);
  // Goes on; false when all is measured.
  bool Step();
  // Whether a row could not be read that stays in a file: then nothing can be measured.
  bool failed() const { return !lease_.scratch().failure.ok(); }
  // REQUIRES: Step() returned false. Empty when there were too few points, or it failed.
  RecallCalibration Take() { return std::move(result_); }

  // Tables of fewer rows are not measured: whatever beam is used sees much of them.
  static constexpr size_t kLeastRows = 1'000;

 private:
  struct Query {
    Slot slot;
    std::vector<float> nearest;  // a heap while rows are looked at, ascending afterwards
  };

  void DrawSample();
  void ScanBlock();
  void FinishTruth();
  bool NextRung();
  void WalkFor(const Query& query);
  // The share of the `k` true neighbours that the pool of the last walk has.
  double RecallOf(const Query& query, size_t k, const QueryScorers& scorers);
  void FinishRung();

  static constexpr size_t kCurves = std::size(RecallCalibration::kNeighbours);

  const ReaderPool::Lease lease_;
  const TableView table_;
  const CodeStore* const codes_;
  RecallCalibration result_;
  std::vector<Query> sample_;
  size_t kept_ = 0;       // nearest neighbours of each
  size_t next_word_ = 0;  // of the rows to look at
  bool truth_known_ = false;
  std::array<bool, kCurves> open_ = {};     // curves that still climb
  std::array<size_t, kCurves> least_ = {};  // where they begin
  size_t ef_ = 0;
  size_t next_query_ = 0;
  std::array<double, kCurves> self_ = {}, left_out_ = {}, squares_ = {};  // sums over the sample
};

}  // namespace vitrine
