// Searches that ask for a recall are checked: how many of them, and at whose expense.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "engine/recall_guide.h"
#include "engine/table.h"
#include "random_data.h"
#include "table_model.h"

namespace vitrine::engine_recall_guide_test {
namespace {

using std::chrono::milliseconds;

constexpr size_t kDimension = 8;
constexpr size_t kPoints = 1'000;
constexpr size_t kNarrow = 16, kWide = 256;
// Nothing is earned: what there is at first is soon spent.
constexpr TimeBudget::Rule kSmallBudget{.share = 0, .most = milliseconds(1)};

// Says that a beam of 16 misses a tenth, and one of 256 one neighbour in 2,560: bands of their own.
RecallCalibration Calibration() {
  RecallCurve curve{.k = 10, .rungs = {}, .live = {}};
  double miss = 0.1;
  for (uint32_t ef = kNarrow; ef <= 2 * kWide; ef *= 2, miss /= 4) {
    curve.rungs.push_back({.ef = ef, .self = 1 - miss, .left_out = 1 - miss, .deviation = 0.001});
  }
  return {.rows = kPoints, .ended = 0, .sample = 200, .curves = {curve}};
}

class RecallGuideChecks : public testing::Test {
 protected:
  RecallGuideChecks() {
    ExpectOk(table_->Add(IdsFrom(0, kPoints), NormalVectors(kPoints, kDimension, TestSeed())));
    hits_ = SearchHits(*table_, query_.data(), {.k = 10, .ef = kWide});
  }

  static uint64_t ChecksOf(const RecallGuide& guide) {
    return guide.Copy().Nearest(10).live.checks;
  }
  // Searches at beam width `ef` until one of them has been checked, or for so long.
  bool IsChecked(RecallGuide& guide, size_t ef, milliseconds longest) {
    const uint64_t before = ChecksOf(guide);
    const auto end = std::chrono::steady_clock::now() + longest;
    while (std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 8; ++i) {  // one in eight is offered
        guide.Observe(query_.data(), 10, ef, hits_, table_->version());
      }
      std::this_thread::sleep_for(milliseconds(1));
      if (ChecksOf(guide) > before) return true;
    }
    return false;
  }

  ThreadPool pool_{1};
  const std::unique_ptr<Table> table_ = MakeTable({.dimension = kDimension}, &pool_);
  const std::vector<float> query_ = NormalVectors(1, kDimension, TestSeed() + 1);
  std::vector<Hit> hits_;
};

TEST_F(RecallGuideChecks, AreMadeOfNothingThatNoCalibrationForetells) {
  RecallGuide guide(*table_, &pool_);
  for (int i = 0; i < 100; ++i) {
    guide.Observe(query_.data(), 10, kWide, hits_, table_->version());
  }
  guide.Restore(Calibration());
  EXPECT_EQ(ChecksOf(guide), 0u);
  EXPECT_TRUE(IsChecked(guide, kWide, std::chrono::seconds(10)));
}

TEST_F(RecallGuideChecks, OfNarrowBeamsLeaveWideOnesTheirOwnAllowance) {
  RecallGuide guide(*table_, &pool_, kSmallBudget);
  guide.Restore(Calibration());
  int checked = 0;
  while (IsChecked(guide, kNarrow, milliseconds(200))) ASSERT_LT(++checked, 10'000);
  EXPECT_GT(checked, 0);
  EXPECT_FALSE(IsChecked(guide, kNarrow, milliseconds(50)));
  EXPECT_TRUE(IsChecked(guide, kWide, std::chrono::seconds(10)));

  const LiveRecall live = guide.Copy().Nearest(10).live;
  EXPECT_GT(live.At(0.1).foretold, 0);
  EXPECT_GT(live.At(0.1 / 256).foretold, 0);
}

}  // namespace
}  // namespace vitrine::engine_recall_guide_test
