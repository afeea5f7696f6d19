#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/slot_array.h"
#include "base/splitmix64.h"
#include "index/code_store.h"
#include "index/entry_table.h"
#include "index/links.h"
#include "index/neighbour_selection.h"
#include "index/pair_distances.h"
#include "index/row_locks.h"
#include "index/scratch.h"
#include "index/vector_store.h"
#include "index/walk.h"

namespace vitrine {

struct GraphOptions {
  size_t m = 16;  // half of a node's links, 2 ... 128
  // How hard to look for a node's neighbours, on the scale of HNSW: the graph is as good as the one
  // that HNSW builds with this beam width. The beam used is narrower, see Graph.
  size_t ef_construction = 200;
  uint64_t seed = 0;  // of the choices left to chance (new entries after a sweep)
};

// The memory of one thread that changes the graph: a search's scratch and the lists of linking.
struct LinkScratch {
  // `vectors` outlives it.
  LinkScratch(const VectorStore& vectors, const GraphOptions& options);

  Scratch search;
  PairDistances pairs;
  NeighbourSelection selection;
  std::vector<Candidate> candidates;
  std::vector<Candidate> nearest;  // candidates by distance to another node than the first
  std::vector<Slot> slots;         // what waits to be scored
  std::vector<float> distances;
  PairDistances::Source source = PairDistances::Source::kVectors;  // of the last pruning
  std::vector<Slot> added;      // what the last pruning linked that was not linked before
  std::vector<Slot> evicted;    // what it left out
  std::vector<uint32_t> words;  // a row, as it was read
  // Removal:
  std::vector<Slot> outgoing;  // the nodes that the removed one links to
  std::vector<Slot> around;    // the nodes within two links of it
  std::vector<Slot> incoming;  // those among them that link to it
  std::vector<Slot> second;    // the links of one of its neighbours
  std::vector<Slot> helpers;   // the nearest of `around`, which are linked with one another
  std::vector<Candidate> ranked;
};

// A flat proximity graph over the rows of a VectorStore: each node links to up to `2 * m` near and
// diverse others; there are no layers, walks begin at the entry table. It knows geometry only:
// which rows are points, and what they are called, is the table's business (engine/table.h).
//
// Thread safety: walks may run at any time, beside everything. `Insert` may run on many threads at
// once. `Grow`, `Remove`, `Sweep` and `Restore*` need to be the only writer.
class Graph {
 public:
  // `vectors` outlives the graph.
  Graph(const VectorStore& vectors, const GraphOptions& options);

  // From now on changes look for neighbours, and choose among them, by the codes of the rows, which
  // every node has, wherever those tell neighbours apart. `codes` outlives the graph.
  void UseCodes(const CodeStore& codes) { codes_ = &codes; }

  // Makes nodes [0, count) possible; false when memory is refused.
  [[nodiscard]] bool Grow(size_t count);

  // Makes room in `scratch` for changes: until the graph grows, Insert, Relink and Remove allocate
  // nothing. May throw std::bad_alloc.
  void Prepare(LinkScratch& scratch) const;

  // A new node for row `slot`. When a node with equal bytes is there, nothing changes and that
  // node is returned: equal vectors share a node, because copies never rule each other out and
  // would fill each other's links.
  // REQUIRES: the row holds its vector; the slot is not in the graph
  std::optional<Slot> Insert(Slot slot, LinkScratch& scratch);

  // Chooses the links of node `slot` anew, as if it were inserted now: what came early was linked
  // when the graph was small, and walks pass there most. May throw std::bad_alloc when `care` is
  // full, and then nothing has changed.
  // REQUIRES: IsAlive(slot)
  enum class Care : uint8_t {
    kUsual,  // as an insertion
    kFull,   // with the beam of `ef_construction`
  };
  void Relink(Slot slot, Care care, LinkScratch& scratch);

