#pragma once

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/prefetch.h"
#include "base/slot_array.h"
#include "base/status.h"
#include "index/code_digits.h"
#include "index/code_rotation.h"
#include "index/lazy_rows.h"
#include "index/metric.h"
#include "kernels/code_kernels.h"
#include "stats/distance_kernel.h"

namespace vitrine {

class CodeScorer;
class CodeStore;

// How a vector is written down in a code.
//   kSq8  eight bits a dimension, scaled by the largest component
//   kRq4  rotated, then four bits a dimension, scaled by the length
enum class CodeKind : uint8_t { kSq8 = 0, kRq4 = 1 };

// The seed of every rotation that is stored: codes in a file are read with the same one.
inline constexpr uint64_t kCodeSeed = 0x76697472696e65;

// Reranking may stop at a candidate whose estimate lies this many standard deviations above the
// distance to beat (docs/decisions/0004-codes.md: nothing measurable is lost).
inline constexpr float kRerankDeviations = 2.5f;

// The centre for the codes of a table: the mean of a sample, under cosine of its directions.
// Elsewhere vectors longer than four times the median are shortened to that, or a few of them would
// pull the centre away from all others.
//   rows     [count * dimension] f32, finite; some thousand rows say as much as all
//   returns  [dimension]; zeros if there is no row, or none with a direction
std::vector<float> CodeCentreOf(std::span<const float> rows, size_t dimension, Metric metric);

// A query in the form that codes are scored against. Made by CodeStore::Prepare; its memory is
// reused from query to query, grows and never shrinks.
class CodeQuery {
 public:
  // Whether the query has no direction (cosine only): it is equally far from everything.
  bool is_zero() const { return is_zero_; }

 private:
  friend class CodeScorer;
  friend class CodeStore;

  struct alignas(64) Line {
    int8_t components[64];
  };
  int8_t* components() { return lines_.data()->components; }
  const int8_t* components() const { return lines_.data()->components; }

  std::vector<float> work_;  // the vector while it is prepared
  std::vector<Line> lines_;  // the query as multiples of its scale
  // How dot products become distances. `scale` is that of lines_, `shift` what the offset of the
  // codes adds to every dot product, `share` the multiple of the centre that was taken off the
  // query, `base` what all rows have in common, `largest` what an estimate becomes that is not
  // finite.
  CodeFormula formula_{.scale = 0, .shift = 0, .share = 1, .base = 0, .largest = 0};
  double squared_length_ = 0;  // of what was left
  double code_doubt_ = 0;      // CodeStore::DoubtOf of a query that is a code itself, or 0
  double step_doubt_ = 0;  // variance of a component that was rounded to a multiple of the scale
  bool is_zero_ = false;
};

// Codes of the vectors of a table, one row a slot, and two factors a row: a distance is estimated
// as a factor, plus a factor times an inner product of small integers. Estimates have no bias, and
// their standard deviation is known (CodeScorer::Deviation). Factors stand behind the code where
// its last line of memory has room; codes that fill one or two lines carry a length in their lowest
// bits, from which both factors follow; else they are in an array.
//
// Vectors are taken relative to a centre that is fixed for the life of the store. A poor centre, or
// data that drifts away from it, makes estimates less exact and never wrong.
//
// Thread safety: that of VectorStore. Put needs one writer at a time; rows whose slots have been
// published are read beside it.
class CodeStore {
 public:
  struct Options {
    size_t dimension;  // 1 to 65,536
    Metric metric;     // of numbers, not of bits
    CodeKind kind;
    std::span<const float> centre;  // [dimension], as CodeCentreOf gives it; not retained
    uint64_t seed = kCodeSeed;
  };
  // Whether such codes carry lengths: any values are taken.
  static bool CarriesLengths(CodeKind kind, Metric metric, size_t dimension);
  // REQUIRES: kernels outlives the store
  CodeStore(const Options& options, const CodeKernels& kernels);

  //   region  of what stands beside codes, as SlotRows::Grow
  [[nodiscard]] bool Grow(size_t count, PageRegion* region = nullptr);
  // Encodes `vector` into row `slot`. Vectors further than 1e37 from the centre are infinitely far.
  //   vector  [dimension] f32, finite, any alignment, not retained
  void Put(Slot slot, const float* vector) { Put(slot, vector, work_); }
  // The same on any thread, each with its own `work` and other slots.
  void Put(Slot slot, const float* vector, std::vector<float>& work) const;

