#include "engine/recall_check.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace vitrine {
namespace {

// A step multiplies about so many components.
constexpr size_t kCheckWork = size_t{8} << 20;
constexpr size_t kCheckRows = 64;

}  // namespace

RecallCheck::RecallCheck(const Table& table, const void* query, size_t k, std::span<const Hit> hits,
                         uint64_t snapshot, std::shared_ptr<const PointFilter> filter)
    : table_(table),
      lease_(table.readers_.Acquire()),
      valid_(lease_.snapshot() == snapshot),
      k_(k),
      filter_(std::move(filter)),
      query_(static_cast<const std::byte*>(query),
             static_cast<const std::byte*>(query) + table.vector_bytes()),
      scorers_(table.Forms(nullptr), query_.data(), lease_.scratch()) {
  found_.reserve(hits.size());
  for (const Hit& hit : hits) found_.push_back(hit.distance);
  nearest_.reserve(std::min(k, table.size()));
}

bool RecallCheck::Step() {
  const VectorScorer& scorer = scorers_.exact();
  const SnapshotVisible visible = table_.VisibleAt(lease_.snapshot());
  const size_t limit = table_.SlotLimit();
  size_t left = std::max(kCheckWork / table_.dimension(), kCheckRows);
  const auto offer = [&](float distance) {
    if (nearest_.size() == k_) {
      if (distance >= nearest_.front()) return;
      std::pop_heap(nearest_.begin(), nearest_.end());
      nearest_.pop_back();
    }
    nearest_.push_back(distance);
    std::push_heap(nearest_.begin(), nearest_.end());
  };
  for (; left > 0 && next_word_ * 64 < limit; ++next_word_, left -= std::min(left, kCheckRows)) {
    Slot slots[kCheckRows];
    RowRef refs[kCheckRows + 3];
    float distances[kCheckRows + 3];
    size_t count = 0;
    for (uint64_t rows = AllowedRows(next_word_); rows != 0; rows &= rows - 1) {
      const auto slot =
          static_cast<Slot>(next_word_ * 64 + static_cast<size_t>(std::countr_zero(rows)));
      if (!visible(slot)) continue;
      refs[count] = scorer.Ref(slot);
      slots[count++] = slot;
    }
    if (count == 0) continue;
    scorer.Score(refs, slots, count, distances);
    for (size_t i = 0; i < count; ++i) {
      if (nearest_.size() == k_ && distances[i] >= nearest_.front()) continue;
      const bool has_guests = table_.shared_.Test(slots[i]);
      if (table_.RowVisible(slots[i], lease_.snapshot()) &&
          table_.OwnerIsHere(slots[i], lease_.scratch().failure) &&
          Allows(table_.OwnerId(slots[i]))) {
        offer(distances[i]);
      }
      if (!has_guests) continue;
      table_.shared_rows_.ForEachVisible(slots[i], lease_.snapshot(), [&](PointId id) {
        if (Allows(id)) offer(distances[i]);
        return true;
      });
    }
  }
  return next_word_ * 64 < limit;
}

uint64_t RecallCheck::AllowedRows(size_t word) const {
  const uint64_t rows = table_.occupied_.Word(word);
  if (filter_ == nullptr) return rows;
  const SlotBitmap& allowed = filter_->slots();
  return word * 64 < allowed.capacity() ? rows & allowed.Word(word) : 0;
}

size_t RecallCheck::missed() const {
  if (nearest_.empty()) return 0;
  const float farthest = nearest_.front();
  const auto found =
      std::count_if(found_.begin(), found_.end(), [&](float d) { return d <= farthest; });
  return nearest_.size() - std::min(nearest_.size(), static_cast<size_t>(found));
}

}  // namespace vitrine
