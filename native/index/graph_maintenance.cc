// Removal, and the passes that keep the graph whole: local repair, sweep, reachability.

#include <algorithm>

#include "index/graph.h"

namespace vitrine {
namespace {

// Of the two-hop neighbourhood of a removed node, this many nearest take part in the repair: fewer
// where nodes have many links and repair is not needed as much.
constexpr size_t kRepairCandidates = 50;
constexpr size_t kRepairCandidatesDense = 24;
constexpr size_t kDenseDegree = 16;
// Each former neighbour is linked with so many of them. Three keeps the mean degree, and with it
// the beam width that a recall needs, as it was; two or one let both decay.
constexpr size_t kRepairLinks = 3;
// Beam width of the search for a parent of an unreachable node.
constexpr size_t kReconnectEf = 100;
// Looks at all nodes for ways to an entry.
constexpr size_t kMarkRounds = 32;
constexpr size_t kReconnectRounds = 8;

}  // namespace

void Graph::Abandon(Slot slot) {
  if (!dead_.Set(slot)) return;
  dead_count_.fetch_add(1, std::memory_order_relaxed);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void Graph::Remove(Slot slot, LinkScratch& scratch) {
  if (dead_.Test(slot)) return;
  Abandon(slot);

  // The alive nodes within two links, each once, and those among them that link to `slot`.
  std::vector<Slot>& outgoing = scratch.outgoing;
  std::vector<Slot>& around = scratch.around;
  std::vector<Slot>& incoming = scratch.incoming;
  std::vector<Slot>& second = scratch.second;
  std::vector<Slot>& helpers = scratch.helpers;
  std::vector<Candidate>& ranked = scratch.ranked;
  CollectLinks(slot, outgoing);
  around.clear();
  incoming.clear();
  scratch.search.Prepare(1, nodes_.capacity());
  scratch.search.Visit(slot);
  const auto take = [&](Slot node) {
    if (!scratch.search.Visit(node) || dead_.Test(node)) return;
    around.push_back(node);
    for (size_t i = 0; i < links_.width(); ++i) {
      if (links_.Load(node, i) == slot) incoming.push_back(node);
    }
  };
  for (const Slot node : outgoing) take(node);
  for (const Slot node : outgoing) {
    CollectLinks(node, second);
    for (const Slot next : second) take(next);
  }
  scratch.search.ClearVisited();

  Rank(slot, around, scratch, scratch.nearest);
  const size_t limit = outgoing.size() > kDenseDegree ? kRepairCandidatesDense : kRepairCandidates;
  helpers.clear();
  for (size_t i = 0; i < scratch.nearest.size() && i < limit; ++i) {
    helpers.push_back(scratch.nearest[i].slot);
  }

  // Those that pointed to the removed node point to what it pointed to ...
  for (const Slot node : incoming) {
    Unlink(node, slot);
    Rank(node, helpers, scratch, ranked);
    size_t added = 0;
    for (size_t i = 0; i < ranked.size() && added < kRepairLinks; ++i) {
      if (ranked[i].slot == node) continue;
      Link(node, ranked[i].slot, scratch);
      ++added;
    }
  }
  // ... and those that it pointed to are pointed to by others.
  for (const Slot node : outgoing) {
    DropInDegree(node);
    if (dead_.Test(node)) continue;
    Rank(node, helpers, scratch, ranked);
    size_t added = 0;
    for (size_t i = 0; i < ranked.size() && added < kRepairLinks; ++i) {
      if (ranked[i].slot == node) continue;
      Link(ranked[i].slot, node, scratch);
      ++added;
    }
  }
}

void Graph::Unlink(Slot from, Slot to) {
  const RowLocks::Guard lock(locks_, from);
  chosen_[from].store({}, std::memory_order_relaxed);
  for (size_t i = 0; i < links_.width(); ++i) {
    if (links_.Load(from, i) == to) links_.Store(from, i, kNoSlot);
  }
}

std::vector<Slot> Graph::Sweep(LinkScratch& scratch) {
  std::vector<Slot> removed;
  std::vector<Slot> live;
  ForEachNode([&](Slot slot) { (dead_.Test(slot) ? removed : live).push_back(slot); });

  for (const Slot slot : live) in_degree_[slot].store(0, std::memory_order_relaxed);
  for (const Slot slot : live) {
    for (size_t i = 0; i < links_.width(); ++i) {
      const uint32_t word = links_.Load(slot, i);
      if (word == kNoSlot) continue;
      if (dead_.Test(Links::Target(word))) {
        chosen_[slot].store({}, std::memory_order_relaxed);
        links_.Store(slot, i, kNoSlot);
      } else if (Links::IsLink(word)) {
        AddInDegree(word);
      }
    }
  }

  {
    const std::lock_guard lock(entry_mutex_);
    EntryTable::Snapshot entries;
    for (size_t i = entries_.Read(entries); i-- > 0;) {
      if (!dead_.Test(entries[i])) continue;
      if (live.empty()) {
        entries_.Drop(i);
      } else {
        entries_.Replace(i, live[random_() % live.size()]);
      }
    }
  }

  // A node that nothing leads to is linked from its two nearest neighbours with room.
  std::vector<Slot> neighbours;
  std::vector<Candidate> ranked;
  for (const Slot slot : live) {
    if (in_degree_[slot].load(std::memory_order_relaxed) != 0) continue;
    CollectLinks(slot, neighbours);
    Rank(slot, neighbours, scratch, ranked);
    if (HandOver(slot, ranked)) HandOver(slot, ranked);
  }
  Reconnect(scratch);

  for (const Slot slot : removed) {
    nodes_.Clear(slot);
    dead_.Clear(slot);
  }
  dead_count_.fetch_sub(removed.size(), std::memory_order_relaxed);
  return removed;
}

void Graph::Reach(std::vector<Slot>& queue, std::vector<bool>& reached) const {
  while (!queue.empty()) {
    const Slot slot = queue.back();
    queue.pop_back();
    for (size_t i = 0; i < links_.width(); ++i) {
      const uint32_t word = links_.Load(slot, i);
      if (!Links::IsLink(word) || reached[word]) continue;
      reached[word] = true;
      queue.push_back(word);
    }
  }
}

std::vector<bool> Graph::ReachFrom(Slot slot) const {
  std::vector<bool> reached(nodes_.capacity());
  std::vector<Slot> queue{slot};
  reached[slot] = true;
  Reach(queue, reached);
  return reached;
}

template <typename Visitor>
void Graph::ForEachUnreached(const std::vector<bool>& reached, Visitor visit) const {
  ForEachNode([&](Slot slot) {
    if (!reached[slot] && !dead_.Test(slot)) visit(slot);
  });
}

std::span<const Slot> Graph::ReadLivingEntries(EntryTable::Snapshot& out) const {
  const size_t count = entries_.Read(out);
  const auto end = std::stable_partition(out.begin(), out.begin() + count,
                                         [&](Slot entry) { return !dead_.Test(entry); });
  const auto living = static_cast<size_t>(end - out.begin());
  return {out.data(), living > 0 ? living : std::min<size_t>(count, 1)};
}

size_t Graph::CountUnreachable() const {
  EntryTable::Snapshot read;
  const std::span<const Slot> entries = ReadLivingEntries(read);
  if (entries.empty()) return size();
  const Slot root = entries.front();
  const auto count_from = [&](const std::vector<bool>& reached) {
    size_t unreached = 0;
    ForEachUnreached(reached, [&](Slot) { ++unreached; });
    return unreached;
  };
  size_t count = count_from(ReachFrom(root));
  // An entry that leads to the root leads wherever that one does.
  if (AllLeadTo(root, entries)) return count;
  for (const Slot entry : entries.subspan(1)) {
    const std::vector<bool> reached = ReachFrom(entry);
    if (!reached[root]) count = std::max(count, count_from(reached));
  }
  return count;
}

bool Graph::IsConnected() const {
  EntryTable::Snapshot read;
  const std::span<const Slot> entries = ReadLivingEntries(read);
  if (entries.empty()) return size() == 0;
  const Slot root = entries.front();
  size_t unreached = 0;
  ForEachUnreached(ReachFrom(root), [&](Slot) { ++unreached; });
  return unreached == 0 && AllLeadTo(root, entries);
}

// Marks what links to a marked node, in the order of the rows, which memory likes, until all
// `entries` are marked; in a graph of short ways that is three or four times.
bool Graph::AllLeadTo(Slot root, std::span<const Slot> entries) const {
  std::vector<bool> leads(nodes_.capacity());
  leads[root] = true;
  const auto is_marked = [&](Slot slot) { return bool{leads[slot]}; };
  const auto links_to_marked = [&](Slot slot) {
    for (size_t i = 0; i < links_.width(); ++i) {
      const uint32_t word = links_.Load(slot, i);
      if (Links::IsLink(word) && leads[word]) return true;
    }
    return false;
  };
  for (size_t round = 0; round < kMarkRounds; ++round) {
    if (std::all_of(entries.begin(), entries.end(), is_marked)) return true;
    ForEachUnreached(leads, [&](Slot slot) { leads[slot] = links_to_marked(slot); });
  }
  return std::all_of(entries.begin(), entries.end(), is_marked);
}

// Pruning a full row to make room could cut off what is reached through it. So the new link takes
// the place of the farthest one, whose target is linked from `slot` instead: host -> slot ->
// target.
void Graph::InsertBehind(Slot host, Slot slot, LinkScratch& scratch) {
  std::vector<Slot> links;
  std::vector<Candidate> ranked;
  CollectLinks(host, links);
  Rank(host, links, scratch, ranked);
  const Slot target = ranked.back().slot;
  Append appended = TryAppend(slot, target);
  if (appended == Append::kFull) {
    // Nothing is reached through a node that is not reached itself.
    CollectLinks(slot, links);
    Rank(slot, links, scratch, ranked);
    Unlink(slot, ranked.back().slot);
    DropInDegree(ranked.back().slot);
    appended = TryAppend(slot, target);
  }
  if (appended == Append::kDone) AddInDegree(target);
  Unlink(host, target);
  DropInDegree(target);
  if (TryAppend(host, slot) == Append::kDone) AddInDegree(slot);
}

size_t Graph::LeadEntriesTo(std::span<const Slot> entries, LinkScratch& scratch) {
  const Slot root = entries.front();
  if (AllLeadTo(root, entries)) return 0;
  size_t count = 0;
  for (const Slot entry : entries.subspan(1)) {
    // Nearly always a walk gets there; only where it does not every link is followed.
    FindCandidates(root, {&entry, 1}, kReconnectEf, scratch);
    const bool found = std::any_of(scratch.candidates.begin(), scratch.candidates.end(),
                                   [&](const Candidate& met) { return met.slot == root; });
    if (found || ReachFrom(entry)[root]) continue;
    ++count;
    if (TryAppend(entry, root) == Append::kFull) {
      std::vector<Slot> links;
      std::vector<Candidate> ranked;
      CollectLinks(entry, links);
      Rank(entry, links, scratch, ranked);
      Unlink(entry, ranked.back().slot);
      DropInDegree(ranked.back().slot);
      (void)TryAppend(entry, root);
    }
    AddInDegree(root);
  }
  return count;
}

size_t Graph::LinkUnreached(Slot root, LinkScratch& scratch) {
  std::vector<bool> reached = ReachFrom(root);
  std::vector<Slot> queue;
  std::vector<Slot> neighbours;
  std::vector<Candidate> ranked;
  size_t count = 0;
  ForEachUnreached(reached, [&](Slot slot) {
    ++count;
    CollectLinks(slot, neighbours);
    std::erase_if(neighbours, [&](Slot node) { return !reached[node] || dead_.Test(node); });
    Rank(slot, neighbours, scratch, ranked);
    if (!HandOver(slot, ranked)) {
      EntryTable::Snapshot entries;
      const size_t entry_count = entries_.Read(entries);
      const auto end = std::remove_if(entries.begin(), entries.begin() + entry_count,
                                      [&](Slot entry) { return !reached[entry]; });
      FindCandidates(slot, {entries.begin(), end}, kReconnectEf, scratch);
      ranked.assign(scratch.candidates.begin(), scratch.candidates.end());
      // What a walk finds is reachable.
      if (!HandOver(slot, ranked) && !ranked.empty()) {
        InsertBehind(ranked.front().slot, slot, scratch);
      }
    }
    reached[slot] = true;
    queue.push_back(slot);
    Reach(queue, reached);
  });
  return count;
}

size_t Graph::Reconnect(LinkScratch& scratch) {
  EntryTable::Snapshot read;
  const std::span<const Slot> entries = ReadLivingEntries(read);
  if (entries.empty()) return 0;
  // Where rows are full, one may undo what the other did.
  size_t count = 0;
  for (size_t round = 0; round < kReconnectRounds; ++round) {
    const size_t led = LeadEntriesTo(entries, scratch);
    const size_t linked = LinkUnreached(entries.front(), scratch);
    count += linked;
    if (led == 0 && linked == 0) break;
  }
  return count;
}

}  // namespace vitrine
