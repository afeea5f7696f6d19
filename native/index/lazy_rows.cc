#include "index/lazy_rows.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/first_failure.h"

namespace vitrine {
namespace {

// Rows of a group, as a power of two: no more than fit in `group_bytes`.
unsigned ShiftFor(size_t row_bytes, size_t group_bytes) {
  const size_t rows = std::max<size_t>(group_bytes / std::max<size_t>(row_bytes, 1), 1);
  return static_cast<unsigned>(std::bit_width(rows)) - 1;
}

}  // namespace

LazyRows::LazyRows(size_t count, size_t row_bytes, size_t group_bytes, Bring bring)
    : count_(count),
      shift_(ShiftFor(row_bytes, group_bytes)),
      groups_(((count - 1) >> shift_) + 1),
      bring_(std::move(bring)),
      here_(std::make_unique<std::atomic<uint64_t>[]>((groups_ + 63) / 64)) {
  buffers_.reserve(kLanes);
}

Status LazyRows::Fetch(Slot slot) const {
  const size_t group = slot >> shift_;
  const std::lock_guard lock(lanes_[group % kLanes]);
  if (IsHere(slot)) return {};
  const size_t first = group << shift_;
  const size_t count = std::min(size_t{1} << shift_, count_ - first);
  std::vector<std::byte> buffer = TakeBuffer();
  Status status = bring_(static_cast<Slot>(first), count, buffer);
  if (status.ok()) {
    // Release; partners: the acquires in IsHere and AllHere.
    here_[group / 64].fetch_or(uint64_t{1} << (group % 64), std::memory_order_release);
    groups_here_.fetch_add(1, std::memory_order_release);
  }
  GiveBuffer(std::move(buffer));
  return status;
}

// The one that was used last: its pages are there already, where those of another may not be.
std::vector<std::byte> LazyRows::TakeBuffer() const {
  const std::lock_guard lock(buffers_mutex_);
  if (buffers_.empty()) return {};
  std::vector<std::byte> buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void LazyRows::GiveBuffer(std::vector<std::byte> buffer) const {
  const std::lock_guard lock(buffers_mutex_);
  if (AllHere()) {
    buffers_.clear();
  } else {
    buffers_.push_back(std::move(buffer));
  }
}

Status LazyRows::Fetch(Slot first, size_t count) const {
  if (AllHere()) return {};
  for (size_t row = first; row < first + count; row = ((row >> shift_) + 1) << shift_) {
    const auto slot = static_cast<Slot>(row);
    if (!IsHere(slot)) VITRINE_RETURN_IF_ERROR(Fetch(slot));
  }
  return {};
}

Status LazyRows::Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const {
  if (AllHere() || count == 0) return {};
  const size_t first_group = first >> shift_;
  const size_t groups = ((first + count - 1) >> shift_) - first_group + 1;
  FirstFailure failure;
  ParallelFor(pool, parallelism, groups, [&](size_t, size_t i) {
    const auto slot = static_cast<Slot>((first_group + i) << shift_);
    if (!failure.failed() && !IsHere(slot)) failure.Note(Fetch(slot));
  });
  return failure.Take();
}

bool LazyRows::EnsureSlowly(Slot slot, Status& failure) const {
  Status status = Fetch(slot);
  if (status.ok()) return true;
  failure = std::move(status);
  return false;
}

size_t LazyRows::rows_here() const {
  return std::min(count_, groups_here_.load(std::memory_order_relaxed) << shift_);
}

}  // namespace vitrine
