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
  if (SeededDefect("written-before-brought")) return {};
  while (!settled()) {
    const Result<bool> more = SettleSomeLocked(SlotLimit(), Parallelism());
    if (!more.ok()) return more.status();
  }
  // Links are chosen by rows that nobody looks at twice.
  return vectors_.is_distrusted() ? vectors_.VerifyAll() : Status();
}

// REQUIRES: write_mutex_ is held
Result<bool> Table::SettleSomeLocked(size_t most, size_t threads) {
  if (settled()) return false;
  if (settle_next_ < 2 * settle_rows_) {
    VITRINE_RETURN_IF_ERROR(BringSome(most, threads));
    if (settle_next_ < 2 * settle_rows_) return true;
  }
  // Where memory runs out this is done again.
  if (!settle_restored_) {
    if (linked()) graph_.FinishRestore(WriterScratch(0));
    settle_restored_ = true;
    // Nobody reads from the file any more: all that is brought is here.
    if (forget_source_) forget_source_();
    forget_source_ = nullptr;
    return true;
  }
  if (code_store_ != nullptr && CopySomeBytes(most, threads)) return true;
  settled_.store(true, std::memory_order_release);
  return false;
}

// Of all rows what walks go by, a fraction of the bytes, and then of all rows their vectors.
Status Table::BringSome(size_t most, size_t threads) {
  const bool for_walks = settle_next_ < settle_rows_;
  const size_t next = for_walks ? settle_next_ : settle_next_ - settle_rows_;
  const auto first = static_cast<Slot>(next);
  const size_t count = std::min(most, settle_rows_ - next);
  if (!for_walks) {
    VITRINE_RETURN_IF_ERROR(vectors_.Fetch(first, count, pool_, threads));
  } else {
    VITRINE_RETURN_IF_ERROR(graph_.Fetch(first, count, pool_, threads));
    if (const CodeStore* const codes = codes_.load(std::memory_order_acquire)) {
      VITRINE_RETURN_IF_ERROR(codes->Fetch(first, count, pool_, threads));
    }
  }
  settle_next_ += count;
  return {};
}

}  // namespace vitrine