  // For files: the code of a row [row_bytes()], and what stands beside it [side_bytes()], which
  // RestoreSide refuses when it is what no row has.
  void RestoreRow(Slot slot, const std::byte* code);
  void CopySide(Slot slot, std::byte* out) const;
  [[nodiscard]] bool RestoreSide(Slot slot, const std::byte* side);
  // Codes, with what stands beside them, that are restored when they are first used.
  // REQUIRES: there are rows enough, and none is put before all are there
  void RestoreLazily(std::unique_ptr<const LazyRows> rows);
  // Has all of them restored, for who looks at them without a scorer.
  Status FetchAll() const { return lazy_ == nullptr ? Status() : lazy_->FetchAll(); }
  Status Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const {
    return lazy_ == nullptr ? Status() : lazy_->Fetch(first, count, pool, parallelism);
  }
  // Of the first `slots` rows, about as many as have their code.
  size_t CountHere(size_t slots) const { return lazy_ == nullptr ? slots : lazy_->rows_here(); }

  // Lets `prepared` hold any query: Prepare allocates nothing then. May throw std::bad_alloc.
  void MakeRoom(CodeQuery& prepared) const;
  // Prepares a query that is not in the store. May throw std::bad_alloc.
  //   query  [dimension] f32, finite, not retained
  void Prepare(const float* query, CodeQuery& prepared) const;
  // Prepares what row `slot` says of its vector. May throw std::bad_alloc.
  void Prepare(Slot slot, CodeQuery& prepared) const;
  // A scorer for a query that this store has prepared; `prepared` must outlive it, unchanged.
  //   failure  becomes why a code could not be restored: from then on all rows are equally far.
  //            Outlives the scorer. Null where codes are all here
  CodeScorer ScorerFor(const CodeQuery& prepared, Status* failure = nullptr) const;

  const uint8_t* Row(Slot slot) const {
    return reinterpret_cast<const uint8_t*>(rows_.Row(slot));  // NOLINT
  }
  size_t dimension() const { return dimension_; }
  Metric metric() const { return metric_; }
  CodeKind kind() const { return kind_; }
  std::span<const float> centre() const { return centre_; }
  size_t row_bytes() const { return code_bytes_; }
  // Bytes of memory that a row takes with all that belongs to it.
  size_t memory_bytes() const {
    return rows_.row_bytes() + doubts_.row_bytes() + (HasFactorArray() ? sizeof(CodeFactors) : 0);
  }
  // Of the blocks that rows lie in, with what is beside them.
  size_t reserved_bytes() const {
    return rows_.reserved_bytes() + factors_.reserved_bytes() + doubts_.reserved_bytes();
  }
  // Bytes beside each row.
  size_t side_bytes() const { return FactorBytes() + doubts_.row_bytes(); }

 private:
  friend class CodeScorer;

  // What is known of an error; read for the few rows that are reranked.
  struct Doubt {
    float square;            // DoubtOf
    union {                  // only stored where it is said
      float squared_length;  // |x - c|^2: inner product, where `add` does not tell it
      float stretch_error;   // of what the carried length makes of the code, relative
    };
  };

  bool is_rotated() const { return kind_ == CodeKind::kRq4; }
  // Components that a kernel runs over.
  size_t kernel_dimension() const { return is_rotated() ? row_bytes() * 2 : row_bytes(); }
  // What a digit of 0 stands for, in steps below zero.
  float offset() const { return is_rotated() ? kRotatedOffset : kScaledOffset; }
  // What an estimate becomes that is not finite. Under cosine only zero vectors get there, whose
  // `add` is +Inf and `multiply` 0: they are 1 from everything.
  float LargestEstimate() const { return metric_ == Metric::kCosine ? 1 : FLT_MAX; }
  // -multiply for a vector whose code needs no stretching.
  float sense() const { return metric_ == Metric::kL2 ? 2.f : 1.f; }

  // vector - share * centre into `work`, zeros behind, rotated if codes are; of cosine's vectors
  // the direction instead of the vector.
  struct Centred {
    double squared_length;  // of the difference
    bool is_zero;           // cosine: whether the vector has no direction
  };
  Centred Centre(const float* vector, float share, std::vector<float>& work) const;
  // Writes the code of `work`, and the length that it carries.
  CodeMatch EncodeWithLength(const float* work, double squared_length, float length,
                             Slot slot) const;
  // The variance of an estimated inner product <x - c, q - c>, over
  // |x - c|^2 |q - c|^2 - <x - c, q - c>^2.
  double DoubtOf(const CodeMatch& match, double squared_length) const;

