#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/platform.h"
#include "base/slot_array.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "index/file_rows.h"
#include "index/lazy_rows.h"
#include "index/mapped_rows.h"
#include "index/metric.h"
#include "index/vector_place.h"
#include "index/vector_scoring.h"
#include "index/vector_type.h"
#include "kernels/kernels.h"
#include "stats/distance_kernel.h"

namespace vitrine {

class VectorScorer;

// The vectors of a table, one row a slot, exactly as they were given, in memory, on their way there
// from a file, or in a file that is mapped, and what their metric needs beside them: under cosine
// the inverse norm, under inner product the norm, under jaccard how many bits are set.
//
// A store of VectorPlace::kMapped has some rows in a file and others in memory: a row goes to
// memory when it is written, and may lie in a file later. Its memory is given back then.
class VectorStore {
 public:
  // REQUIRES: 1 <= dimension <= 65,536; DimensionFits and MetricFits; kernels outlives the store
  VectorStore(size_t dimension, Metric metric, const KernelTable& kernels,
              VectorType type = VectorType::kF32, VectorPlace place = VectorPlace::kMemory);

  //   region  of what stands beside rows, as SlotRows::Grow
  [[nodiscard]] bool Grow(size_t count, PageRegion* region = nullptr);
  // Rows that stay in a file. Vectors are not put then; what their metric needs is restored.
  // REQUIRES: there are no rows yet, and there will be no others
  void UseMapped(std::unique_ptr<const MappedRows> rows);
  // Brings rows to memory that the file has and `next` will not: of points that were taken away
  // since, whose rows older readers look for, and walks pass through.
  //   used     which rows are somebody's
  //   returns  kCorrupt when one of them is damaged: then `next` cannot be used
  // REQUIRES: nothing is put meanwhile
  Status KeepRowsNotIn(const FileRows& next, const SlotBitmap& used);
  // From now on the rows that `rows` has are read there.
  //   returns  what was used before. Who began to read earlier may have it in hand, and the memory
  //            of rows as well: GiveBack comes once they are done
  // REQUIRES: it is a store of kMapped; each of these rows is in the file what it is here, and what
  // is not was kept
  std::unique_ptr<const FileRows> UseFile(std::unique_ptr<const FileRows> rows);
  // Gives back what memory it can of rows [first, first + count) that are in the file, or of which
  // `used` says that they are nobody's.
  // REQUIRES: Grow and `used` have room for them; nobody reads them but where they are now
  void GiveBack(Slot first, size_t count, const SlotBitmap& used);
  // Lets every block of the file be verified once more, before it is used again.
  // REQUIRES: UseFile does not run
  void Distrust() const;
  // Whether a row that is in the file may have to be verified, until the next file.
  bool is_distrusted() const { return is_distrusted_.load(std::memory_order_acquire); }
  // Verifies a row that is in a file, whether it was before or not, as MappedRows::VerifyAgain.
  Status VerifyAgain(Slot slot, size_t& block) const;
  // Rows that `rows` brings, by RestoreRow, when they are first used; others may follow them.
  // REQUIRES: Grow made room for them, and NoteFactor saw each
  void UseLazily(std::unique_ptr<const LazyRows> rows) { lazy_ = std::move(rows); }
  void RestoreRow(Slot slot, const void* vector);
  // What stands beside a row, from its vector, which is put later.
  void NoteFactor(Slot slot, const void* vector);
  // Brings rows that are brought on demand: kCorrupt or kIo.
  Status Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const {
    return lazy_ == nullptr ? Status() : lazy_->Fetch(first, count, pool, parallelism);
  }
  // What stands beside a row. REQUIRES: has_factors()
  float factor(Slot slot) const { return factors_[slot]; }
  void RestoreFactor(Slot slot, float factor) { factors_[slot] = factor; }
  // The same from the vector. REQUIRES: as Row
  void ComputeFactor(Slot slot) { factors_[slot] = FactorOf(rows_.Row(slot)); }
  // Copies `vector` into row `slot`.
  //   vector  of the store's type, finite, any alignment, not retained
  void Put(Slot slot, const void* vector);

