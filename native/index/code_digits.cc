#include "index/code_digits.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace vitrine {
namespace {

// The largest integer, to either side of 128, of an 8-bit code.
constexpr double kLargestScaled = 127;
constexpr double kTopDigit = 15;

constexpr size_t kDigitLanes = 8;

// What an inner product lacks, in squares of steps, against squares of errors of digits: it
// falsifies the estimate of a query in the direction of the vector as much as errors all others.
// While digits are still to be moved that can make up for it, it weighs less.
constexpr double kMissingWeight = 10;
constexpr double kMissingWeightBefore = 0.1;
// Digits without a bit that are moved at most: the first two leave a tenth of a step.
constexpr int kFreeMoves = 3;

// What a code has in common with its vector, in several lanes.
class MatchSums {
 public:
  explicit MatchSums(double offset) : offset_(offset) {}

  //   vector, digits  [kDigitLanes]
  void Add(const float* vector, const int32_t* digits) {
    for (size_t lane = 0; lane < kDigitLanes; ++lane) {
      const double value = digits[lane] - offset_;
      dots_[lane] += value * vector[lane];
      squares_[lane] += value * value;
    }
  }
  CodeMatch Total() const {
    CodeMatch match{0, 0};
    for (size_t lane = 0; lane < kDigitLanes; ++lane) {
      match.dot += dots_[lane];
      match.squared_length += squares_[lane];
    }
    return match;
  }

 private:
  const double offset_;
  double dots_[kDigitLanes] = {};
  double squares_[kDigitLanes] = {};
};

// Digits in the order of the vector -> the layout of code_kernels.h.
//   bytes  of the block, 32 or 64: digits[2 * bytes]
void Pack(const int32_t* digits, size_t bytes, uint8_t* row) {
  for (size_t i = 0; i < bytes; ++i) {
    row[i] = static_cast<uint8_t>(digits[i] | digits[bytes + i] << 4);
  }
}

double InverseStep(const float* vector, size_t count, const CodeKernels& kernels) {
  const double deviation =
      std::sqrt(kernels.squared_norm(vector, count) / static_cast<double>(count));
  return deviation == 0 ? 0 : 1 / (kGaussianStep * deviation);
}

// Digits whose sums have the parities of a number's bits, and whose inner product with the vector
// is what is asked for, as nearly as it can be had.
class CarryingDigits {
 public:
  CarryingDigits(const float* vector, size_t count) : vector_(vector), count_(count) {}

  const int32_t* digits() const { return digits_; }

  // Those nearest to the vector, with steps of 1 / `inverse_step`. Returns their inner product.
  double Round(double inverse_step) {
    double sums[kDigitLanes] = {};
    for (size_t from = 0; from < count_; from += kDigitLanes) {
      for (size_t lane = 0; lane < kDigitLanes; ++lane) {
        const size_t i = from + lane;
        components_[i] = vector_[i] * inverse_step;
        // The offset and a half: cut, not rounded.
        const double steps = std::min(std::max(components_[i] + 8, 0.0), kTopDigit);
        digits_[i] = static_cast<int32_t>(steps);
        sums[lane] += (digits_[i] - double{kRotatedOffset}) * vector_[i];
      }
    }
    double sum = 0;
    for (const double part : sums) sum += part;
    return sum;
  }

  // Moves a digit of every group whose parity is wrong, and some that carry nothing: those by which
  // the inner product, which lacks `missing` steps, comes nearest to what it should be for the
  // least error more.
  void Carry(uint32_t number, double missing) {
    uint32_t sums[kCarryingGroups] = {};
    for (size_t i = 0; i < count_; ++i) {
      sums[i % kCarryingGroups] += static_cast<uint32_t>(digits_[i]);
    }
    size_t wrong[kCarriedBits];
    size_t wrong_count = 0;
    for (size_t group = 0; group < kCarriedBits; ++group) {
      if (((sums[group] ^ number >> group) & 1) != 0) wrong[wrong_count++] = group;
    }
    for (size_t left = wrong_count; left > 0; --left) {
      // Those that are still to come can make up for more.
      Move best{0, 0, HUGE_VAL};
      const double weight = kMissingWeightBefore / static_cast<double>(left * left);
      for (size_t i = wrong[left - 1]; i < count_; i += kCarryingGroups) {
        Consider(i, 1, missing, weight, best);
        Consider(i, -1, missing, weight, best);
      }
      missing = Take(best, missing);
    }
    for (int i = 0; i < kFreeMoves; ++i) {
      Move best{0, 0, kMissingWeight * missing * missing};
      for (size_t from = kCarriedBits; from < count_; from += kCarryingGroups) {
        for (size_t j = from; j < from + kCarryingGroups - kCarriedBits; ++j) {
          Consider(j, (missing < 0) == (components_[j] < 0) ? 1 : -1, missing, kMissingWeight,
                   best);
        }
      }
      if (best.by == 0) break;
      missing = Take(best, missing);
    }
  }

