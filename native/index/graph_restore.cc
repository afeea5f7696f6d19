// Saving and loading: nodes and entries, word by word.

#include <algorithm>
#include <bit>
#include <utility>

#include "index/graph.h"

namespace vitrine {

void Graph::CopyNode(Slot slot, std::span<uint32_t> words) const {
  const RowLocks::Guard lock(locks_, slot);
  for (size_t i = 0; i < links_.width(); ++i) words[i] = links_.Load(slot, i);
}

size_t Graph::CopyEntries(EntryTable::Snapshot& out, uint64_t& offered, uint64_t& stride) const {
  const std::lock_guard lock(entry_mutex_);
  offered = entries_.offered();
  stride = entries_.stride();
  return entries_.Read(out);
}

void Graph::RestoreNode(Slot slot, std::span<const uint32_t> words) {
  StoreNode(slot, words);
  AddNode(slot);
}

void Graph::StoreNode(Slot slot, std::span<const uint32_t> words) {
  chosen_[slot].store({}, std::memory_order_relaxed);
  for (size_t i = 0; i < links_.width(); ++i) {
    links_.Store(slot, i, i < words.size() ? words[i] : kNoSlot);
  }
}

void Graph::RestoreLazily(size_t count, const SlotBitmap& outsiders,
                          std::unique_ptr<const LazyRows> rows) {
  size_t nodes = 0;
  for (size_t word = 0; word * 64 < count; ++word) {
    const uint64_t bits = SlotBitmap::WordOfFirst(count, word) & ~outsiders.Word(word);
    nodes_.SetWord(word, bits);
    nodes += static_cast<size_t>(std::popcount(bits));
  }
  size_.store(nodes, std::memory_order_relaxed);
  links_.StoreLazily(std::move(rows));
}

void Graph::RestoreEntries(std::span<const Slot> slots, uint64_t offered, uint64_t stride) {
  entries_.Restore(slots.data(), slots.size(), offered, stride);
}

void Graph::FinishRestore(LinkScratch& scratch) {
  ForEachNode([&](Slot slot) { in_degree_[slot].store(0, std::memory_order_relaxed); });
  ForEachNode([&](Slot slot) {
    for (size_t i = 0; i < links_.width(); ++i) {
      const uint32_t target = links_.Load(slot, i);
      if (Links::IsLink(target)) AddInDegree(target);
    }
  });
  Reconnect(scratch);
}

}  // namespace vitrine