  // REQUIRES: the row has been verified, if rows are mapped or brought on demand
  const std::byte* Row(Slot slot) const {
    if (keeps_in_file()) [[unlikely]]
      return FileRow(slot);
    return rows_.Row(slot);
  }
  // Has a mapped row verified, or a row brought: kCorrupt or kIo. Nothing else fails.
  Status Verify(Slot slot) const { return IsVerified(slot) ? Status() : VerifySlowly(slot); }
  Status VerifyAll() const;
  // 1 / |vector|, 0 for a zero vector; only under cosine.
  float InverseNorm(Slot slot) const { return factors_[slot]; }
  // |vector|, at most the largest finite f32; only under inner product.
  float Norm(Slot slot) const { return factors_[slot]; }
  // Whether the vector in row `slot` is as far from everything as can be: one without a direction
  // under cosine, or without a bit under jaccard.
  bool IsZero(Slot slot) const { return has_zeros() && factors_[slot] == 0; }

  // A scorer for a query of the store's type that is not in the store; `query` must outlive it.
  //   failure  becomes why a row could not be read: from then on all rows are equally far. Outlives
  //            the scorer. Null where rows are in memory, or those that it meets verified
  VectorScorer ScorerFor(const void* query, Status* failure = nullptr) const;
  // A scorer for the vector in row `slot`. REQUIRES: as Row
  VectorScorer ScorerFor(Slot slot, Status* failure = nullptr) const;

  // A vector of the store's type as f32: in `work`, unless it is f32 itself.
  const float* AsFloats(const void* vector, std::vector<float>& work) const;
  // Copies the components to bytes; false, with `out` undefined, unless each of them is a whole
  // number from 0 to 255, so that no distance changes; -0 becomes 0.
  //   vector, out  [dimension], any alignment
  bool ToBytes(const float* vector, uint8_t* out) const {
    return scoring_.integers->to_bytes(vector, dimension_, out);
  }

  size_t dimension() const { return dimension_; }
  VectorType type() const { return type_; }
  bool is_mapped() const { return mapped_ != nullptr || keeps_in_file(); }
  // Of a vector; rows may be longer.
  size_t vector_bytes() const { return VectorBytes(type_, dimension_); }
  size_t row_bytes() const { return rows_.row_bytes(); }
  // Whether there is a factor beside each row.
  bool has_factors() const { return metric_ != Metric::kL2 && metric_ != Metric::kHamming; }
  // Bytes of memory that `slots` rows take: mapped ones are the file's.
  size_t memory_bytes(size_t slots) const;
  // Of the blocks that rows lie in; none where they are mapped.
  size_t reserved_bytes() const { return is_mapped() ? 0 : rows_.reserved_bytes(); }
  Metric metric() const { return metric_; }
  const KernelTable& kernels() const { return kernels_; }

 private:
  friend class VectorScorer;

  bool keeps_in_file() const { return place_ == VectorPlace::kMapped; }
  // Acquire; partner: the release in UseFile.
  const FileRows* file() const { return file_.load(std::memory_order_acquire); }
  // REQUIRES: keeps_in_file()
  const std::byte* FileRow(Slot slot) const {
    const FileRows* const file = this->file();
    const Slot place = file == nullptr ? kNoSlot : file->PlaceOf(slot);
    return place == kNoSlot ? rows_.Row(slot) : file->mapped().Row(place);
  }
  bool FileRowIsVerified(Slot slot) const {
    const FileRows* const file = this->file();
    const Slot place = file == nullptr ? kNoSlot : file->PlaceOf(slot);
    return place == kNoSlot || file->mapped().IsVerified(place);
  }
  bool IsVerified(Slot slot) const {
    return (mapped_ == nullptr || mapped_->IsVerified(slot)) &&
           (lazy_ == nullptr || lazy_->IsHere(slot)) &&
           (!is_distrusted() || FileRowIsVerified(slot));
  }
  // Whether some row may have to be verified, or looked for in a file.
  bool IsOnDemand() const { return is_mapped() || (lazy_ != nullptr && !lazy_->AllHere()); }
  Status VerifySlowly(Slot slot) const;
  // Rows are in memory by groups of about a page.
  void NoteInMemory(Slot slot);
  bool CanBeGivenBack(const FileRows& file, size_t group, const SlotBitmap& used) const;
  // VerifiedRow of a row that may have been verified. Not in line: walks over rows in memory are
  // compiled with the call.
  const std::byte* RowOnDemand(Slot slot, Status* failure) const;
  // The row once it has been verified; when it cannot be, another that nobody may look at, and why.
  const std::byte* VerifiedRow(Slot slot, Status* failure) const;
  bool has_zeros() const { return metric_ == Metric::kCosine || metric_ == Metric::kJaccard; }
  // What the metric needs beside a vector.
  float FactorOf(const std::byte* vector) const;

