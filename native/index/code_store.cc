#include "index/code_store.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/cpu_features.h"
#include "kernels/kernels.h"

namespace vitrine {
namespace {

// The largest integer of a query's components.
constexpr float kLargestComponent = 127;
// Lengths beyond which squares and sums leave f32.
constexpr double kLargestSquaredLength = 1e74;

constexpr size_t kLanes = 8;

// Sums in f64 in several lanes, because compilers keep to the order that is written down.
double Dot(const float* a, const float* b, size_t count) {
  double sums[kLanes] = {};
  size_t i = 0;
  for (; count - i >= kLanes; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += double{a[i + lane]} * b[i + lane];
  }
  for (size_t lane = 0; lane < count - i; ++lane) {
    sums[lane] += double{a[i + lane]} * b[i + lane];
  }
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

float ToFloat(double value) {
  return static_cast<float>(std::clamp(value, double{-FLT_MAX}, double{FLT_MAX}));
}

// Rows never straddle a line of memory that they could stay inside of.
size_t RowBytes(CodeKind kind, size_t dimension, size_t padded) {
  if (kind == CodeKind::kRq4) return padded / 2;
  return dimension <= 16 ? 16 : dimension <= 32 ? 32 : padded;
}

// A long code that leaves room in its last line of memory has its factors there, and no line of
// theirs comes with it. Short ones would grow too much.
size_t StrideOf(size_t code_bytes) {
  const size_t room = (0 - code_bytes) % kCacheLineBytes;
  return room >= sizeof(CodeFactors) && room <= code_bytes / 8 ? code_bytes + room : code_bytes;
}

// A length is carried as the first bits of an f32 that is not negative.
uint32_t CarriedBitsOf(float length) {
  return (std::bit_cast<uint32_t>(length) + 64) >> (31 - kCarriedBits);
}
float CarriedLength(uint32_t bits) { return std::bit_cast<float>(bits << (31 - kCarriedBits)); }

float CarriedSlopeOf(Metric metric, size_t padded) {
  // `multiply` of |x - c|, or under cosine of that over sqrt(2), so that its square is `add`.
  const double sense = metric == Metric::kL2 ? 2 : std::sqrt(2.0);
  return static_cast<float>(sense * kCarryingStretch / std::sqrt(static_cast<double>(padded)));
}

}  // namespace

std::vector<float> CodeCentreOf(std::span<const float> rows, size_t dimension, Metric metric) {
  std::vector<float> centre(dimension);
  std::vector<double> lengths;
  for (size_t from = 0; from + dimension <= rows.size(); from += dimension) {
    lengths.push_back(std::sqrt(SquaredNorm(rows.data() + from, dimension)));
  }
  if (lengths.empty()) return centre;
  std::vector<double> ordered = lengths;
  const auto middle = ordered.begin() + static_cast<std::ptrdiff_t>(ordered.size() / 2);
  std::nth_element(ordered.begin(), middle, ordered.end());
  const double longest = 4 * *middle;

  std::vector<double> sums(dimension);
  size_t count = 0;
  for (size_t row = 0; row < lengths.size(); ++row) {
    const double length = lengths[row];
    if (metric == Metric::kCosine && length == 0) continue;
    const double scale = metric == Metric::kCosine ? 1 / length
                         : length > longest        ? longest / length
                                                   : 1;
    for (size_t i = 0; i < dimension; ++i) sums[i] += scale * rows[row * dimension + i];
    ++count;
  }
  for (size_t i = 0; i < dimension && count > 0; ++i) {
    centre[i] = ToFloat(sums[i] / static_cast<double>(count));
  }
  return centre;
}

// Codes that fill one or two lines of memory carry what their factors follow from, so that no line
// of factors comes with theirs; of longer ones a line less is not worth digits that are less exact.
// Under inner product `add` follows from nothing.
bool CodeStore::CarriesLengths(CodeKind kind, Metric metric, size_t dimension) {
  const bool is_distance = metric == Metric::kL2 || metric == Metric::kCosine;
  const size_t bytes = (dimension + 63) / 64 * 64 / 2;
  return kind == CodeKind::kRq4 && is_distance && bytes > 0 && bytes % kCacheLineBytes == 0 &&
         2 * bytes <= kMostCarrying;
}

CodeStore::CodeStore(const Options& options, const CodeKernels& kernels)
    : dimension_(options.dimension),
      metric_(options.metric),
      kind_(options.kind),
      centre_(options.centre.begin(), options.centre.end()),
      squared_centre_(SquaredNorm(centre_.data(), dimension_)),
      kernels_(kernels),
      rotation_(dimension_, options.seed, kernels),
      code_bytes_(RowBytes(kind_, dimension_, rotation_.padded())),
      carried_slope_(CarriesLengths(kind_, metric_, dimension_)
                         ? CarriedSlopeOf(metric_, rotation_.padded())
                         : 0),
      rows_(StrideOf(code_bytes_)),
      doubts_(metric_ == Metric::kIp || CarriesLengths() ? sizeof(Doubt) : sizeof(float)) {}

bool CodeStore::Grow(size_t count, PageRegion* region) {
  return rows_.Grow(count) && (!HasFactorArray() || factors_.Grow(count, region)) &&
         doubts_.Grow(count, region);
}

CodeStore::Centred CodeStore::Centre(const float* vector, float share,
                                     std::vector<float>& work) const {
  work.resize(rotation_.padded());
  Centred centred{};
  double scale = 1;
  if (metric_ == Metric::kCosine) {
    const double squared = kernels_.squared_norm(vector, dimension_);
    centred.is_zero = squared == 0;
    scale = centred.is_zero ? 0 : 1 / std::sqrt(squared);
  }
  centred.squared_length =
      kernels_.centre(vector, scale, centre_.data(), share, dimension_, work.data());
  std::fill(work.begin() + static_cast<std::ptrdiff_t>(dimension_), work.end(), 0.f);
  if (!(centred.squared_length < kLargestSquaredLength)) {
    std::fill(work.begin(), work.end(), 0.f);
    return centred;
  }
  if (is_rotated()) rotation_.Apply(work.data());
  return centred;
}

// The error of a code is orthogonal to the vector once the code has been stretched to have the
// right inner product with it, and of length tan(angle between them) |x - c|. As its direction is
// random among count - 1, so is the share of the query's orthogonal part that it meets.
double CodeStore::DoubtOf(const CodeMatch& match, double squared_length) const {
  const double cosine_squared = match.dot * match.dot / (match.squared_length * squared_length);
  const size_t count = is_rotated() ? rotation_.padded() : dimension_;
  const double others = static_cast<double>(std::max<size_t>(count, 2) - 1);
  return std::max(0.0, 1 / cosine_squared - 1) / others;
}

CodeMatch CodeStore::EncodeWithLength(const float* work, double squared_length, float length,
                                      Slot slot) const {
  const uint32_t bits = CarriedBitsOf(length);
  const double stretch = double{carried_slope_} * CarriedLength(bits) / sense();
  const double dot = stretch > 0 && std::isfinite(stretch) ? squared_length / stretch : 0;
  const CodeMatch match = EncodeCarrying(work, rotation_.padded(), kernels_, bits, dot,
                                         reinterpret_cast<uint8_t*>(rows_.Row(slot)));  // NOLINT
  DoubtAt(slot).stretch_error = dot > 0 ? ToFloat(std::abs(match.dot / dot - 1)) : 0;
  return match;
}

void CodeStore::Put(Slot slot, const float* vector, std::vector<float>& work) const {
  const Centred centred = Centre(vector, 1, work);
  const double squared_length = centred.squared_length;
  CodeFactors factors{0, 0};
  switch (metric_) {
    case Metric::kL2:
      factors.add = ToFloat(squared_length);
      break;
    case Metric::kCosine:
      factors.add =
          centred.is_zero ? std::numeric_limits<float>::infinity() : ToFloat(squared_length / 2);
      break;
    case Metric::kIp:
      factors.add = ToFloat(squared_centre_ - Dot(vector, centre_.data(), dimension_));
      DoubtAt(slot).squared_length = ToFloat(squared_length);
      break;
    case Metric::kHamming:
    case Metric::kJaccard:
      break;  // bits have no codes
  }
  uint8_t* const row = reinterpret_cast<uint8_t*>(rows_.Row(slot));  // NOLINT
  const CodeMatch match =
      CarriesLengths() ? EncodeWithLength(work.data(), squared_length, std::sqrt(factors.add), slot)
      : is_rotated()   ? EncodeRotated(work.data(), kernel_dimension(), kernels_, row)
                       : EncodeScaled(work.data(), kernel_dimension(), kernels_, row);
  double doubt = 0;
  // 0 where the vector is the centre, or too far off for a code.
  if (match.dot > 0 && !centred.is_zero) {
    factors.multiply = ToFloat(-sense() * squared_length / match.dot);
    doubt = DoubtOf(match, squared_length);
  }
  if (!CarriesLengths()) StoredFactors(slot) = factors;
  DoubtAt(slot).square = ToFloat(doubt);
}

void CodeStore::RestoreRow(Slot slot, const std::byte* code) {
  std::memcpy(rows_.Row(slot), code, row_bytes());
}

void CodeStore::CopySide(Slot slot, std::byte* out) const {
  if (!CarriesLengths()) std::memcpy(out, &StoredFactors(slot), sizeof(CodeFactors));
  std::memcpy(out + FactorBytes(), doubts_.Row(slot), doubts_.row_bytes());
}

bool CodeStore::RestoreSide(Slot slot, const std::byte* side) {
  float values[4];
  const size_t count = side_bytes() / sizeof(float), factors = FactorBytes() / sizeof(float);
  std::memcpy(values, side, side_bytes());
  // Infinite is only the `add` of a vector without a direction.
  const size_t first = metric_ == Metric::kCosine && factors > 0 && values[0] > FLT_MAX ? 1 : 0;
  if (!std::all_of(values + first, values + count, [](float v) { return std::isfinite(v); }) ||
      std::any_of(values + factors, values + count, [](float doubt) { return doubt < 0; })) {
    return false;
  }
  if (!CarriesLengths()) std::memcpy(&StoredFactors(slot), side, sizeof(CodeFactors));
  std::memcpy(doubts_.Row(slot), side + FactorBytes(), doubts_.row_bytes());
  return true;
}

void CodeStore::MakeRoom(CodeQuery& prepared) const {
  prepared.work_.resize(rotation_.padded());
  prepared.lines_.resize((kernel_dimension() + 63) / 64);
}

void CodeStore::Prepare(const float* query, CodeQuery& prepared) const {
  // <x, q> = <c, q> + share <x - c, c> + <x - c, q - share c> for any share, and only the last is
  // estimated: shortest is best. Distances leave no choice.
  const double dot_centre =
      metric_ == Metric::kIp ? Dot(query, centre_.data(), dimension_) : squared_centre_;
  prepared.formula_.share = squared_centre_ > 0 ? ToFloat(dot_centre / squared_centre_) : 1;
  const Centred centred = Centre(query, prepared.formula_.share, prepared.work_);
  const size_t count = kernel_dimension();
  prepared.lines_.resize((count + 63) / 64);
  const float* const work = prepared.work_.data();
  const float largest = kernels_.largest(work, count);
  // Queries within 1e-35 of the centre count as the centre, or the inverse would overflow.
  const float inverse = largest < 1e-35f ? 0 : kLargestComponent / largest;
  const int32_t sum = kernels_.quantize(work, inverse, count, prepared.components());
  prepared.formula_.scale = inverse == 0 ? 0 : largest / kLargestComponent;
  prepared.formula_.shift = offset() * static_cast<float>(sum);
  prepared.squared_length_ = centred.squared_length;
  prepared.code_doubt_ = 0;
  prepared.step_doubt_ = double{prepared.formula_.scale} * prepared.formula_.scale / 12;
  prepared.formula_.largest = LargestEstimate();
  prepared.is_zero_ = centred.is_zero;
  switch (metric_) {
    case Metric::kL2:
      prepared.formula_.base = ToFloat(centred.squared_length);
      break;
    case Metric::kCosine:
      prepared.formula_.base = ToFloat(centred.squared_length / 2);
      break;
    case Metric::kIp:
      prepared.formula_.base = ToFloat(-dot_centre);
      break;
    case Metric::kHamming:
    case Metric::kJaccard:
      break;  // bits have no codes
  }
}

void CodeStore::Prepare(Slot slot, CodeQuery& prepared) const {
  const size_t count = kernel_dimension();
  prepared.lines_.resize((count + 63) / 64);
  const uint8_t* const row = Row(slot);
  int8_t* const components = prepared.components();
  const CodeFactors factors = FactorsOf(slot);
  const float stretch = -factors.multiply / sense();
  int32_t sum = 0;
  if (is_rotated()) {
    for (size_t block = 0; block < count; block += 128) {
      const size_t bytes = count - block < 128 ? 32 : 64;
      const uint8_t* const digits = row + block / 2;
      for (size_t i = 0; i < bytes; ++i) {
        const int low = 2 * (digits[i] & 15) - 15, high = 2 * (digits[i] >> 4) - 15;
        components[block + i] = static_cast<int8_t>(low);
        components[block + bytes + i] = static_cast<int8_t>(high);
        sum += low + high;
      }
    }
    prepared.formula_.scale = stretch / 2;
  } else {
    for (size_t i = 0; i < count; ++i) {
      const int component = row[i] - 128;
      components[i] = static_cast<int8_t>(component);
      sum += component;
    }
    prepared.formula_.scale = stretch;
  }
  prepared.formula_.shift = offset() * static_cast<float>(sum);
  prepared.formula_.share = 1;
  prepared.squared_length_ = SquaredLength(slot);
  prepared.code_doubt_ = DoubtAt(slot).square;
  prepared.step_doubt_ = 0;
  prepared.formula_.largest = LargestEstimate();
  prepared.is_zero_ = std::isinf(factors.add);
  prepared.formula_.base =
      metric_ == Metric::kIp ? ToFloat(factors.add - squared_centre_) : factors.add;
}

void CodeStore::RestoreLazily(std::unique_ptr<const LazyRows> rows) { lazy_ = std::move(rows); }

CodeScorer CodeStore::ScorerFor(const CodeQuery& prepared, Status* failure) const {
  const LazyRows* const lazy = lazy_ == nullptr || lazy_->AllHere() ? nullptr : lazy_.get();
  assert(lazy == nullptr || failure != nullptr);
  return {this, &prepared, lazy, failure};
}

void CodeScorer::Fetch(Slot slot) const { (void)lazy_->Ensure(slot, *failure_); }

size_t CodeStore::LinesAhead() const {
  // Codes that caches hold come as fast without.
  constexpr size_t kCached = size_t{16} << 20;
  static const bool many = ManyPrefetchesAtOnce();
  return many && rows_.reserved_bytes() > kCached ? rows_.row_bytes() / kCacheLineBytes : 1;
}

double CodeStore::SquaredLength(Slot slot) const {
  switch (metric_) {
    case Metric::kL2:
      return FactorsOf(slot).add;
    case Metric::kCosine:
      return 2 * double{FactorsOf(slot).add};
    case Metric::kIp:
      return DoubtAt(slot).squared_length;
    case Metric::kHamming:
    case Metric::kJaccard:
      break;  // bits have no codes
  }
  return 0;
}

CodeFactors CodeStore::FactorsOf(Slot slot) const {
  if (!CarriesLengths()) return StoredFactors(slot);
  const uint8_t* const row = Row(slot);
  uint32_t bits;
  kernels_.carried(&row, 1, code_bytes_, &bits);
  const float length = CarriedLength(bits);
  return {length * length, -carried_slope_ * length};
}

float CodeScorer::ScoreOne(Slot slot) const {
  if (query_->is_zero()) return 1;
  const uint8_t* const row = Ref(slot);
  if (Failed()) return FLT_MAX;
  const CodeKernels& kernels = store_->kernels_;
  const size_t dimension = store_->kernel_dimension();
  const int32_t dot = store_->is_rotated()
                          ? kernels.dot_i8_u4(query_->components(), row, dimension)
                          : kernels.dot_i8_u8(query_->components(), row, dimension);
  const CodeFactors factors = store_->FactorsOf(slot);
  float distance;
  kernels.estimate(&dot, &factors, 1, query_->formula_, &distance);
  return distance;
}

void CodeScorer::Score(RowRef* refs, const Slot* slots, size_t count, float* distances) const {
  if (query_->is_zero()) {
    std::fill(distances, distances + count, 1.f);
    return;
  }
  if (Failed()) {
    std::fill(distances, distances + count, FLT_MAX);
    return;
  }
  const CodeKernels& kernels = store_->kernels_;
  const auto dot_rows = store_->is_rotated() ? kernels.dot_i8_u4_rows : kernels.dot_i8_u8_rows;
  const size_t dimension = store_->kernel_dimension();
  const int8_t* const components = query_->components();
  // Rows beyond the last are the last once more: cheaper than a kernel call a row.
  for (size_t i = count; i % 4 != 0; ++i) refs[i] = refs[count - 1];
  constexpr size_t kBlock = 64;
  for (size_t from = 0; from < count; from += kBlock) {
    const size_t end = std::min(count, from + kBlock);
    int32_t dots[kBlock];
    dot_rows(components, refs + from, (end - from + 3) & ~size_t{3}, dimension, dots);
    if (store_->CarriesLengths()) {
      uint32_t lengths[kBlock];
      kernels.carried(refs + from, end - from, store_->code_bytes_, lengths);
      kernels.estimate_carried(dots, lengths, end - from, store_->carried_slope_, query_->formula_,
                               distances + from);
    } else {
      CodeFactors factors[kBlock];
      for (size_t i = from; i < end; ++i) factors[i - from] = store_->StoredFactors(slots[i]);
      kernels.estimate(dots, factors, end - from, query_->formula_, distances + from);
    }
  }
}

float CodeScorer::Deviation(Slot slot, float estimate) const {
  if (Failed()) return 0;
  const CodeFactors factors = store_->FactorsOf(slot);
  if (factors.add > FLT_MAX || query_->is_zero()) return 0;
  const double doubt = store_->DoubtAt(slot).square;
  const double row = store_->SquaredLength(slot), query = query_->squared_length_;
  const double sense = store_->sense();
  const double add = double{factors.add} * query_->formula_.share;
  const double product = (add + query_->formula_.base - estimate) / sense;
  // Near neighbours are exact where the angle between them is small: without the square of the
  // product their deviation would be twice as large as it is.
  const double apart = std::max(0.0, row * query - product * product);
  const size_t count = store_->is_rotated() ? store_->rotation_.padded() : store_->dimension();
  const double stretched = 1 + doubt * static_cast<double>(std::max<size_t>(count, 2) - 1);
  const double variance =
      (doubt + query_->code_doubt_) * apart + row * stretched * query_->step_doubt_;
  // The estimate itself is a sum of four f32, and a length that is carried has fewer bits.
  double rounding =
      0x1p-22 * (std::abs(add) + std::abs(query_->formula_.base) + sense * std::abs(product));
  if (store_->CarriesLengths()) {
    rounding += 0x1p-16 * add + store_->DoubtAt(slot).stretch_error * sense * std::abs(product);
  }
  return ToFloat(sense * std::sqrt(variance) + rounding);
}

}  // namespace vitrine
