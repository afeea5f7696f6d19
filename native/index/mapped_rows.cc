#include "index/mapped_rows.h"

#include <bit>
#include <utility>

namespace vitrine {

MappedRows::MappedRows(const Layout& layout, VerifyBlock verify, Known known)
    : layout_(layout),
      shift_(static_cast<unsigned>(std::countr_zero(layout.block_bytes))),
      verify_(std::move(verify)),
      words_((layout.count * layout.row_bytes >> shift_) / 64 + 1),
      verified_(std::make_unique<std::atomic<uint64_t>[]>(words_)),
      zeros_(layout.row_bytes) {
  if (known == Known::kNothing) return;
  for (size_t i = 0; i < words_; ++i) verified_[i].store(~uint64_t{0}, std::memory_order_relaxed);
}

Status MappedRows::Verify(Slot slot) const {
  const size_t last = LastBlock(slot);
  for (size_t block = FirstBlock(slot); block <= last; ++block) {
    std::atomic<uint64_t>& word = verified_[block / 64];
    const uint64_t bit = uint64_t{1} << (block % 64);
    if ((word.load(std::memory_order_acquire) & bit) != 0) continue;
    VITRINE_RETURN_IF_ERROR(verify_(block));
    // Release; partner: the acquire in IsVerified.
    word.fetch_or(bit, std::memory_order_release);
  }
  return {};
}

Status MappedRows::VerifyAll() const {
  for (size_t row = 0; row < layout_.count; ++row) {
    VITRINE_RETURN_IF_ERROR(Verify(static_cast<Slot>(row)));
  }
  return {};
}

void MappedRows::Distrust() const {
  for (size_t i = 0; i < words_; ++i) verified_[i].store(0, std::memory_order_relaxed);
}

Status MappedRows::VerifyAgain(Slot slot, size_t& block) const {
  const size_t last = LastBlock(slot);
  for (size_t next = FirstBlock(slot); next <= last; ++next) {
    if (next == block) continue;
    VITRINE_RETURN_IF_ERROR(verify_(next));
    block = next;
  }
  return {};
}

}  // namespace vitrine