  // Lines of a row that memory is asked for at once.
  size_t LinesAhead() const;

  double SquaredLength(Slot slot) const;
  bool CarriesLengths() const { return carried_slope_ > 0; }
  bool HasFactorsBehindCodes() const { return rows_.row_bytes() > code_bytes_; }
  bool HasFactorArray() const { return !CarriesLengths() && !HasFactorsBehindCodes(); }
  // In files.
  size_t FactorBytes() const { return CarriesLengths() ? 0 : sizeof(CodeFactors); }
  // REQUIRES: !CarriesLengths()
  VITRINE_ALWAYS_INLINE CodeFactors& StoredFactors(Slot slot) const {
    if (!HasFactorsBehindCodes()) return factors_[slot];
    return *reinterpret_cast<CodeFactors*>(rows_.Row(slot) + code_bytes_);  // NOLINT
  }
  CodeFactors FactorsOf(Slot slot) const;
  Doubt& DoubtAt(Slot slot) const {
    return *reinterpret_cast<Doubt*>(doubts_.Row(slot));  // NOLINT
  }

  const size_t dimension_;
  const Metric metric_;
  const CodeKind kind_;
  const std::vector<float> centre_;
  const double squared_centre_;
  const CodeKernels& kernels_;
  const CodeRotation rotation_;
  const size_t code_bytes_;
  const float carried_slope_;       // CodeKernels::estimate_carried; 0: no length is carried
  SlotRows rows_;                   // codes; behind them factors, where there is room
  SlotArray<CodeFactors> factors_;  // where there is none, and no length is carried
  SlotRows doubts_;
  std::vector<float> work_;               // Put's
  std::unique_ptr<const LazyRows> lazy_;  // null: everything is here
};

// Estimated distances from one query to rows of a store: a scorer of the search loop. Never NaN and
// never infinite. Estimates of small distances may fall below 0.
class CodeScorer {
 public:
  // One row of a batch: where it is.
  using RowRef = const uint8_t*;
  static constexpr ComparedWith kCompared = ComparedWith::kCodes;
  static constexpr bool kTakesFactors = false;

  // Asks memory for the factors of the row as well, which its estimate will need, unless they come
  // with the row.
  VITRINE_ALWAYS_INLINE RowRef Ref(Slot slot) const {
    if (lazy_ != nullptr && !lazy_->IsHere(slot)) [[unlikely]]
      Fetch(slot);
    if (store_->HasFactorArray()) Prefetch(&store_->factors_[slot]);
    return store_->Row(slot);
  }
  // Lines of a row that a walk asks memory for before it comes to the row.
  size_t lines() const { return lines_; }
  // Estimates for `count` rows.
  //   refs, slots   [count]; refs[i] == Ref(slots[i]). refs needs 3 writable places more
  //   distances     [count rounded up to 4], written
  void Score(RowRef* refs, const Slot* slots, size_t count, float* distances) const;
  float ScoreOne(Slot slot) const;
  // The standard deviation of an estimate over all rotations, or all roundings of components:
  // distances themselves lie further off than kRerankDeviations times in about one of a hundred
  // cases, half of them on either side.
  //   estimate  as Score gave it for `slot`
  //   returns   in units of the distance, >= 0, finite
  float Deviation(Slot slot, float estimate) const;
  // Asks memory for what Deviation will read.
  void PrefetchDoubt(Slot slot) const { Prefetch(&store_->DoubtAt(slot)); }
  // Whether a row may be near although its estimate lies far behind those of others, because its
  // deviation is so much larger than theirs: inner product, where long vectors are near.
  bool MayReorder() const { return store_->metric() == Metric::kIp; }
  bool IsZeroQuery() const { return query_->is_zero(); }
  // What computes the inner products of its estimates.
  DistanceKernel kernel() const {
    return store_->is_rotated() ? DistanceKernel::kRq4 : DistanceKernel::kSq8;
  }

 private:
  friend class CodeStore;
  CodeScorer(const CodeStore* store, const CodeQuery* query, const LazyRows* lazy, Status* failure)
      : store_(store), query_(query), lazy_(lazy), failure_(failure), lines_(store->LinesAhead()) {}

  void Fetch(Slot slot) const;
  // Whether some row cannot be read: then none is, for it may be that one.
  bool Failed() const { return lazy_ != nullptr && !failure_->ok(); }

  const CodeStore* store_;
  const CodeQuery* query_;
  const LazyRows* lazy_;  // null when everything was here as the search began
  Status* failure_;
  size_t lines_;
};

}  // namespace vitrine
