#include "engine/sketch_search.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "base/prefetch.h"
#include "engine/sketch_scan.h"

namespace vitrine {
namespace {

// Rows whose estimates are kept, and how many when those turn out to be too few.
constexpr size_t kKept = 3'000;
constexpr size_t kKeptAtMost = 32'000;
// Estimates that tell where the threshold lies, and how much above it is safe.
constexpr size_t kThresholdSample = 1'024;
constexpr double kThresholdSlack = 1.5;
// Blocks of rows between two looks at the cancel flag.
constexpr size_t kBlocksBetween = 64;

constexpr float kNoThreshold = std::numeric_limits<float>::max();

}  // namespace

// Calls visit(slots, rows, count) with the rows that are shown and allowed, up to
// SketchStore::kMostRows at a time, until it returns false. About one of `stride` of them.
template <class Counting>
template <typename Visitor>
void SketchSearch<Counting>::ForEachBlock(size_t stride, Visitor visit) const {
  constexpr size_t kMost = SketchStore::kMostRows;
  Slot slots[kMost + 64];
  SketchStore::RowRef rows[kMost + 64];
  size_t count = 0;
  const size_t limit = std::min(table_.SlotLimit(), filter_.slots().capacity());
  // A sample takes an eighth of a group: neighbours in the table may be neighbours in space.
  const uint64_t part = stride < 2 ? ~uint64_t{0} : 0x0101010101010101u;
  const size_t step = std::max<size_t>(1, stride / 8);
  for (size_t word = 0; word * 64 < limit; word += step) {
    uint64_t bits = table_.AllowedRows(word, &filter_.slots()) & ~table_.zero_rows().Word(word);
    bits &= part << (stride < 2 ? 0 : word / step % 8);
    const SketchStore::RowRef first = sketches_.Group(word);
    for (bits = table_.VisibleRows(word, bits); bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(bits));
      slots[count] = static_cast<Slot>(word * 64 + bit);
      rows[count] = first + bit * SketchStore::kRowBytes;
      // Also where rows lie close together.
      Prefetch(rows[count++]);
    }
    if (count < kMost) continue;
    if (!visit(slots, rows, kMost)) return;
    count -= kMost;
    std::copy_n(slots + kMost, count, slots);
    std::copy_n(rows + kMost, count, rows);
  }
  if (count > 0) visit(slots, rows, count);
}

// An estimate that about `kept` of the rows of the filter are below.
template <class Counting>
float SketchSearch<Counting>::Threshold(size_t kept) const {
  const size_t rows = filter_.slot_count();
  if (static_cast<double>(rows) < 2 * kThresholdSlack * static_cast<double>(kept)) {
    return kNoThreshold;
  }
  std::vector<float> sample;
  sample.reserve(2 * kThresholdSample);
  ForEachBlock(std::max<size_t>(1, rows / kThresholdSample),
               [&](const Slot*, SketchStore::RowRef* found, size_t count) {
                 sample.resize(sample.size() + count);
                 sketches_.Estimate(scratch_.sketch_query, found, count,
                                    sample.data() + sample.size() - count);
                 return true;
               });
  counting_.AddSketchEvaluations(sample.size());
  const auto place =
      static_cast<size_t>(kThresholdSlack * static_cast<double>(kept) / static_cast<double>(rows) *
                          static_cast<double>(sample.size()));
  if (place + 1 >= sample.size()) return kNoThreshold;
  const auto at = sample.begin() + static_cast<std::ptrdiff_t>(place) + 1;
  std::nth_element(sample.begin(), at, sample.end());
  return *at;
}

// Puts about `kept` rows with the least estimates, none above `threshold`, into the scratch.
template <class Counting>
StopReason SketchSearch<Counting>::Gather(size_t kept, float threshold) {
  LeastEstimates least(scratch_.sketched, kept, threshold);
  StopReason stopped = StopReason::kExhausted;
  size_t blocks = 0;
  size_t seen = 0;
  ForEachBlock(1, [&](const Slot* slots, SketchStore::RowRef* rows, size_t count) {
    float estimates[SketchStore::kMostRows];
    sketches_.Estimate(scratch_.sketch_query, rows, count, estimates);
    least.Offer({estimates, count}, slots);
    seen += count;
    if (++blocks % kBlocksBetween == 0) stopped = parameters_.control.Check();
    return stopped == StopReason::kExhausted;
  });
  counting_.AddSketchEvaluations(seen);
  seen_ = seen;
  return stopped;
}

template <class Counting>
StopReason SketchSearch<Counting>::Find(const void* query) {
  counting_.Enter(SearchPhase::kScan);
  sketches_.Prepare(table_.vectors().AsFloats(query, scratch_.float_query), scratch_.sketch_query);
  for (size_t kept = std::max(kKept, 4 * parameters_.k);; kept *= 8) {
    StopReason stopped = Gather(kept, Threshold(kept));
    // A threshold that was too low, by a sample that told too little.
    if (stopped == StopReason::kExhausted && scratch_.sketched.size() < std::min(kept / 2, seen_)) {
      stopped = Gather(kept, kNoThreshold);
    }
    if (stopped != StopReason::kExhausted) return stopped;
    counting_.Enter(SearchPhase::kRerank);
    counting_.FoundCandidates(scratch_.sketched.size());
    const bool enough =
        LookCloser(scratch_.sketched, parameters_.k, scorers_, scratch_.ranked, counting_);
    counting_.LookedCloserAt(scratch_.ranked.size());
    if (enough || scratch_.sketched.size() == seen_) return StopReason::kExhausted;
    // The estimates are too coarse for this query.
    too_coarse_ = kept >= kKeptAtMost;
    if (too_coarse_) return StopReason::kExhausted;
    counting_.Enter(SearchPhase::kScan);
  }
}

template class SketchSearch<NoCounting>;
template class SketchSearch<SearchCounting>;

}  // namespace vitrine
