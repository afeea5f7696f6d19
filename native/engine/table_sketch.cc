// Scans of what a filter allows by sketches: made when a filter first needs them, and kept beside
// every row from then on.

#include <algorithm>
#include <bit>
#include <limits>

#include "engine/query_scorers.h"
#include "engine/sketch_scan.h"
#include "engine/table.h"

namespace vitrine {
namespace {

// Tables of fewer rows are as soon looked through as they are.
constexpr size_t kLeastSketched = 5'000;
// Rows of fewer dimensions are about as fast as their sketches.
constexpr size_t kLeastSketchedDimension = 64;
// Rows that are sketched in a step: some milliseconds.
constexpr size_t kSketchedInStep = 2'000;
// Vectors from which a centre is made where there are no codes.
constexpr size_t kCentreSample = 1'000;

// Rows whose estimates are kept, and how many when those turn out to be too few.
constexpr size_t kKept = 4'000;
constexpr size_t kKeptAtMost = 32'000;
// Estimates that tell where the threshold lies, and how much above it is safe.
constexpr size_t kThresholdSample = 1'024;
constexpr double kThresholdSlack = 1.5;
// Blocks of rows between two looks at the cancel flag.
constexpr size_t kBlocksBetween = 64;

}  // namespace

bool Table::IsWorthSketching() const {
  // Bits are as short as their sketches would be.
  return size() >= kLeastSketched && dimension() >= kLeastSketchedDimension && linked() &&
         type() != VectorType::kBits;
}

const SketchStore* Table::SketchesOrBegin() const {
  const SketchStore* const sketches = sketches_.load(std::memory_order_acquire);
  if (sketches != nullptr || !IsWorthSketching() || sketch_steps_->busy()) return sketches;
  // Sketches are no part of what a table holds: a search may have them made.
  Table* const table = const_cast<Table*>(this);  // NOLINT
  if (pool_ == nullptr) {
    while (table->SketchSome()) {
    }
  } else {
    (void)sketch_steps_->Start([table] { return table->SketchSome(); });
  }
  return sketches_.load(std::memory_order_acquire);
}

// Sketches some rows; false when all are, when a writer is at work, or when a mapped row cannot be
// read: the next search that needs them goes on then.
bool Table::SketchSome() {
  const std::unique_lock write(write_mutex_, std::try_to_lock);
  if (!write.owns_lock() || sketches_.load(std::memory_order_relaxed) != nullptr) return false;
  if (sketch_store_ == nullptr && !CreateSketches()) return false;
  RowWork work;
  const size_t end = std::min(SlotLimit(), sketch_next_ + kSketchedInStep);
  for (; sketch_next_ < end; ++sketch_next_) {
    const auto slot = static_cast<Slot>(sketch_next_);
    if ((occupied_.Word(slot / 64) >> (slot % 64) & 1) != 0) {
      if (!vectors_.Verify(slot).ok()) return false;
      const float* const floats = vectors_.AsFloats(vectors_.Row(slot), work.floats);
      sketch_store_->Put(slot, floats, work.centred);
    }
  }
  if (sketch_next_ < SlotLimit()) return true;
  // Release; partner: the acquire in searches, which then find a sketch in every row.
  sketches_.store(sketch_store_.get(), std::memory_order_release);
  return false;
}

bool Table::CreateSketches() {
  std::vector<float> centre;
  if (code_store_ != nullptr) {
    centre.assign(code_store_->centre().begin(), code_store_->centre().end());
  } else {
    std::vector<float> rows;
    std::vector<float> work;
    for (size_t slot = 0; slot < SlotLimit() && rows.size() < kCentreSample * dimension(); ++slot) {
      if ((occupied_.Word(slot / 64) >> (slot % 64) & 1) == 0) continue;
      if (!vectors_.Verify(static_cast<Slot>(slot)).ok()) return false;
      const float* const row = vectors_.AsFloats(vectors_.Row(static_cast<Slot>(slot)), work);
      rows.insert(rows.end(), row, row + dimension());
    }
    centre = CodeCentreOf(rows, dimension(), metric());
  }
  auto store = std::make_unique<SketchStore>(dimension(), metric(), centre,
                                             SelectCodeKernels(kernels_.set).codes);
  if (!store->Grow(SlotLimit())) return false;
  sketch_store_ = std::move(store);
  sketch_next_ = 0;
  return true;
}

// Calls visit(slots, count) with the rows that a snapshot shows and a filter allows, up to
// SketchStore::kMostRows at a time, until it returns false. About one of `stride` of them.
template <typename Visitor>
void Table::ForEachAllowedBlock(const SlotBitmap& allowed, uint64_t snapshot, size_t stride,
                                Visitor visit) const {
  constexpr size_t kMost = SketchStore::kMostRows;
  const SketchStore& sketches = *sketches_.load(std::memory_order_acquire);
  Slot slots[kMost + 64];
  size_t count = 0;
  const size_t limit = std::min(SlotLimit(), allowed.capacity());
  // A sample takes an eighth of a group: neighbours in the table may be neighbours in space.
  const uint64_t part = stride < 2 ? ~uint64_t{0} : 0x0101010101010101u;
  const size_t step = std::max<size_t>(1, stride / 8);
  for (size_t word = 0; word * 64 < limit; word += step) {
    uint64_t rows = allowed.Word(word) & occupied_.Word(word) & ~zero_.Word(word);
    rows &= part << (stride < 2 ? 0 : word / step % 8);
    uint64_t doubtful = rows & unsettled_.Word(word);
    for (; doubtful != 0; doubtful &= doubtful - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(doubtful));
      const auto slot = static_cast<Slot>(word * 64 + bit);
      if (!RowVisible(slot, snapshot) && !shared_.Test(slot)) rows &= ~(uint64_t{1} << bit);
    }
    for (; rows != 0; rows &= rows - 1) {
      slots[count] = static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(rows)));
      // Also where rows lie close together: without it a scan of half of 60,000 took half as long
      // again.
      sketches.PrefetchRow(slots[count++]);
    }
    if (count < kMost) continue;
    if (!visit(slots, kMost)) return;
    count -= kMost;
    std::copy_n(slots + kMost, count, slots);
  }
  if (count > 0) visit(slots, count);
}

