#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/slot.h"
#include "index/code_store.h"
#include "index/vector_store.h"

namespace vitrine {

// Distances between stored vectors, for those who choose links. By codes they cost a fraction, and
// choices are as good wherever codes tell a vector's neighbours apart; among near-duplicates they
// do not: those have nearly the same code, and an error in common.
//
// Holds the memory that scoring needs: one object a thread.
class PairDistances {
 public:
  enum class Source : uint8_t { kVectors, kCodes };

  // Room for `capacity` distances at a time; allocates, scoring does not. `vectors` outlives the
  // object.
  PairDistances(const VectorStore& vectors, size_t capacity);
  // From now on there are codes, which outlive the object. May throw std::bad_alloc.
  void UseCodes(const CodeStore& codes);

  // What to score by where the codes do well enough.
  Source preferred() const { return codes_ == nullptr ? Source::kVectors : Source::kCodes; }
  const VectorStore& vectors() const { return vectors_; }

  // Distances from row `from` to rows `to`.
  //   to         at most `capacity`
  //   distances  [to.size() rounded up to 4], written
  void Score(Source source, Slot from, std::span<const Slot> to, float* distances);

  // The same of rows that have been located.
  //   rows  as Locate wrote them, and three writable places more
  void Locate(std::span<const Slot> slots, const std::byte** rows) const {
    for (size_t i = 0; i < slots.size(); ++i) rows[i] = vectors_.Row(slots[i]);
  }
  void Locate(std::span<const Slot> slots, const uint8_t** rows) const {
    for (size_t i = 0; i < slots.size(); ++i) rows[i] = codes_->Row(slots[i]);
  }
  void Score(Slot from, std::span<const Slot> to, const std::byte** rows, float* distances) const {
    vectors_.ScorerFor(from).Score(rows, to.data(), to.size(), distances);
  }
  void Score(Slot from, std::span<const Slot> to, const uint8_t** rows, float* distances) {
    codes_->Prepare(from, query_);
    codes_->ScorerFor(query_).Score(rows, to.data(), to.size(), distances);
  }

  // Whether codes tell apart what lies around row `centre`, by one of its nearest neighbours. Under
  // inner product, whose values say nothing of how far apart two vectors are, by the square of
  // their Euclidean distance, which links are chosen by as well (NeighbourSelection).
  //   from      codes, seen from `centre`
  //   estimate  the distance of `near` as Score gave it by codes
  bool Resolve(const CodeScorer& from, Slot centre, Slot near, float estimate) const;
  // The same for the row that was last scored from, by codes.
  bool Resolve(Slot centre, Slot near, float estimate) const {
    return Resolve(codes_->ScorerFor(query_), centre, near, estimate);
  }

 private:
  // Distances that are not so many times their standard deviation are not told apart.
  static constexpr double kMinResolution = 10;
  // Vectors of so many bytes are scored as fast as their codes (lastfm-64, f32: building took 0.94
  // of the time by vectors; sift-96: 1.06).
  static constexpr size_t kShortVector = 256;

  const VectorStore& vectors_;
  const CodeStore* codes_ = nullptr;
  CodeQuery query_;
  std::vector<const std::byte*> rows_;
  std::vector<const uint8_t*> code_rows_;
};

}  // namespace vitrine
