#include "engine/calibration_run.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/splitmix64.h"
#include "engine/best_hits.h"
#include "engine/plan_choice.h"
#include "index/code_rerank.h"

namespace vitrine {
namespace {

constexpr size_t kSampledPoints = 200;
// A step of the scan multiplies about so many components.
constexpr size_t kScanWork = size_t{24} << 20;
// Walks in a step.
constexpr size_t kStepQueries = 8;
// A curve ends where so few neighbours are missed, or at so wide a beam.
constexpr double kRecallEnough = 0.9985;
constexpr size_t kWidestRung = 1'024;
// From one rung to the next.
constexpr double kRungStride = 1.3;

// Rows that one scorer call looks at.
constexpr size_t kScanRows = 64;

}  // namespace

CalibrationRun::CalibrationRun(const Table& table)
    : lease_(table.Read()), table_(table, lease_), codes_(table_.codes()) {
  result_.rows = table.graph_rows();
  result_.ended = table.ended_points();
  if (result_.rows < kLeastRows || !table.linked()) return;
  DrawSample();
  const size_t others = static_cast<size_t>(result_.rows) / 2;
  for (size_t i = 0; i < kCurves; ++i) {
    const size_t k = RecallCalibration::kNeighbours[i];
    open_[i] = k <= others;
    if (!open_[i]) continue;
    kept_ = k;
    least_[i] = EfOf({.k = k, .ef = 1, .recall = 0.5}, codes_ != nullptr);
    result_.curves.push_back({.k = static_cast<uint32_t>(k), .rungs = {}, .live = {}});
  }
}

void CalibrationRun::DrawSample() {
  SplitMix64 random(table_.table().options().graph.seed ^ kCodeSeed);
  const size_t limit = table_.SlotLimit();
  std::vector<bool> drawn(limit);
  for (size_t tries = 0; tries < 64 * kSampledPoints && sample_.size() < kSampledPoints; ++tries) {
    const auto slot = static_cast<Slot>(random() % limit);
    if (drawn[slot] || !table_.graph().IsAlive(slot) || !table_.OwnerVisible(slot) ||
        !table_.vectors().Verify(slot).ok()) {
      continue;
    }
    drawn[slot] = true;
    sample_.push_back({slot, {}});
  }
  result_.sample = static_cast<uint32_t>(sample_.size());
}

bool CalibrationRun::Step() {
  if (sample_.empty() || result_.curves.empty() || failed()) {
    result_.curves.clear();
    return false;
  }
  if (!truth_known_) {
    ScanBlock();
    return true;
  }
  if (next_query_ == sample_.size()) FinishRung();
  if (next_query_ == 0 && !NextRung()) return false;
  const size_t end = std::min(sample_.size(), next_query_ + kStepQueries);
  for (; next_query_ < end; ++next_query_) WalkFor(sample_[next_query_]);
  return true;
}

// Each block of rows is looked at for all of the sample, so that it comes from memory once.
void CalibrationRun::ScanBlock() {
  const size_t limit = table_.SlotLimit();
  size_t left =
      std::max<size_t>(kScanWork / (table_.vectors().dimension() * sample_.size()), kScanRows);
  for (; left > 0 && next_word_ * 64 < limit; ++next_word_, left -= std::min(left, kScanRows)) {
    Slot slots[kScanRows];
    size_t count = 0;
    uint64_t rows = table_.occupied().Word(next_word_) & ~table_.zero_rows().Word(next_word_);
    for (rows = table_.VisibleRows(next_word_, rows); rows != 0; rows &= rows - 1) {
      slots[count++] =
          static_cast<Slot>(next_word_ * 64 + static_cast<size_t>(std::countr_zero(rows)));
    }
    if (count == 0) continue;
    for (Query& query : sample_) {
      const VectorScorer scorer = table_.vectors().ScorerFor(query.slot, &lease_.scratch().failure);
      RowRef refs[kScanRows + 3];
      float distances[kScanRows + 3];
      for (size_t i = 0; i < count; ++i) refs[i] = scorer.Ref(slots[i]);
      scorer.Score(refs, slots, count, distances);
      for (size_t i = 0; i < count; ++i) {
        if (slots[i] != query.slot) KeepLeast(query.nearest, kept_, distances[i]);
      }
    }
  }
  if (next_word_ * 64 >= limit) FinishTruth();
}

void CalibrationRun::FinishTruth() {
  for (Query& query : sample_) std::sort_heap(query.nearest.begin(), query.nearest.end());
  // Rows may have gone that the count of rows still had.
  std::erase_if(sample_, [&](const Query& query) { return query.nearest.size() < kept_; });
  result_.sample = static_cast<uint32_t>(sample_.size());
  truth_known_ = true;
}

// The next beam width at which some curve needs a rung; false when none does.
bool CalibrationRun::NextRung() {
  size_t next =
      ef_ == 0 ? 0 : static_cast<size_t>(std::ceil(static_cast<double>(ef_) * kRungStride));
  size_t first = SIZE_MAX;
  bool any = false;
  for (size_t i = 0; i < kCurves; ++i) {
    if (!open_[i]) continue;
    if (least_[i] > ef_) first = std::min(first, least_[i]);
    any |= ef_ > 0 && least_[i] <= ef_;
  }
  // A curve begins at its least beam, whatever the others are at.
  next = any ? std::min(next, first) : first;
  if (next == SIZE_MAX || next > kWidestRung) return false;
  ef_ = next;
  self_ = left_out_ = squares_ = {};
  return true;
}

void CalibrationRun::WalkFor(const Query& query) {
  Scratch& scratch = lease_.scratch();
  EntryTable::Snapshot entries;
  const size_t entry_count = table_.graph().ReadEntries(entries);
  const QueryScorers scorers({table_.vectors(), nullptr, codes_}, table_.vectors().Row(query.slot),
                             scratch);
  const SnapshotVisible visible = table_.Visible();
  const WalkRequest request{.links = &table_.graph().links(),
                            .scorer = scorers.exact(),
                            .codes = scorers.codes(),
                            .seeds = {entries.data(), entry_count},
                            .snapshot = table_.AllSettled() ? nullptr : &visible};
  std::array<double, kCurves> estimates = {};
  for (const bool left_out : {false, true}) {
    scratch.Prepare(ef_, table_.SlotLimit());
    // Visited before the walk begins, so that neither the point nor its links are used.
    if (left_out) scratch.Visit(query.slot);
    table_.walks().walk(request, scratch);
    scratch.ClearVisited();
    for (size_t i = 0; i < kCurves; ++i) {
      if (!open_[i] || ef_ < least_[i]) continue;
      const double recall = RecallOf(query, RecallCalibration::kNeighbours[i], scorers);
      (left_out ? left_out_ : self_)[i] += recall;
      estimates[i] += recall * (left_out ? 2.0 / 3 : 1.0 / 3);
    }
  }
  for (size_t i = 0; i < kCurves; ++i) squares_[i] += estimates[i] * estimates[i];
}

double CalibrationRun::RecallOf(const Query& query, size_t k, const QueryScorers& scorers) {
  Scratch& scratch = lease_.scratch();
  const CandidatePool& pool = scratch.pool;
  scratch.ranked.clear();
  for (size_t i = 0; i < pool.size; ++i) {
    if (!pool.is_result(i) || pool.slot(i) == query.slot) continue;
    scratch.ranked.push_back({pool.distance[i], pool.slot(i)});
  }
  const size_t count = std::min(k, scratch.ranked.size());
  if (scorers.codes() != nullptr) {
    Rerank(scratch.ranked, count, *scorers.codes(), scorers.exact());
  }
  const float farthest = query.nearest[k - 1];
  const auto found = std::count_if(
      scratch.ranked.begin(), scratch.ranked.begin() + static_cast<std::ptrdiff_t>(count),
      [&](const RankedSlot& ranked) { return ranked.distance <= farthest; });
  return static_cast<double>(found) / static_cast<double>(k);
}

void CalibrationRun::FinishRung() {
  const auto count = static_cast<double>(sample_.size());
  for (size_t i = 0; i < result_.curves.size(); ++i) {
    if (!open_[i] || ef_ < least_[i]) continue;
    RecallRung rung{.ef = static_cast<uint32_t>(ef_),
                    .self = self_[i] / count,
                    .left_out = left_out_[i] / count};
    const double mean = rung.Estimate();
    const double variance = std::max(0.0, squares_[i] / count - mean * mean);
    rung.deviation = std::sqrt(variance / count);
    result_.curves[i].rungs.push_back(rung);
    open_[i] = mean < kRecallEnough;
  }
  next_query_ = 0;
}

}  // namespace vitrine