// An estimate that about `kept` of the rows of a filter are below.
template <class Counting>
float Table::SketchThreshold(const SketchStore& sketches, const SketchQuery& query,
                             const PointFilter& filter, uint64_t snapshot, size_t kept,
                             Counting counting) const {
  const size_t rows = filter.slot_count();
  if (static_cast<double>(rows) < 2 * kThresholdSlack * static_cast<double>(kept)) {
    return std::numeric_limits<float>::max();
  }
  std::vector<float> sample;
  sample.reserve(2 * kThresholdSample);
  ForEachAllowedBlock(filter.slots(), snapshot, std::max<size_t>(1, rows / kThresholdSample),
                      [&](const Slot* slots, size_t count) {
                        sample.resize(sample.size() + count);
                        sketches.Estimate(query, slots, count,
                                          sample.data() + sample.size() - count);
                        return true;
                      });
  counting.AddSketchEvaluations(sample.size());
  const auto place =
      static_cast<size_t>(kThresholdSlack * static_cast<double>(kept) / static_cast<double>(rows) *
                          static_cast<double>(sample.size()));
  if (place + 1 >= sample.size()) return std::numeric_limits<float>::max();
  const auto at = sample.begin() + static_cast<std::ptrdiff_t>(place) + 1;
  std::nth_element(sample.begin(), at, sample.end());
  return *at;
}

template <class Counting>
Result<size_t> Table::SearchSketches(const QueryScorers& scorers, const void* query,
                                     const SearchParameters& parameters,
                                     const ReaderPool::Lease& lease, std::span<Hit> hits,
                                     Counting counting) const {
  const SketchStore& sketches = *sketches_.load(std::memory_order_acquire);
  Scratch& scratch = lease.scratch();
  const uint64_t snapshot = lease.snapshot();
  const PointFilter& filter = *parameters.filter;
  counting.Enter(SearchPhase::kScan);
  sketches.Prepare(vectors_.AsFloats(query, scratch.float_query), scratch.sketch_query);
  for (size_t kept = std::max(kKept, 4 * parameters.k);; kept *= 8) {
    float threshold =
        SketchThreshold(sketches, scratch.sketch_query, filter, snapshot, kept, counting);
    StopReason stopped = StopReason::kExhausted;
    size_t seen = 0;
    for (;;) {
      LeastEstimates least(scratch.sketched, kept, threshold);
      size_t blocks = 0;
      seen = 0;
      ForEachAllowedBlock(filter.slots(), snapshot, 1, [&](const Slot* slots, size_t count) {
        float estimates[SketchStore::kMostRows];
        sketches.Estimate(scratch.sketch_query, slots, count, estimates);
        for (size_t i = 0; i < count; ++i) least.Offer(estimates[i], slots[i]);
        seen += count;
        if (++blocks % kBlocksBetween == 0) stopped = parameters.control.Check();
        return stopped == StopReason::kExhausted;
      });
      counting.AddSketchEvaluations(seen);
      if (stopped != StopReason::kExhausted) return StopStatus(stopped);
      // A threshold that was too low, by a sample that told too little.
      if (scratch.sketched.size() >= std::min(kept / 2, seen)) break;
      threshold = std::numeric_limits<float>::max();
    }
    counting.Enter(SearchPhase::kRerank);
    counting.FoundCandidates(scratch.sketched.size());
    const bool enough =
        LookCloser(scratch.sketched, parameters.k, scorers, scratch.ranked, counting);
    counting.LookedCloserAt(scratch.ranked.size());
    if (enough || scratch.sketched.size() == seen) break;
    // The estimates are too coarse for this query.
    if (kept >= kKeptAtMost) {
      counting.Stopped(SearchStop::kCoarse);
      return SearchScan(scorers.exact(), parameters, lease, hits, counting);
    }
    counting.Enter(SearchPhase::kScan);
  }
  counting.Stopped(SearchStop::kEnough);
  const size_t count = TakeRanked(scorers, parameters, snapshot, scratch, hits, counting);
  return MergeZeroRows(parameters, snapshot, scratch, hits, count);
}

template Result<size_t> Table::SearchSketches(const QueryScorers&, const void*,
                                              const SearchParameters&, const ReaderPool::Lease&,
                                              std::span<Hit>, NoCounting) const;
template Result<size_t> Table::SearchSketches(const QueryScorers&, const void*,
                                              const SearchParameters&, const ReaderPool::Lease&,
                                              std::span<Hit>, SearchCounting) const;

}  // namespace vitrine
