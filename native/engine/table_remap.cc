#include "engine/table_remap.h"

#include <algorithm>
#include <utility>

#include "base/seeded_defect.h"
#include "engine/table.h"

namespace vitrine {

Status TableRemap::UseFile(std::unique_ptr<const FileRows> rows) {
  RemapState& state = table_.remap_;
  const std::lock_guard write(table_.write_mutex_);
  if (!SeededDefect("rows-of-file-before-lost")) {
    VITRINE_RETURN_IF_ERROR(table_.vectors_.KeepRowsNotIn(*rows, table_.occupied_));
  }
  state.left_files.reserve(state.left_files.size() + 1);
  if (auto left = table_.vectors_.UseFile(std::move(rows))) {
    state.left_files.push_back(std::move(left));
  }
  // A version of its own: who pins it looks where rows are now.
  state.version = table_.readers_.published() + 1;
  table_.readers_.Publish(state.version);
  state.next_row = 0;
  state.pending.store(true, std::memory_order_relaxed);
  return {};
}

TableRemap::Outcome TableRemap::GiveBackSome(size_t most) {
  RemapState& state = table_.remap_;
  if (!state.pending.load(std::memory_order_relaxed)) return Outcome::kDone;
  const std::lock_guard write(table_.write_mutex_);
  if (table_.readers_.OldestPin() < state.version && !SeededDefect("rows-given-back-too-early")) {
    return Outcome::kWaits;
  }
  if (state.next_row == 0) {
    // Who reads a row without a pin holds this.
    const std::unique_lock lock(table_.id_mutex_);
  }
  state.left_files.clear();
  const size_t count = std::min(most, table_.SlotLimit() - state.next_row);
  table_.vectors_.GiveBack(static_cast<Slot>(state.next_row), count, table_.occupied_);
  state.next_row += count;
  if (state.next_row < table_.SlotLimit()) return Outcome::kMore;
  state.pending.store(false, std::memory_order_relaxed);
  return Outcome::kDone;
}

void TableRemap::Distrust() {
  const std::lock_guard write(table_.write_mutex_);
  table_.vectors_.Distrust();
}

}  // namespace vitrine