  // Takes node `slot` out of the results and links its neighbours with one another. Walks still
  // pass through it until the next sweep. Does nothing when it was removed before.
  // REQUIRES: the slot is in the graph
  void Remove(Slot slot, LinkScratch& scratch);

  // Takes node `slot`, which no reader was shown, out of the results and repairs nothing: walks
  // pass through it until the next sweep. For an insertion that cannot be finished.
  void Abandon(Slot slot);

  // Drops every edge to removed nodes, gives each live node an edge that leads to it, and makes
  // all of them reachable. Returns the removed nodes: no walk that starts from now on meets them.
  std::vector<Slot> Sweep(LinkScratch& scratch);
  // Makes every live node reachable from every entry, for a walk begins at the few entries nearest
  // to its query and at no others; returns how many nodes had to be linked.
  size_t Reconnect(LinkScratch& scratch);
  // How many live nodes cannot be reached from an entry, for the entry that leads to fewest.
  size_t CountUnreachable() const;
  // Whether Reconnect would find nothing to do, by a look at links alone. May say no where there is
  // a long way from an entry to another.
  bool IsConnected() const;

  // What a walk needs besides its own query.
  const Links& links() const { return links_; }
  size_t ReadEntries(EntryTable::Snapshot& out) const { return entries_.Read(out); }

  size_t width() const { return links_.width(); }
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  size_t dead_count() const { return dead_count_.load(std::memory_order_relaxed); }
  // Bytes per slot beside the vectors.
  size_t row_bytes() const { return links_.row_bytes() + 1 + sizeof(Chosen); }
  size_t fixed_bytes() const { return sizeof(*this) + RowLocks::kCount; }
  // Of the blocks that rows lie in.
  size_t reserved_bytes() const {
    return links_.reserved_bytes() + in_degree_.reserved_bytes() + chosen_.reserved_bytes();
  }
  bool Contains(Slot slot) const { return nodes_.Test(slot); }
  // Whether the slot is in the graph and was not removed.
  bool IsAlive(Slot slot) const { return nodes_.Test(slot) && !dead_.Test(slot); }
  const GraphOptions& options() const { return options_; }
  const EntryTable& entries() const { return entries_; }

  // Saving, beside everything: the words of a node between two changes, [width()]; and the entries
  // with what belongs to them.
  void CopyNode(Slot slot, std::span<uint32_t> words) const;
  size_t CopyEntries(EntryTable::Snapshot& out, uint64_t& offered, uint64_t& stride) const;

  // Loading: the words of a node as they were saved, then the entries; FinishRestore counts what
  // follows from them. Different nodes may be restored on different threads.
  // REQUIRES: every word is a valid slot below the count, or none.
  void RestoreNode(Slot slot, std::span<const uint32_t> words);
  void RestoreEntries(std::span<const Slot> slots, uint64_t offered, uint64_t stride);
  void FinishRestore(LinkScratch& scratch);

  // Loading on demand: every slot below `count` but those of `outsiders` is a node, whose words
  // `rows` stores, by StoreNode, when they are first used. Nothing is changed before all are there
  // and FinishRestore was called.
  // REQUIRES: Grow(count) succeeded
  void RestoreLazily(size_t count, const SlotBitmap& outsiders,
                     std::unique_ptr<const LazyRows> rows);
  void StoreNode(Slot slot, std::span<const uint32_t> words);
  // Has the words of all nodes stored, for who looks at them without asking first.
  Status FetchAll() const { return links_.FetchAll(); }
  Status Fetch(Slot first, size_t count, ThreadPool* pool, size_t parallelism) const {
    return links_.Fetch(first, count, pool, parallelism);
  }
  // Of the first `slots`, about as many as have their words.
  size_t CountHere(size_t slots) const { return links_.CountHere(slots); }

