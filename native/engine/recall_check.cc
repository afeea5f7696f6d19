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
    : lease_(table.Read()),
      table_(table, lease_),
      valid_(lease_.snapshot() == snapshot),
      k_(k),
      filter_(std::move(filter)),
      query_(static_cast<const std::byte*>(query),
             static_cast<const std::byte*>(query) + table.vector_bytes()),
      scorers_(table_.Forms(nullptr), query_.data(), lease_.scratch()) {
  found_.reserve(hits.size());
  for (const Hit& hit : hits) found_.push_back(hit.distance);
  nearest_.reserve(std::min(k, table.size()));
}

bool RecallCheck::Step() {
  const VectorScorer& scorer = scorers_.exact();
  const size_t limit = table_.SlotLimit();
  const SlotBitmap* const allowed = filter_ == nullptr ? nullptr : &filter_->slots();
  size_t left = std::max(kCheckWork / table_.vectors().dimension(), kCheckRows);
  for (; left > 0 && next_word_ * 64 < limit; ++next_word_, left -= std::min(left, kCheckRows)) {
    Slot slots[kCheckRows];
    RowRef refs[kCheckRows + 3];
    float distances[kCheckRows + 3];
    size_t count = 0;
    uint64_t rows = table_.VisibleRows(next_word_, table_.AllowedRows(next_word_, allowed));
    for (; rows != 0; rows &= rows - 1) {
      const auto slot =
          static_cast<Slot>(next_word_ * 64 + static_cast<size_t>(std::countr_zero(rows)));
      refs[count] = scorer.Ref(slot);
      slots[count++] = slot;
    }
    if (count == 0) continue;
    scorer.Score(refs, slots, count, distances);
    for (size_t i = 0; i < count; ++i) {
      if (nearest_.size() == k_ && distances[i] >= nearest_.front()) continue;
      table_.ForEachPointOfRow(slots[i], filter_.get(), [&](PointId) {
        KeepLeast(nearest_, k_, distances[i]);
        return true;
      });
    }
  }
  return next_word_ * 64 < limit;
}

size_t RecallCheck::missed() const {
  if (nearest_.empty()) return 0;
  const float farthest = nearest_.front();
  const auto found =
      std::count_if(found_.begin(), found_.end(), [&](float d) { return d <= farthest; });
  return nearest_.size() - std::min(nearest_.size(), static_cast<size_t>(found));
}

}  // namespace vitrine
