#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/platform.h"
#include "base/slot.h"
#include "base/status.h"
#include "index/code_rerank.h"
#include "index/code_store.h"
#include "index/sketch_store.h"

namespace vitrine {

// The nearest nodes that one search has met, ascending by distance, in two arrays of 64-byte
// aligned blocks: `distance[i]` and `tagged[i]`, a slot with two tags in its upper bits. The search
// loop works on the arrays directly (index/walk_impl.h); everyone else reads.
struct CandidatePool {
  static constexpr uint32_t kExpanded = 0x80000000u;  // its links have been read
  static constexpr uint32_t kTransit = 0x40000000u;   // walked through, but no result
  static constexpr uint32_t kSlotMask = 0x3fffffffu;

  float* distance = nullptr;
  uint32_t* tagged = nullptr;
  size_t room = 0;     // places in the arrays, a multiple of 16
  size_t size = 0;     // entries in use
  size_t ef = 0;       // entries kept, transit entries not counted
  size_t transit = 0;  // transit entries among `size`

  Slot slot(size_t i) const { return tagged[i] & kSlotMask; }
  bool is_result(size_t i) const { return (tagged[i] & kTransit) == 0; }
};

// The memory of one search at a time: candidate pool, visited marks, and the rows that wait to be
// scored. Reused from search to search; grows, never shrinks. It also carries the search's pin:
// the version of the table from which on nothing may be reclaimed.
class Scratch {
 public:
  // Rows collected in one step: the links of some nodes (up to 256 each), or 96 under a filter.
  static constexpr size_t kStep = 256 + 64;
  // Transit entries that a pool may hold beside its `ef`; what lies behind is forgotten.
  static constexpr size_t kMaxTransit = 2048;

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Makes room for a search of beam width `ef` over `slots` slots. May throw std::bad_alloc, and
  // then the scratch is as it was.
  void Prepare(size_t ef, size_t slots);
  // Forgets the visited marks of the search that has ended.
  void ClearVisited();

  // Marks `slot`; whether it was unmarked.
  VITRINE_ALWAYS_INLINE bool Visit(Slot slot) {
    uint32_t& word = visited[slot / 32];
    const uint32_t bit = 1u << (slot % 32);
    if ((word & bit) != 0) return false;
    word |= bit;
    Log(&slot, 1);
    return true;
  }
  // Notes that the words of slots must be cleared afterwards.
  VITRINE_ALWAYS_INLINE void Log(const Slot* slots, size_t count) {
    if (touched_count + count <= touched_room) {
      for (size_t i = 0; i < count; ++i) touched[touched_count + i] = slots[i];
      touched_count += count;
    } else {
      touched_count = touched_room + 1;
    }
  }

  // May be asked while a search uses the scratch.
  size_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

  CandidatePool pool;

  // Visited marks, one bit a slot, and the slots whose words were touched. When more were touched
  // than the log holds, all words are cleared: that is cheaper by then.
  uint32_t* visited = nullptr;
  Slot slot_limit = 0;  // marks exist for slots below it; a walk ignores links to later ones
  Slot* touched = nullptr;
  size_t touched_count = 0;
  size_t touched_room = 0;

  // The rows to be scored next.
  alignas(64) Slot step_slots[kStep + 16];
  alignas(64) float step_distances[kStep + 16];
  union {
    alignas(64) const std::byte* step_rows[kStep + 16];
    alignas(64) const uint8_t* step_codes[kStep + 16];
  };
  alignas(64) float step_factors[kStep + 16];
  size_t step_count = 0;

  // The places of the step's rows, for a scorer whose rows are of the argument's type.
  const std::byte** StepRefs(const std::byte*) { return step_rows; }
  const uint8_t** StepRefs(const uint8_t*) { return step_codes; }

  // A search on codes: its query, also as f32 where it is of another type and as bytes where rows
  // are compared as such, and its candidates while they are reranked.
  CodeQuery code_query;
  std::vector<float> float_query;
  std::vector<uint8_t> byte_query;
  std::vector<RankedSlot> ranked;
  // A scan of sketches: its query, and the rows that it found.
  SketchQuery sketch_query;
  std::vector<RankedSlot> sketched;

  // Why a row could not be read that the search came upon, if there was one: then what it found
  // means nothing. Reset when the scratch is lent.
  Status failure;

  // The version that a reader holds, kUnpinned outside of searches. Sequentially consistent on
  // both sides; partner: ReaderPool::OldestPin in engine/reader_pool.h.
  static constexpr uint64_t kUnpinned = ~uint64_t{0};
  alignas(64) std::atomic<uint64_t> pin{kUnpinned};

 private:
  struct FreeAligned {
    void operator()(void* memory) const;
  };
  using AlignedBytes = std::unique_ptr<std::byte, FreeAligned>;
  static AlignedBytes AllocateAligned(size_t bytes);

  AlignedBytes pool_memory_;
  AlignedBytes visited_memory_;
  AlignedBytes touched_memory_;
  size_t visited_words_ = 0;
  std::atomic<size_t> memory_bytes_{0};  // relaxed: a figure for people
};

}  // namespace vitrine