 private:
  // The alive nodes nearest to row `slot`, nearest first, into `scratch.candidates`; returns what
  // their distances are from.
  PairDistances::Source FindCandidates(Slot slot, std::span<const Slot> seeds, size_t ef,
                                       LinkScratch& scratch) const;
  // The candidate whose bytes equal those of `slot`.
  std::optional<Slot> FindEqual(Slot slot, PairDistances::Source source,
                                std::span<const Candidate> candidates) const;
  void AddNode(Slot slot);
  // Makes the new node `slot` an entry without links; false when there is an entry that is alive.
  bool BecomeEntry(Slot slot);

  // Adds the link from -> to, pruning a full row. Does nothing when it is there already.
  void Link(Slot from, Slot to, LinkScratch& scratch);
  void Unlink(Slot from, Slot to);
  // Appends when the row has room for a link.
  enum class Append : uint8_t { kDone, kPresent, kFull };
  Append TryAppend(Slot from, Slot to);
  // Chooses the links of `from` among those it has and `more`. The links that are new are in
  // `scratch.added`, those that are gone in `scratch.evicted`.
  //   more     not among `scratch`'s lists but for its candidates
  //   returns  false when another thread has changed the row meanwhile: then nothing was done
  [[nodiscard]] bool TryReselect(Slot from, std::span<const Slot> more, LinkScratch& scratch);
  // Gives each of `scratch.evicted` that has lost nearly all links to it another one.
  void HandOverEvicted(Slot from, LinkScratch& scratch);
  // Lets the first of `hosts` that has room link to `slot`; false when none has.
  bool HandOver(Slot slot, std::span<const Candidate> hosts);
  // Links `slot`, which no walk can reach, from `host`, whose row is full and which walks reach.
  void InsertBehind(Slot host, Slot slot, LinkScratch& scratch);
  // Distances from `slot` to `slots`, sorted, into `out`; returns what they are from.
  PairDistances::Source Rank(Slot slot, std::span<const Slot> slots, LinkScratch& scratch,
                             std::vector<Candidate>& out) const;
  void RankBy(PairDistances::Source source, Slot slot, std::span<const Slot> slots,
              LinkScratch& scratch, std::vector<Candidate>& out) const;
  void CollectLinks(Slot slot, std::vector<Slot>& out) const;
  // Writes links, then as many fill edges as fit.
  //   source  by which `links` were chosen, with one another
  void WriteRow(Slot slot, std::span<const Candidate> links, std::span<const Candidate> fills,
                PairDistances::Source source);
  // How many of the first links of a row were chosen together, and by which distances. They stay
  // where they are until the row is written anew, or loses a link.
  struct Chosen {
    uint8_t count = 0;  // a row is pruned to 208 links at most
    PairDistances::Source source = PairDistances::Source::kVectors;

    bool operator==(const Chosen&) const = default;
  };
  // scratch.slots by distance from `slot`, in two lists: the first `chosen.count`, if they were
  // chosen by `source`, and the others.
  SelectionCandidates RankApart(Slot slot, PairDistances::Source source, Chosen chosen,
                                LinkScratch& scratch) const;
  // Chooses among scratch.slots, and notes in scratch.source by which distances.
  void SelectLinks(Slot slot, Chosen chosen, LinkScratch& scratch) const;

  // The beam of `Insert` and `Relink`: a quarter wider where new nodes keep most of the links that
  // they may have.
  size_t Beam() const;
  // A new node has so many links.
  void CountKept(size_t kept);
  // Chooses the links of a new node among scratch.candidates.
  void SelectForward(Slot slot, PairDistances::Source source, LinkScratch& scratch) const;
  // What lies within a tight cluster rules one another out: a node there keeps few of the
  // candidates that the usual beam finds, and hardly any that leads out. Looks for more of them
  // with the beam of `ef_construction` then, and chooses anew, where such nodes gain by it.
  //   source  what distances are from; changed with the choice
  void LookAgain(Slot slot, std::span<const Slot> seeds, PairDistances::Source& source,
                 LinkScratch& scratch);

