// The sketches of a table: made when a filter first needs them, and kept beside every row from then
// on.

#include <algorithm>
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
// Vectors from which a centre is made where there are no codes.
constexpr size_t kCentreSample = 1'000;

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

}  // namespace vitrine
