#include "engine/image_links.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/splitmix64.h"
#include "engine/table_file_format.h"
#include "index/links.h"

namespace vitrine {
namespace {

// Looks at all nodes for ways to an entry.
constexpr size_t kMarkRounds = 32;

bool IsSet(const std::atomic<bool>* flag) {
  // Relaxed: a flag without anything behind it.
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

}  // namespace

void ImageLinks::Digest::Add(Slot slot, std::span<const uint32_t> words) {
  // Mixed, so that sums of several rows tell them apart.
  sum_ += MixBits(uint64_t{Crc32c(std::as_bytes(words))} << 32 | slot);
}

void ImageLinks::Read(Slot slot, std::span<uint32_t> words) const {
  graph_.CopyNode(slot, words);
  const size_t most = 2 * graph_.options().m;
  size_t links = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t word = words[i];
    if (word == kNoSlot) continue;
    const Slot target = Links::Target(word);
    const bool is_link = Links::IsLink(word);
    if (!nodes_.Has(target) || target == slot ||
        (is_link && (links == most || HasLink(words.first(i), target)))) {
      words[i] = kNoSlot;
    } else {
      links += is_link ? 1 : 0;
    }
  }
}

bool ImageLinks::LeadEverywhere(std::span<const Slot> entries, const Digest& written,
                                const std::atomic<bool>* cancelled) const {
  if (entries.empty()) return nodes_.size() == 0;
  if (!AllLeadTo(entries.front(), entries, cancelled)) return false;
  // An entry that leads to the first leads wherever that one does. Read last: what has the digest
  // of what was written has not changed in between.
  Digest read;
  return CountReached(entries.front(), read, cancelled) == nodes_.size() && read == written;
}

// Marks what links to a marked node, in the order of the rows, which memory likes, until all
// `entries` are marked; in a graph of short ways that is three or four times.
bool ImageLinks::AllLeadTo(Slot root, std::span<const Slot> entries,
                           const std::atomic<bool>* cancelled) const {
  Marks leads(nodes_.slots());
  std::vector<uint32_t> words(graph_.width());
  leads[root] = true;
  const auto is_marked = [&](Slot slot) { return bool{leads[slot]}; };
  for (size_t round = 0; round < kMarkRounds && !IsSet(cancelled); ++round) {
    if (std::all_of(entries.begin(), entries.end(), is_marked)) return true;
    (void)nodes_
        .ForEach([&](Slot slot) {
          if (leads[slot]) return Status();
          Read(slot, words);
          leads[slot] = std::any_of(words.begin(), words.end(), [&](uint32_t word) {
            return Links::IsLink(word) && leads[word];
          });
          return Status();
        })
        .ok();
  }
  return std::all_of(entries.begin(), entries.end(), is_marked);
}

size_t ImageLinks::CountReached(Slot root, Digest& read, const std::atomic<bool>* cancelled) const {
  Marks reached(nodes_.slots());
  Marks followed(nodes_.slots());
  std::vector<uint32_t> words(graph_.width());
  size_t count = 0;
  reached[root] = true;
  for (bool any = true; any && !IsSet(cancelled);) {
    any = false;
    (void)nodes_
        .ForEach([&](Slot slot) {
          if (!reached[slot] || followed[slot]) return Status();
          followed[slot] = any = true;
          ++count;
          Read(slot, words);
          read.Add(slot, words);
          for (const uint32_t word : words) {
            if (Links::IsLink(word)) reached[word] = true;
          }
          return Status();
        })
        .ok();
  }
  return count;
}

}  // namespace vitrine