  void AddInDegree(Slot slot);
  void DropInDegree(Slot slot);

  // Marks what can be reached from `queue` on in `reached`.
  void Reach(std::vector<Slot>& queue, std::vector<bool>& reached) const;
  std::vector<bool> ReachFrom(Slot slot) const;
  // The entries that have not been removed, or just the first where all have been.
  std::span<const Slot> ReadLivingEntries(EntryTable::Snapshot& out) const;
  // Whether all `entries` lead to `root`; may say no where there is a long way between them.
  bool AllLeadTo(Slot root, std::span<const Slot> entries) const;
  // Gives entries that do not lead to the first one a link to it; returns how many those are.
  size_t LeadEntriesTo(std::span<const Slot> entries, LinkScratch& scratch);
  // The first slot of a word of a bitmap that has any.
  static Slot FirstOf(size_t word, uint64_t bits) {
    return static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
  }
  // Every node, removed ones too.
  template <typename Visitor>
  void ForEachNode(Visitor visit) const {
    for (size_t word = 0; word * 64 < nodes_.capacity(); ++word) {
      for (uint64_t bits = nodes_.Word(word); bits != 0; bits &= bits - 1) {
        visit(FirstOf(word, bits));
      }
    }
  }
  // Whether there may be more entries. REQUIRES: entry_mutex_ is held
  bool MayWiden() const;
  // Any alive node up to `last`, or kNoSlot when none was met soon. REQUIRES: entry_mutex_ is held
  Slot RandomNode(Slot last);
  // With data of the usual kinds a walk of this beam misses no more than one of two hundred nodes.
  static constexpr size_t kProbeBeam = 16;
  // Whether a narrow walk with the row of `slot` for a query finds that node, or only nearer ones.
  bool EntriesLeadTo(Slot slot, LinkScratch& scratch) const;
  // Where too many nodes are not found the table of entries gets twice as many.
  void CountProbe(bool found);
  // Links to nodes that `root` does not lead to; returns how many those are.
  size_t LinkUnreached(Slot root, LinkScratch& scratch);
  template <typename Visitor>
  void ForEachUnreached(const std::vector<bool>& reached, Visitor visit) const;

  const VectorStore& vectors_;
  const CodeStore* codes_ = nullptr;
  const GraphOptions options_;
  // Of `Insert` and `Relink`. With a slack of 1.05, and half of the nodes linked twice, a beam of
  // 64 gives what HNSW needs 200 for, and one of 80 where most candidates lie in directions of
  // their own (docs/decisions/0001).
  const size_t beam_;
  const size_t degree_;         // links of a node at most; the row may be wider, for fill edges
  const size_t forward_limit_;  // links of a new node
  const size_t prune_limit_;    // links left when a full row is pruned: room for the next ones
  const WalkTable& walks_;

  Links links_;
  SlotArray<std::atomic<uint8_t>> in_degree_;  // stays at 255 once there
  // Relaxed: changed under the row's lock, and looked at again under it by who chose with it.
  SlotArray<std::atomic<Chosen>> chosen_;
  std::atomic<uint32_t> kept_{0};  // relaxed: mean links of the last new nodes, in parts of one
  // Relaxed: by how much the last nodes that looked again had more than twice their links, the
  // mean, in parts of one.
  std::atomic<int> gain_{0};
  SlotBitmap nodes_;  // slots that are in the graph, removed ones too
  SlotBitmap dead_;   // of those, the removed ones
  std::atomic<size_t> size_{0};
  std::atomic<size_t> dead_count_{0};

  mutable std::mutex entry_mutex_;  // writers of entries_
  EntryTable entries_;
  size_t probes_ = 0;         // since the last decision
  size_t missed_probes_ = 0;  // of those, the nodes that were not found
  SplitMix64 random_;
  mutable RowLocks locks_;
};

}  // namespace vitrine
