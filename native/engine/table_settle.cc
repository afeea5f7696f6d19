// A table whose rows are brought from its file while searches go on: writing comes after.

#include <algorithm>

#include "base/seeded_defect.h"
#include "engine/table.h"

namespace vitrine {

Result<bool> Table::SettleSome(size_t most) {
  if (settled()) return false;
  const std::lock_guard write(write_mutex_);
  return SettleSomeLocked(most, 1);
}

Status Table::Settle() {
  if (settled() || SeededDefect("written-before-brought")) return {};
  const Result<bool> more = SettleSomeLocked(SlotLimit(), Parallelism());
  return more.ok() ? Status() : more.status();
}

// REQUIRES: write_mutex_ is held
Result<bool> Table::SettleSomeLocked(size_t most, size_t threads) {
  if (settled()) return false;
  const auto first = static_cast<Slot>(settle_next_);
  const size_t count = std::min(most, settle_rows_ - settle_next_);
  VITRINE_RETURN_IF_ERROR(vectors_.Fetch(first, count, pool_, threads));
  VITRINE_RETURN_IF_ERROR(graph_.Fetch(first, count, pool_, threads));
  if (const CodeStore* const codes = codes_.load(std::memory_order_acquire)) {
    VITRINE_RETURN_IF_ERROR(codes->Fetch(first, count, pool_, threads));
  }
  settle_next_ += count;
  if (settle_next_ < settle_rows_) return true;
  if (linked()) graph_.FinishRestore(WriterScratch(0));
  settled_.store(true, std::memory_order_release);
  if (code_store_ != nullptr) CopyBytesIfWhole();
  // Nobody reads from the file any more: all that is brought is here.
  if (forget_source_) forget_source_();
  forget_source_ = nullptr;
  return false;
}

}  // namespace vitrine