  const size_t dimension_;
  const Metric metric_;
  const VectorType type_;
  const VectorPlace place_;
  const KernelTable& kernels_;
  const VectorScoring scoring_;
  SlotRows rows_;
  std::unique_ptr<const MappedRows> mapped_;  // null: rows are in memory
  std::unique_ptr<const LazyRows> lazy_;      // null: they are there from the start
  SlotArray<float> factors_;                  // inner product needs them for choosing links only
  // Of a store of kMapped: what points to used_file_, and which groups of rows take memory.
  std::atomic<const FileRows*> file_{nullptr};
  std::unique_ptr<const FileRows> used_file_;
  unsigned group_shift_ = 0;
  SlotBitmap groups_in_memory_;
  // Relaxed, as numbers of their own: how many those are, and what goes with the file.
  std::atomic<size_t> group_count_{0};
  std::atomic<size_t> file_bytes_{0};
  // Release in Distrust, after the blocks; acquire by who asks.
  mutable std::atomic<bool> is_distrusted_{false};
};

// Distances from one query to rows of a store: the scorer of the search loop for whole vectors.
// Never NaN and never infinite: what overflows is the largest finite f32, so that an order exists.
class VectorScorer {
 public:
  using RowRef = vitrine::RowRef;
  static constexpr ComparedWith kCompared = ComparedWith::kVectors;
  // Whether a walk hands over the factors of rows, which it asks for when it asks for the rows.
  static constexpr bool kTakesFactors = true;

  VITRINE_ALWAYS_INLINE RowRef Ref(Slot slot) const {
    if (!is_on_demand_) [[likely]]
      return rows_.Row(slot);
    return store_->RowOnDemand(slot, failure_);
  }
  // What stands beside a row, for Score; and whether that needs it. REQUIRES: Ref was asked first
  VITRINE_ALWAYS_INLINE float Factor(Slot slot) const {
    // What belongs to a row that could not be read cannot be read either.
    if (is_on_demand_ && failure_ != nullptr && !failure_->ok()) [[unlikely]]
      return 0;
    return *reinterpret_cast<const float*>(factors_.Row(slot));  // NOLINT
  }
  bool needs_factors() const { return needs_factors_; }
  // Lines of a row that are asked for before the row's turn: there are too many for more.
  static constexpr size_t lines() { return 1; }
  // Distances to `count` rows.
  //   refs, slots   [count]; refs[i] == Ref(slots[i]). refs needs 3 writable places more
  //   distances     [count rounded up to 4], written
  //   factors       [count rounded up to 4] of the rows, where they are at hand; or null
  void Score(RowRef* refs, const Slot* slots, size_t count, float* distances,
             float* factors = nullptr) const {
    // Rows beyond the last are the last once more: cheaper than a kernel call a row.
    for (size_t i = count; i % 4 != 0; ++i) {
      refs[i] = refs[count - 1];
      if (factors != nullptr) factors[i] = 0;
    }
    if (failure_ != nullptr && !failure_->ok()) [[unlikely]]
      return ScoreNothing(count, distances);
    store_->scoring_.score(store_->scoring_, query_,
                           {refs, slots, &store_->factors_, factors, count}, distances);
  }
  float ScoreOne(Slot slot) const;
  // What computes them.
  DistanceKernel kernel() const { return KernelOf(store_->type_); }
  // Whether the query is as far from everything as can be, as VectorStore::IsZero has it.
  bool IsZeroQuery() const { return store_->has_zeros() && query_.factor == 0; }

 private:
  friend class VectorStore;
  VectorScorer(const VectorStore* store, ScoredQuery query, Status* failure)
      : store_(store),
        query_(query),
        failure_(failure),
        rows_(store->rows_.places()),
        factors_(store->factors_.places()),
        is_on_demand_(store->IsOnDemand()),
        needs_factors_(store->has_zeros()) {}

  static void ScoreNothing(size_t count, float* distances);

  const VectorStore* store_;
  ScoredQuery query_;
  Status* failure_;
  SlotRows::Places rows_;
  SlotRows::Places factors_;
  bool is_on_demand_;  // false when every row was there as the search began
  bool needs_factors_;
};

}  // namespace vitrine
