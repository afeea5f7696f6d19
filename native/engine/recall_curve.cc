#include "engine/recall_curve.h"

#include <algorithm>
#include <cmath>

namespace vitrine {
namespace {

constexpr size_t kWidestBeam = 16'384;
// Checked searches say something once they, or the curve, count some more missed neighbours than
// this.
constexpr double kPriorMisses = 6;
// Misses come in bunches of about so many: a hard query misses several neighbours at once.
constexpr double kBunch = 3;
// From so many expected misses on older checks fade.
constexpr double kMostMisses = 200;
// Narrower beams than this ratio gives would leave what the curve was measured for.
constexpr double kLeastRatio = 0.25;
constexpr double kLargestRatio = 20;
// Of a recall that a sample cannot tell from 1.
constexpr double kLeastMiss = 2e-5;
// Misses fall with about this power of the beam width (measured: 1.5 to 2).
constexpr double kFall = 1.5;
// Fewer misses than allowed are aimed at, for below the target is worse than above it: fewer by a
// tenth, and by half a standard error where few misses have been counted.
constexpr double kAim = 0.9;
constexpr double kAimDeviations = 0.5;
constexpr double kLeastAim = 0.6;
// Beams beyond the last rung by more than this are a guess no longer worth making.
constexpr double kWidestGuess = 4;

double MissOf(const RecallRung& rung) { return std::max(1 - rung.Estimate(), kLeastMiss); }

double Lerp(double a, double b, double t) { return a + (b - a) * t; }

// Wide enough nearly everywhere.
size_t SafeEf(size_t k, double target) {
  const double miss = 1 - target;
  const size_t least = miss >= 0.05 ? 64 : miss >= 0.01 ? 160 : miss >= 0.001 ? 400 : 1000;
  return std::min(kWidestBeam, std::max(least, k + k * least / 100));
}

}  // namespace

namespace {

// What a band says where `before` is what is believed without it. Wider by the likely ratio,
// narrower by the largest that is credible: below the target is worse than above it, and few checks
// may have met easy queries.
double Ratio(const LiveRecall::Band& band, double before) {
  const double likely = (kPriorMisses * before + band.missed) / (kPriorMisses + band.foretold);
  if (likely >= 1 || band.foretold == 0) return std::clamp(likely, 1.0, kLargestRatio);
  // The upper end of the 95 % interval of a count of bunches, about.
  const double most = band.missed + 2 * std::sqrt(kBunch * (band.missed + kBunch)) + 2 * kBunch;
  return std::clamp(most / band.foretold, kLeastRatio, 1.0);
}

}  // namespace

size_t LiveRecall::BandOf(double share) {
  size_t band = 0;
  while (band + 1 < kBands && share <= kBandEnds[band]) ++band;
  return band;
}

double LiveRecall::RatioOf(size_t band) const {
  Band others;
  for (size_t i = 0; i < kBands; ++i) {
    if (i == band) continue;
    others.missed += bands[i].missed;
    others.foretold += bands[i].foretold;
  }
  return Ratio(bands[band], Ratio(others, 1));
}

double LiveRecall::ShareFor(double miss) const {
  double begin = 1;
  for (size_t band = 0;; ++band) {
    const double share = miss / RatioOf(band);
    // What the band before would not have is enough from here on.
    if (share >= begin) return begin;
    if (share > kBandEnds[band]) return share;
    begin = kBandEnds[band];
  }
}

void LiveRecall::Add(double missed, double foretold, double share) {
  Band& band = bands[BandOf(share)];
  if (band.foretold + band.missed > kMostMisses) {
    band.missed /= 2;
    band.foretold /= 2;
  }
  band.missed += missed;
  band.foretold += foretold;
  ++checks;
}

double RecallCurve::MissAt(double ef) const {
  double miss = 1;
  for (size_t i = 0; i < rungs.size(); ++i) {
    // A wider beam finds as much; where it found less, that was chance.
    const double here = std::min(miss, MissOf(rungs[i]));
    if (ef <= rungs[i].ef) {
      if (i == 0) return here;
      const double place = std::log(ef / rungs[i - 1].ef) /
                           std::log(static_cast<double>(rungs[i].ef) / rungs[i - 1].ef);
      return std::exp(Lerp(std::log(miss), std::log(here), place));
    }
    miss = here;
  }
  return std::max(kLeastMiss, miss * std::pow(rungs.back().ef / ef, kFall));
}

double RecallCurve::EfFor(double miss) const {
  double before = 1;
  for (size_t i = 0; i < rungs.size(); ++i) {
    const double here = std::min(before, MissOf(rungs[i]));
    if (here <= miss) {
      if (i == 0 || before <= here) return rungs[i].ef;
      const double place = std::log(miss / before) / std::log(here / before);
      return std::exp(Lerp(std::log(static_cast<double>(rungs[i - 1].ef)),
                           std::log(static_cast<double>(rungs[i].ef)), place));
    }
    before = here;
  }
  // Beyond what was measured: as far as misses still fell there.
  const double wider = std::pow(before / miss, 1 / kFall);
  const bool falls = rungs.size() > 1 && before < 0.8 * MissAt(rungs.back().ef / 2.0);
  return falls && wider <= kWidestGuess ? rungs.back().ef * wider : 0;
}

double RecallCurve::DeviationAt(double ef) const {
  for (const RecallRung& rung : rungs) {
    if (ef <= rung.ef) return rung.deviation;
  }
  return rungs.back().deviation;
}

size_t RecallCalibration::NearestIndex(size_t k) const {
  size_t nearest = 0;
  const auto apart = [&](size_t i) {
    return std::abs(std::log(static_cast<double>(k) / curves[i].k));
  };
  for (size_t i = 1; i < curves.size(); ++i) {
    if (apart(i) < apart(nearest)) nearest = i;
  }
  return nearest;
}

namespace {

// The beam for one curve, as for its own k; 0 where none reaches the target.
double EfOn(const RecallCurve& curve, size_t sample, double target) {
  const double miss = 1 - target;
  const double counted = static_cast<double>(sample * curve.k) * miss + curve.live.At(miss).missed;
  const double aim = std::clamp(1 - kAimDeviations * std::sqrt(kBunch / counted), kLeastAim, kAim);
  return curve.EfFor(curve.live.ShareFor(aim * miss));
}

// The curves on either side of `k`, and where between them it is, 0 to 1, by its logarithm.
struct Between {
  const RecallCurve* low;
  const RecallCurve* high;
  double place;
};
Between Around(const RecallCalibration& calibration, size_t k) {
  const RecallCurve* low = &calibration.curves.front();
  for (const RecallCurve& curve : calibration.curves) {
    if (k <= curve.k) {
      if (curve.k <= low->k) return {&curve, &curve, 0};
      return {low, &curve,
              std::log(static_cast<double>(k) / low->k) /
                  std::log(static_cast<double>(curve.k) / low->k)};
    }
    low = &curve;
  }
  return {low, low, 0};
}

}  // namespace

double RecallCalibration::ForetoldMisses(size_t k, double ef) const {
  // As wide for this k as for the curve's own.
  const auto [low, high, place] = Around(*this, k);
  const double stretch = low == high ? std::max(1.0, static_cast<double>(k) / low->k) : 1;
  const double miss =
      low == high ? low->MissAt(ef / stretch)
                  : std::exp(Lerp(std::log(low->MissAt(ef)), std::log(high->MissAt(ef)), place));
  return miss * static_cast<double>(k);
}

RecallChoice ChooseEf(const RecallCalibration& calibration, size_t k, double target) {
  RecallChoice choice{.target = target};
  if (calibration.empty()) {
    choice.ef = SafeEf(k, target);
    return choice;
  }
  const auto [low, high, place] = Around(calibration, k);
  const double stretch = low == high ? std::max(1.0, static_cast<double>(k) / low->k) : 1;
  const double first = EfOn(*low, calibration.sample, target),
               second = EfOn(*high, calibration.sample, target);
  choice.sample = calibration.sample;
  const RecallCurve& nearest = calibration.Nearest(k);
  choice.checks = nearest.live.checks;
  choice.source =
      choice.checks == 0 ? RecallChoice::Source::kCalibrated : RecallChoice::Source::kCorrected;
  const double ef = first == 0 || second == 0
                        ? 0
                        : stretch * std::exp(Lerp(std::log(first), std::log(second), place));
  if (ef == 0 || ef > kWidestBeam) {
    choice.expected = choice.low = choice.high = 1;
    return choice;
  }
  choice.ef = static_cast<size_t>(std::ceil(ef - 1e-6));
  const double wide = static_cast<double>(choice.ef) / stretch;
  const double share =
      std::exp(Lerp(std::log(low->MissAt(wide)), std::log(high->MissAt(wide)), place));
  const double ratio = nearest.live.RatioAt(share);
  const double miss = std::min(1.0, ratio * share);
  // What the sample leaves open, and that of the ratio.
  const double of_sample = ratio * nearest.DeviationAt(wide);
  const double of_ratio =
      choice.checks == 0
          ? 0
          : miss * std::sqrt(kBunch / (kPriorMisses + nearest.live.At(share).missed));
  const double deviation = std::sqrt(of_sample * of_sample + of_ratio * of_ratio);
  choice.expected = 1 - miss;
  choice.low = std::clamp(choice.expected - 1.96 * deviation, 0.0, 1.0);
  choice.high = std::clamp(choice.expected + 1.96 * deviation, 0.0, 1.0);
  return choice;
}

}  // namespace vitrine
