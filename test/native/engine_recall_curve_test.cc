#include <gtest/gtest.h>

#include "engine/recall_curve.h"

namespace vitrine {
namespace recall_curve_test {
namespace {

// Misses fall with the square of the beam width: 0.32 at 8, 0.0003 at 256.
RecallCurve Curve(uint32_t k, uint32_t from, double miss) {
  RecallCurve curve{.k = k, .rungs = {}, .live = {}};
  for (uint32_t ef = from; ef <= 32 * from; ef *= 2, miss /= 4) {
    curve.rungs.push_back({.ef = ef, .self = 1 - miss, .left_out = 1 - miss, .deviation = 0.001});
  }
  return curve;
}

RecallCalibration Calibration() {
  return {.rows = 10'000,
          .ended = 0,
          .sample = 200,
          .curves = {Curve(1, 5, 0.2), Curve(10, 14, 0.08), Curve(100, 125, 0.02)}};
}

TEST(RecallCurve, WeighsLeftOutTwice) {
  const RecallRung rung{.ef = 10, .self = 1, .left_out = 0.7, .deviation = 0};
  EXPECT_NEAR(rung.Estimate(), 0.8, 1e-12);
}

TEST(RecallCurve, FindsTheBeamBetweenRungsAndNoneBelowTheFirst) {
  const RecallCurve curve = Curve(10, 14, 0.08);
  EXPECT_NEAR(curve.EfFor(0.02), 28, 1e-6);
  EXPECT_NEAR(curve.EfFor(0.04), 14 * 1.41421356, 1e-3);
  EXPECT_EQ(curve.EfFor(0.5), 14);
  EXPECT_NEAR(curve.MissAt(28), 0.02, 1e-9);
  for (const double ef : {14.0, 20.0, 77.0, 300.0}) {
    EXPECT_NEAR(curve.EfFor(curve.MissAt(ef)), ef, 1e-6 * ef);
  }
}

TEST(RecallCurve, GuessesALittleBeyondTheLastRungAndThenGivesUp) {
  const RecallCurve curve = Curve(10, 14, 0.08);
  const double last = curve.MissAt(448);
  EXPECT_GT(curve.EfFor(last / 2), 448);
  EXPECT_EQ(curve.EfFor(last / 1000), 0);
}

TEST(RecallCurve, GivesUpWhereMissesNoLongerFall) {
  RecallCurve curve{.k = 10, .rungs = {}, .live = {}};
  for (const uint32_t ef : {16U, 64U, 256U, 1024U}) {
    curve.rungs.push_back({.ef = ef, .self = 0.9, .left_out = 0.9, .deviation = 0.01});
  }
  EXPECT_EQ(curve.EfFor(0.05), 0);
  const RecallChoice choice =
      ChooseEf({.rows = 5'000, .ended = 0, .sample = 200, .curves = {curve}}, 10, 0.95);
  EXPECT_EQ(choice.ef, 0U);
  EXPECT_EQ(choice.expected, 1);
}

TEST(RecallChoice, IsWideUntilThereIsACalibration) {
  const RecallChoice choice = ChooseEf({}, 10, 0.95);
  EXPECT_EQ(choice.source, RecallChoice::Source::kDefault);
  EXPECT_EQ(choice.ef, 64U);
  EXPECT_GT(ChooseEf({}, 10, 0.99).ef, 64U);
  EXPECT_GE(ChooseEf({}, 10'000, 0.99).ef, 10'000U);
}

TEST(RecallChoice, GrowsWithTargetAndNeighbours) {
  const RecallCalibration calibration = Calibration();
  size_t before = 0;
  for (const double target : {0.5, 0.9, 0.95, 0.99, 0.999}) {
    const size_t ef = ChooseEf(calibration, 10, target).ef;
    EXPECT_GE(ef, before);
    before = ef;
  }
  before = 0;
  for (const size_t k : {1, 3, 10, 31, 100, 300}) {
    const RecallChoice choice = ChooseEf(calibration, k, 0.97);
    EXPECT_GT(choice.ef, before) << k;
    EXPECT_GE(choice.expected, 0.9729);
    EXPECT_LE(choice.low, choice.expected);
    EXPECT_GE(choice.high, choice.expected);
    before = choice.ef;
  }
}

TEST(RecallChoice, FollowsWhatChecksSay) {
  RecallCalibration calibration = Calibration();
  const size_t ef = ChooseEf(calibration, 10, 0.95).ef;
  for (int i = 0; i < 200; ++i) calibration.Nearest(10).live.Add(1.5, 0.5, 0.05);
  const RecallChoice wider = ChooseEf(calibration, 10, 0.95);
  EXPECT_EQ(wider.source, RecallChoice::Source::kCorrected);
  EXPECT_EQ(wider.checks, 200U);
  // Three times the misses, which fall with the square.
  EXPECT_NEAR(static_cast<double>(wider.ef), 1.73 * static_cast<double>(ef), 4);
  EXPECT_EQ(ChooseEf(calibration, 100, 0.99).source, RecallChoice::Source::kCalibrated);
  for (int i = 0; i < 2'000; ++i) calibration.Nearest(10).live.Add(0.5, 0.5, 0.05);
  EXPECT_NEAR(static_cast<double>(ChooseEf(calibration, 10, 0.95).ef), static_cast<double>(ef), 2);
}

TEST(RecallChoice, IsNotMovedByAFewChecks) {
  RecallCalibration calibration = Calibration();
  const size_t ef = ChooseEf(calibration, 10, 0.99).ef;
  LiveRecall& live = calibration.Nearest(10).live;
  live.Add(0, 0.1, 0.01);
  EXPECT_EQ(ChooseEf(calibration, 10, 0.99).ef, ef);
  // Many that agree with the curve as nearly as chance allows make it surer, and nothing else.
  for (int i = 0; i < 1'000; ++i) live.Add(0.085, 0.1, 0.01);
  const RecallChoice surer = ChooseEf(calibration, 10, 0.99);
  EXPECT_LE(surer.ef, ef);
  EXPECT_GE(surer.expected, 0.991);
}

TEST(RecallChoice, AimsHigherWhereFewMissesWereCounted) {
  RecallCalibration calibration = Calibration();
  const auto spare = [&](double target) {
    return (ChooseEf(calibration, 10, target).expected - target) / (1 - target);
  };
  // As near as a beam can be that is a whole number wide. 2,000 neighbours: 100 that may be missed,
  // or 20, or hardly any.
  EXPECT_NEAR(spare(0.95), 0.1, 0.035);
  EXPECT_NEAR(spare(0.99), 0.2, 0.035);
  EXPECT_NEAR(spare(0.9995), 0.4, 0.035);
  // No sample is so small that more is asked for.
  calibration.sample = 1;
  EXPECT_NEAR(spare(0.99), 0.4, 0.035);
  calibration.sample = 0;
  EXPECT_NEAR(spare(0.99), 0.4, 0.035);
  calibration.sample = 20'000;
  EXPECT_NEAR(spare(0.99), 0.1, 0.035);
}

TEST(RecallChoice, IsNarrowerWhereChecksLeaveNoDoubt) {
  RecallCalibration calibration = Calibration();
  const size_t ef = ChooseEf(calibration, 10, 0.99).ef;
  LiveRecall& live = calibration.Nearest(10).live;
  size_t before = ef;
  // Queries that miss a third of what the points do: the more of them were checked, the narrower.
  for (const int checks : {700, 1'000, 1'000}) {
    for (int i = 0; i < checks; ++i) live.Add(0.03, 0.09, 0.009);
    const RecallChoice choice = ChooseEf(calibration, 10, 0.99);
    EXPECT_LT(choice.ef, before);
    before = choice.ef;
    // And never so narrow that they would miss more than was asked for.
    const double wide = static_cast<double>(choice.ef);
    EXPECT_LE(calibration.ForetoldMisses(10, wide) / 3, 0.1 * 0.9 + 1e-9);
  }
  EXPECT_LT(static_cast<double>(before), 0.8 * static_cast<double>(ef));
}

// A curve may be too hopeful for narrow beams and too anxious for wide ones.
TEST(RecallChoice, TellsNarrowBeamsFromWideOnes) {
  RecallCalibration calibration = Calibration();
  const auto ef = [&](double target) { return ChooseEf(calibration, 10, target).ef; };
  const size_t wide = ef(0.99), narrow = ef(0.9);
  LiveRecall& live = calibration.Nearest(10).live;
  for (int i = 0; i < 400; ++i) live.Add(2, 1, 0.1);
  const size_t wider = ef(0.99);
  EXPECT_GT(ef(0.9), narrow);
  EXPECT_GT(wider, wide);  // as the others, until it is known better
  for (int i = 0; i < 400; ++i) live.Add(0.1, 0.1, 0.01);
  EXPECT_NEAR(static_cast<double>(ef(0.99)), static_cast<double>(wide), 3);
  EXPECT_GT(ef(0.9), narrow);
  size_t before = 0;
  for (const double target : {0.9, 0.95, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995, 0.999}) {
    EXPECT_GE(ef(target), before) << target;
    before = ef(target);
  }
}

}  // namespace
}  // namespace recall_curve_test
}  // namespace vitrine
