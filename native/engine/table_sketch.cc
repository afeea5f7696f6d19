// The sketches of a table: made when a filter first needs them, and kept beside every row from then
// on.

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/table.h"
#include "kernels/code_kernels.h"

namespace vitrine {
namespace {

// Tables of fewer rows are as soon looked through as they are.
constexpr size_t kLeastSketched = 5'000;
// Rows of fewer dimensions are about as fast as their sketches.
constexpr size_t kLeastSketchedDimension = 64;
// Rows that are sketched in a step: some milliseconds.
constexpr size_t kSketchedInStep = 2'000;
// Vectors from which axes are made, and a centre where there are no codes: fewer where they are
// long, so that it takes a tenth of a second or two.
constexpr size_t kSampleFloats = 800'000;
constexpr size_t kLeastSampledRows = 256;
constexpr size_t kMostSampledRows = 1'000;

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
  std::unique_lock write(write_mutex_, std::try_to_lock);
  if (!write.owns_lock() || sketches_.load(std::memory_order_relaxed) != nullptr) return false;
  if (sketch_store_ == nullptr) {
    std::vector<float> centre;
    std::vector<float> sample;
    if (!SampleForSketches(sample, centre)) return false;
    // Axes take a while, in which others may write.
    write.unlock();
    const CodeKernels& kernels = SelectCodeKernels(kernels_.set).codes;
    auto store = std::make_unique<SketchStore>(
        dimension(), metric(), centre, PrincipalAxes(std::move(sample), dimension(), kernels),
        kernels);
    if (!write.try_lock() || sketch_store_ != nullptr || !store->Grow(SlotLimit())) return false;
    sketch_store_ = std::move(store);
    sketch_next_ = 0;
  }
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

// Vectors from all over the table, less the centre. False if one cannot be read.
bool Table::SampleForSketches(std::vector<float>& sample, std::vector<float>& centre) const {
  const size_t wanted =
      std::clamp(kSampleFloats / dimension(), kLeastSampledRows, kMostSampledRows);
  const size_t stride = std::max<size_t>(1, size() / wanted);
  bool is_read = true;
  size_t met = 0;
  std::vector<float> work;
  ForEachRow(0, (SlotLimit() + 63) / 64, [&](Slot slot) {
    if (met++ % stride != 0 || sample.size() >= wanted * dimension() || !is_read) return;
    is_read = vectors_.Verify(slot).ok();
    if (!is_read) return;
    const float* const row = vectors_.AsFloats(vectors_.Row(slot), work);
    sample.insert(sample.end(), row, row + dimension());
  });
  if (!is_read) return false;
  if (code_store_ != nullptr) {
    centre.assign(code_store_->centre().begin(), code_store_->centre().end());
  } else {
    centre = CodeCentreOf(sample, dimension(), metric());
  }
  const CodeKernels& kernels = SelectCodeKernels(kernels_.set).codes;
  for (size_t from = 0; from < sample.size(); from += dimension()) {
    work.assign(sample.data() + from, sample.data() + from + dimension());
    SketchStore::Difference(work.data(), dimension(), metric(), centre, kernels,
                            sample.data() + from);
  }
  return true;
}

}  // namespace vitrine