 private:
  struct Move {
    size_t digit;
    int32_t by;
    double cost;  // in squares of steps
  };

  void Consider(size_t digit, int32_t by, double missing, double weight, Move& best) const {
    const int32_t moved = digits_[digit] + by;
    const double error = digits_[digit] - double{kRotatedOffset} - components_[digit];
    const double left = missing - by * components_[digit];
    const double cost = by * (by + 2 * error) + weight * left * left;
    const bool fits = moved >= 0 && moved <= static_cast<int32_t>(kTopDigit);
    if (fits && cost < best.cost) best = {digit, by, cost};
  }

  double Take(const Move& move, double missing) {
    digits_[move.digit] += move.by;
    return missing - move.by * components_[move.digit];
  }

  const float* const vector_;
  const size_t count_;
  double components_[kMostCarrying];  // in steps
  int32_t digits_[kMostCarrying];
};

}  // namespace

CodeMatch EncodeScaled(const float* vector, size_t count, const CodeKernels& kernels,
                       uint8_t* row) {
  const double largest = kernels.largest(vector, count);
  const double inverse_step = largest == 0 ? 0 : kLargestScaled / largest;
  MatchSums sums(kScaledOffset);
  for (size_t from = 0; from < count; from += kDigitLanes) {
    int32_t digits[kDigitLanes];
    for (size_t i = 0; i < kDigitLanes; ++i) {
      digits[i] = static_cast<int32_t>(vector[from + i] * inverse_step + 128.5);
    }
    for (size_t i = 0; i < kDigitLanes; ++i) row[from + i] = static_cast<uint8_t>(digits[i]);
    sums.Add(vector + from, digits);
  }
  return sums.Total();
}

// Digits first and sums after them: each loop does one thing to several components at a time.
CodeMatch EncodeRotated(const float* vector, size_t count, const CodeKernels& kernels,
                        uint8_t* row) {
  const double inverse_step = InverseStep(vector, count, kernels);
  MatchSums sums(kRotatedOffset);
  for (size_t block = 0; block < count; block += 128) {
    const size_t bytes = count - block < 128 ? 32 : 64;
    int32_t digits[128];
    for (size_t i = 0; i < 2 * bytes; ++i) {
      // The offset and a half: cut, not rounded.
      const double steps = vector[block + i] * inverse_step + 8;
      digits[i] = static_cast<int32_t>(std::min(std::max(steps, 0.0), kTopDigit));
    }
    Pack(digits, bytes, row + block / 2);
    for (size_t i = 0; i < bytes; i += kDigitLanes) {
      sums.Add(vector + block + i, digits + i);
      sums.Add(vector + block + bytes + i, digits + bytes + i);
    }
  }
  return sums.Total();
}

CodeMatch EncodeCarrying(const float* vector, size_t count, const CodeKernels& kernels,
                         uint32_t number, double dot, uint8_t* row) {
  assert(count % 128 == 0 && count > 0 && count <= kMostCarrying);
  CarryingDigits digits(vector, count);
  double inverse_step = InverseStep(vector, count, kernels);
  double reached = digits.Round(inverse_step);
  // Inner products grow as steps get smaller; moved digits do the rest.
  if (reached > 0) {
    inverse_step *= std::min(dot / reached, 2.0);
    reached = digits.Round(inverse_step);
  }
  digits.Carry(number, (dot - reached) * inverse_step);
  MatchSums sums(kRotatedOffset);
  for (size_t i = 0; i < count; i += kDigitLanes) sums.Add(vector + i, digits.digits() + i);
  for (size_t block = 0; block < count; block += 128) {
    Pack(digits.digits() + block, 64, row + block / 2);
  }
  return sums.Total();
}

}  // namespace vitrine
