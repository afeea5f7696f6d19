#include "index/vector_store.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/seeded_defect.h"

namespace vitrine {
namespace {

// Rows are rounded up to whole cache lines where that costs little (up to 1/32), because a row
// that starts on a line touches one line fewer. Short rows stay packed: memory counts there.
size_t RowBytes(size_t packed) {
  const size_t aligned = (packed + 63) & ~size_t{63};
  return aligned - packed <= packed / 32 ? aligned : packed;
}

// Groups of rows are about as long as a page.
constexpr size_t kGroupBytes = 4096;

PageBlock::Pages PagesFor(VectorPlace place) {
  return place == VectorPlace::kMapped ? PageBlock::Pages::kSmall : PageBlock::Pages::kHuge;
}

}  // namespace

VectorStore::VectorStore(size_t dimension, Metric metric, const KernelTable& kernels,
                         VectorType type, VectorPlace place)
    : dimension_(dimension),
      metric_(metric),
      type_(type),
      place_(place),
      kernels_(kernels),
      scoring_(ScoringOf(type, metric, dimension, kernels)),
      rows_(RowBytes(VectorBytes(type, dimension)), PagesFor(place)) {
  while ((row_bytes() << group_shift_) < kGroupBytes) ++group_shift_;
}

bool VectorStore::Grow(size_t count, PageRegion* region) {
  return rows_.Grow(count) && (!has_factors() || factors_.Grow(count, region)) &&
         (!keeps_in_file() || groups_in_memory_.Grow((count >> group_shift_) + 1));
}

void VectorStore::UseMapped(std::unique_ptr<const MappedRows> rows) {
  mapped_ = std::move(rows);
  const MappedRows::Layout& layout = mapped_->layout();
  rows_.Borrow(layout.data, layout.row_bytes, layout.count);
}

void VectorStore::RestoreRow(Slot slot, const void* vector) {
  std::memcpy(rows_.Row(slot), vector, vector_bytes());
}

void VectorStore::NoteFactor(Slot slot, const void* vector) {
  if (has_factors()) factors_[slot] = FactorOf(static_cast<const std::byte*>(vector));
}

Status VectorStore::KeepRowsNotIn(const FileRows& next, const SlotBitmap& used) {
  if (used_file_ == nullptr) return {};
  const size_t slots = std::min(rows_.capacity(), used.capacity());
  for (size_t i = 0; i < slots; ++i) {
    const auto slot = static_cast<Slot>(i);
    const Slot place = used_file_->PlaceOf(slot);
    if (place == kNoSlot || next.PlaceOf(slot) != kNoSlot || !used.Test(slot)) continue;
    VITRINE_RETURN_IF_ERROR(used_file_->mapped().Verify(place));
    NoteInMemory(slot);
    // Where the memory was not given back yet, a reader may still have it in hand: it is the same.
    const std::byte* const row = used_file_->mapped().Row(place);
    if (std::memcmp(rows_.Row(slot), row, vector_bytes()) == 0) continue;
    std::memcpy(rows_.Row(slot), row, vector_bytes());
  }
  return {};
}

std::unique_ptr<const FileRows> VectorStore::UseFile(std::unique_ptr<const FileRows> rows) {
  assert(keeps_in_file());
  std::swap(rows, used_file_);
  file_bytes_.store(used_file_->memory_bytes(), std::memory_order_relaxed);
  // Release; partner: the acquire in file().
  file_.store(used_file_.get(), std::memory_order_release);
  // Release: who sees that all is to be trusted sees the file of which that is true.
  is_distrusted_.store(false, std::memory_order_release);
  return rows;
}

void VectorStore::NoteInMemory(Slot slot) {
  if (groups_in_memory_.Set(slot >> group_shift_)) {
    group_count_.fetch_add(1, std::memory_order_relaxed);
  }
}

// Whether nobody needs what is in memory of each row of a group.
bool VectorStore::CanBeGivenBack(const FileRows& file, size_t group, const SlotBitmap& used) const {
  for (size_t i = 0; i < size_t{1} << group_shift_; ++i) {
    const auto slot = static_cast<Slot>((group << group_shift_) + i);
    if (used.Test(slot) && file.PlaceOf(slot) == kNoSlot) return false;
  }
  return true;
}

void VectorStore::GiveBack(Slot first, size_t count, const SlotBitmap& used) {
  const FileRows* const file = this->file();
  if (file == nullptr) return;
  const size_t end = (first + count) >> group_shift_;
  for (size_t group = first >> group_shift_; group < end;) {
    size_t past = group;
    size_t given = 0;
    for (; past < end && CanBeGivenBack(*file, past, used); ++past) {
      given += groups_in_memory_.Clear(static_cast<Slot>(past)) ? 1 : 0;
    }
    if (given > 0) {
      rows_.Discard(static_cast<Slot>(group << group_shift_), (past - group) << group_shift_);
      group_count_.fetch_sub(given, std::memory_order_relaxed);
    }
    group = past + 1;
  }
}

void VectorStore::Distrust() const {
  const FileRows* const file = this->file();
  if (file == nullptr) return;
  file->mapped().Distrust();
  is_distrusted_.store(true, std::memory_order_release);
}

Status VectorStore::VerifyAgain(Slot slot, size_t& block) const {
  const FileRows* const file = this->file();
  const Slot place = file == nullptr ? kNoSlot : file->PlaceOf(slot);
  if (place == kNoSlot || SeededDefect("damage-copied")) return {};
  return file->mapped().VerifyAgain(place, block);
}

Status VectorStore::VerifySlowly(Slot slot) const {
  if (lazy_ != nullptr && !lazy_->IsHere(slot)) VITRINE_RETURN_IF_ERROR(lazy_->Fetch(slot));
  if (const FileRows* const file = this->file()) {
    const Slot place = file->PlaceOf(slot);
    return place == kNoSlot ? Status() : file->mapped().Verify(place);
  }
  return mapped_ == nullptr ? Status() : mapped_->Verify(slot);
}

Status VectorStore::VerifyAll() const {
  if (lazy_ != nullptr) VITRINE_RETURN_IF_ERROR(lazy_->FetchAll());
  if (keeps_in_file()) return is_distrusted() ? file()->mapped().VerifyAll() : Status();
  return mapped_ == nullptr ? Status() : mapped_->VerifyAll();
}

const std::byte* VectorStore::RowOnDemand(Slot slot, Status* failure) const {
  return IsVerified(slot) ? Row(slot) : VerifiedRow(slot, failure);
}

const std::byte* VectorStore::VerifiedRow(Slot slot, Status* failure) const {
  Status status = VerifySlowly(slot);
  if (status.ok()) return Row(slot);
  assert(failure != nullptr);
  *failure = std::move(status);
  if (const FileRows* const file = this->file()) return file->mapped().zeros();
  return mapped_ == nullptr ? rows_.Row(slot) : mapped_->zeros();
}

size_t VectorStore::memory_bytes(size_t slots) const {
  const size_t beside = has_factors() ? slots * sizeof(float) : 0;
  if (mapped_ != nullptr) return beside + mapped_->memory_bytes();
  if (!keeps_in_file()) return beside + slots * row_bytes();
  const size_t groups = group_count_.load(std::memory_order_relaxed);
  return beside + groups * (row_bytes() << group_shift_) +
         file_bytes_.load(std::memory_order_relaxed);
}

void VectorStore::Put(Slot slot, const void* vector) {
  std::memcpy(rows_.Row(slot), vector, vector_bytes());
  if (keeps_in_file()) {
    NoteInMemory(slot);
    if (used_file_ != nullptr && !SeededDefect("written-row-read-from-file")) {
      used_file_->Leave(slot);
    }
  }
  if (has_factors()) factors_[slot] = FactorOf(rows_.Row(slot));
}

float VectorStore::FactorOf(const std::byte* vector) const {
  if (!has_factors()) return 0;
  const double squared = SquaredNormOf(type_, scoring_, vector);
  if (metric_ == Metric::kJaccard) return static_cast<float>(squared);
  const double norm = std::sqrt(squared);
  if (metric_ == Metric::kIp) return norm < FLT_MAX ? static_cast<float>(norm) : FLT_MAX;
  if (squared == 0) return 0;
  // A norm below about 3e-39 has no finite inverse in f32; the largest one keeps the direction.
  const double inverse = 1 / norm;
  return inverse > FLT_MAX ? FLT_MAX : static_cast<float>(inverse);
}

VectorScorer VectorStore::ScorerFor(const void* query, Status* failure) const {
  const auto* const vector = static_cast<const std::byte*>(query);
  return {this, {vector, has_zeros() ? FactorOf(vector) : 0}, failure};
}

VectorScorer VectorStore::ScorerFor(Slot slot, Status* failure) const {
  return {this, {Row(slot), has_factors() ? factors_[slot] : 0}, failure};
}

const float* VectorStore::AsFloats(const void* vector, std::vector<float>& work) const {
  if (type_ == VectorType::kF32) return static_cast<const float*>(vector);
  work.resize(dimension_);
  ToFloats(type_, vector, dimension_, work.data());
  return work.data();
}

void VectorScorer::ScoreNothing(size_t count, float* distances) {
  std::fill(distances, distances + count, FLT_MAX);
}

float VectorScorer::ScoreOne(Slot slot) const {
  RowRef refs[4] = {Ref(slot)};
  float distances[4];
  Score(refs, &slot, 1, distances);
  return distances[0];
}

}  // namespace vitrine
