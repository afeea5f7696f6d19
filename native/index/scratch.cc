#include "index/scratch.h"

#include <cstring>
#include <new>

namespace vitrine {
namespace {
constexpr std::align_val_t kLine{64};
// The touched log never needs to be longer than the bitmap has words, and seldom as long.
constexpr size_t kMinTouched = 4096;
// A bitmap of so many words is cleared in less time than it takes to note what was touched.
constexpr size_t kClearedWhole = 2048;

size_t RoundUp(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
}  // namespace

void Scratch::FreeAligned::operator()(void* memory) const { ::operator delete(memory, kLine); }

Scratch::AlignedBytes Scratch::AllocateAligned(size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(::operator new(bytes, kLine)));
}

void Scratch::Prepare(size_t ef, size_t slots) {
  const size_t words = RoundUp(slots / 32 + 1, 16);
  if (words > visited_words_) {
    // A quarter more than asked for, so that a growing table does not allocate at every search.
    const size_t grown = RoundUp(words + words / 4, 16);
    const size_t log = grown <= kClearedWhole    ? 0
                       : grown / 4 > kMinTouched ? grown / 4
                                                 : kMinTouched;
    AlignedBytes bits = AllocateAligned(grown * sizeof(uint32_t));
    AlignedBytes list = AllocateAligned(log * sizeof(Slot));
    std::memset(bits.get(), 0, grown * sizeof(uint32_t));
    visited_memory_ = std::move(bits);
    touched_memory_ = std::move(list);
    visited = reinterpret_cast<uint32_t*>(visited_memory_.get());  // NOLINT
    touched = reinterpret_cast<Slot*>(touched_memory_.get());      // NOLINT
    visited_words_ = grown;
    slot_limit = static_cast<Slot>(grown * 32 < kMaxSlots ? grown * 32 : kMaxSlots);
    touched_room = log;
    touched_count = 0;
  }
  const size_t room = RoundUp(ef + kMaxTransit + 17, 16);
  if (room > pool.room) {
    AlignedBytes memory = AllocateAligned(room * (sizeof(float) + sizeof(uint32_t)));
    pool_memory_ = std::move(memory);
    pool.distance = reinterpret_cast<float*>(pool_memory_.get());  // NOLINT
    pool.tagged = reinterpret_cast<uint32_t*>(pool.distance + room);
    pool.room = room;
  }
  memory_bytes_.store(sizeof(*this) + visited_words_ * sizeof(uint32_t) +
                          touched_room * sizeof(Slot) +
                          pool.room * (sizeof(float) + sizeof(uint32_t)),
                      std::memory_order_relaxed);
  pool.ef = ef;
  pool.size = 0;
  pool.transit = 0;
  step_count = 0;
}

void Scratch::ClearVisited() {
  if (touched_count > touched_room) {
    std::memset(visited, 0, visited_words_ * sizeof(uint32_t));
  } else {
    for (size_t i = 0; i < touched_count; ++i) visited[touched[i] / 32] = 0;
  }
  touched_count = 0;
}

}  // namespace vitrine
