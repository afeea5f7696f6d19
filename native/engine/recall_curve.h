#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitrine {

// What sampled points of a table say about one beam width: the mean recall when each is searched
// for as it is (`self`, too easy: the walk lands on the point's own links), and as if it were not
// there (`left_out`, too hard).
struct RecallRung {
  uint32_t ef = 0;
  double self = 0;       // 0 ... 1
  double left_out = 0;   // 0 ... 1
  double deviation = 0;  // standard error of Estimate(), >= 0

  // What queries get that are no points: between the two, nearer to the second. Measured on four
  // sets of held-out queries (docs/decisions/0007-recall.md).
  double Estimate() const { return (self + 2 * left_out) / 3; }
};

// Checked searches against what the curve foretold for them, in neighbours. A curve that foretells
// too few misses for narrow beams may foretell too many for wide ones: there are bands of beams, by
// the share of neighbours that the curve expects to be missed.
struct LiveRecall {
  struct Band {
    double missed = 0;    // neighbours that were not found
    double foretold = 0;  // and how many the curve expected not to be
  };
  static constexpr size_t kBands = 4;
  static constexpr double kBandEnds[kBands] = {0.02, 0.004, 0.0008, 0};  // shares are above them

  std::array<Band, kBands> bands;
  uint64_t checks = 0;  // searches

  // How many times as many neighbours are missed as the curve says where it says `share`; 1 while
  // nothing is known. A band of which little is known misses as much more as the others.
  double RatioAt(double share) const { return RatioOf(BandOf(share)); }
  const Band& At(double share) const { return bands[BandOf(share)]; }
  // The largest share that the curve may say where `miss` of the neighbours may be missed.
  double ShareFor(double miss) const;
  // A search of which the curve says `share`. Older checks count less from then on when there are
  // very many.
  void Add(double missed, double foretold, double share);
  static size_t BandOf(double share);

 private:
  double RatioOf(size_t band) const;
};

// Recall of the `k` nearest by beam width. REQUIRES: rungs ascend by ef, one at least
struct RecallCurve {
  uint32_t k = 0;
  std::vector<RecallRung> rungs;
  LiveRecall live;

  // The share of neighbours missed at a beam width, > 0; live searches not taken into account.
  double MissAt(double ef) const;
  // The narrowest beam at which at most this share is missed, at least that of the first rung;
  // 0 where there is none.
  double EfFor(double miss) const;
  double DeviationAt(double ef) const;
};

// What is known of a table's recall, and of which state of it.
struct RecallCalibration {
  static constexpr uint32_t kNeighbours[] = {1, 10, 100};

  uint64_t rows = 0;                // when it was measured
  uint64_t ended = 0;               // points that had gone or been replaced until then
  uint32_t sample = 0;              // points that were searched for
  std::vector<RecallCurve> curves;  // ascending by k

  bool empty() const { return curves.empty(); }
  // The curve for a search of `k`. REQUIRES: !empty()
  const RecallCurve& Nearest(size_t k) const { return curves[NearestIndex(k)]; }
  RecallCurve& Nearest(size_t k) { return curves[NearestIndex(k)]; }
  // Neighbours that a search of `k` at `ef` is expected to miss of its `k`.
  double ForetoldMisses(size_t k, double ef) const;

 private:
  size_t NearestIndex(size_t k) const;
};

// How a search reaches a recall.
struct RecallChoice {
  enum class Source : uint8_t {
    kDefault,     // nothing measured yet: a beam that is wide enough nearly everywhere
    kCalibrated,  // by sampled points
    kCorrected,   // by sampled points and checked searches
  };
  double target = 0;
  size_t ef = 0;        // at least k; 0 where every distance must be computed
  double expected = 0;  // recall; with its 95 % interval. Of no meaning for kDefault
  double low = 0;
  double high = 1;
  size_t sample = 0;  // points
  uint64_t checks = 0;
  Source source = Source::kDefault;
};

// REQUIRES: 0 < target < 1; k >= 1. `calibration` may be empty
RecallChoice ChooseEf(const RecallCalibration& calibration, size_t k, double target);

}  // namespace vitrine
