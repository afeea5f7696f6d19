#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/slot.h"
#include "base/slot_array.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/best_hits.h"
#include "engine/id_map.h"
#include "engine/id_set.h"
#include "engine/maintenance_counts.h"
#include "engine/quantization.h"
#include "engine/reader_pool.h"
#include "engine/recall_guide.h"
#include "engine/search_plan.h"
#include "engine/shared_rows.h"
#include "engine/table_options.h"
#include "engine/table_remap.h"
#include "engine/table_usage.h"
#include "index/code_store.h"
#include "index/graph.h"
#include "index/lazy_rows.h"
#include "index/sketch_store.h"
#include "index/vector_store.h"
#include "index/vector_type.h"

namespace vitrine {

class RecallProber;
class SearchTally;

// Points with their vectors, the graph over them, and who sees which of them: the engine under
// both `Index` (a table without a log) and `Collection`.
//
// A *slot* is a row: vector, links and stamps. A point owns a row, or shares the row of an equal
// vector (engine/shared_rows.h). Writes come one at a time, each works on chunks of points, and
// each chunk becomes visible at once, when the next version is published. Searches never wait: they
// see the version that was published when they began.
//
// Thread safety: every function may be called from any thread at any time, except as noted.
class Table final : private IdMap::OwnerIds {
 public:
  // `kernels` and `pool` outlive the table; a null pool means that the calling thread does all.
  // Fails with kOption, or kOutOfMemory for the capacity asked for.
  static Result<std::unique_ptr<Table>> Create(const TableOptions& options,
                                               const KernelTable& kernels, ThreadPool* pool);
  ~Table() override;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Writes. `vectors` are of the table's type: as many as there are ids.
  //
  // Each fails as a whole, with nothing changed, on kVector (a component that is not finite), kId,
  // kExists, kTooLarge, or kReadOnly when vectors are mapped. On kCancelled and kOutOfMemory the
  // chunks that were finished stay.

  // New points; kExists names an id that is there or comes twice.
  Status Add(std::span<const PointId> ids, VectorView vectors, const WriteControl& control = {});
  // New points whose ids follow the highest id so far; `ids` receives them.
  Status AddNumbered(size_t count, VectorView vectors, std::vector<PointId>& ids,
                     const WriteControl& control = {});
  // New points, or new vectors for points that are there; of an id that comes twice the last
  // counts.
  Status Upsert(std::span<const PointId> ids, VectorView vectors, const WriteControl& control = {});
  // Removes those that are there; returns how many.
  Result<size_t> Remove(std::span<const PointId> ids, const WriteControl& control = {});
  // Makes room for `count` points in all.
  Status Reserve(size_t count);
  // Chooses the links of every point anew, now that all are there: walks are shorter afterwards. In
  // steps, between which writes have their turn. kCancelled leaves what was linked until then.
  Status Optimize(const WriteControl& control);

  // Frees what removals left behind and makes every point reachable. Writes do this by themselves
  // when enough has gathered.
  Status Sweep();

  // The points nearest to a query.
  //   query    a vector of the table's type
  //   hits     [k] or more, written nearest first
  //   returns  how many were written: k, or fewer when fewer match
  // Fails with kVector, kOption, kCancelled or kTimeout; kCorrupt or kIo for what it needs of a
  // table that is read on demand. `plan` may be null.
  Result<size_t> Search(const void* query, const SearchParameters& parameters, std::span<Hit> hits,
                        SearchPlan* plan = nullptr) const {
    return Search(Read(), query, parameters, hits, plan);
  }
  // The same, adding what it does to `counters`.
  Result<size_t> Search(const void* query, const SearchParameters& parameters, std::span<Hit> hits,
                        SearchCounters& counters, SearchPlan* plan = nullptr) const {
    return Search(Read(), query, parameters, hits, counters, plan);
  }
  // Both on a snapshot that is held already, so that a filter can be made of what it shows.
  ReaderPool::Lease Read() const { return readers_.Acquire(); }
  Result<size_t> Search(const ReaderPool::Lease& lease, const void* query,
                        const SearchParameters& parameters, std::span<Hit> hits,
                        SearchPlan* plan = nullptr) const;
  Result<size_t> Search(const ReaderPool::Lease& lease, const void* query,
                        const SearchParameters& parameters, std::span<Hit> hits,
                        SearchCounters& counters, SearchPlan* plan = nullptr) const;
  // `count` searches on the threads of the pool.
  //   hits    [count * k]; query i writes from i * k on
  //   counts  [count]
  Status SearchBatch(VectorView queries, size_t count, const SearchParameters& parameters,
                     std::span<Hit> hits, std::span<uint32_t> counts) const;
  // The same, with each search counted.
  Status SearchBatch(VectorView queries, size_t count, const SearchParameters& parameters,
                     std::span<Hit> hits, std::span<uint32_t> counts,
                     const SearchTally& tally) const;
  // What `Search` would do.
  Result<SearchPlan> Explain(const void* query, const SearchParameters& parameters) const {
    return Explain(Read(), query, parameters);
  }
  Result<SearchPlan> Explain(const ReaderPool::Lease& lease, const void* query,
                             const SearchParameters& parameters) const;

  // What walks score now: `kNone` until there are vectors enough to make codes of.
  Quantization quantization_used() const;

  // Rows in the graph, and points that have gone or been replaced since the table was made.
  size_t graph_rows() const { return graph_.size(); }
  uint64_t ended_points() const { return ended_.load(std::memory_order_relaxed); }
  // What statistics tell of the table: numbers that change while they are read.
  TableCounts counts() const;
  TableBlocks blocks() const;
  // How often the graph and codes were maintained, since the table was made or loaded.
  MaintenanceTotals maintenance() const { return maintenance_.totals(); }
  // What beam widths mean here.
  RecallGuide& recall_guide() const { return *recall_guide_; }
  // Of a table that comes from a file. REQUIRES: nobody else uses the table yet
  void RestoreCalibration(RecallCalibration calibration, uint64_t ended) {
    ended_.store(ended, std::memory_order_relaxed);
    recall_guide_->Restore(std::move(calibration));
  }

  // Whether every row is in the graph. Until then searches compute every distance.
  bool linked() const { return linked_.load(std::memory_order_acquire); }
  // Links up to `most` rows of a table that came without its graph; false when all are linked. On
  // kOutOfMemory some may be linked, and the others can be tried again.
  Result<bool> LinkSome(size_t most);

  // A filter that follows this table from now on.
  Result<std::shared_ptr<IdSet>> MakeIdSet(std::vector<PointId> ids) const;
  // Lets `filter` follow this table from now on: it gets room for all rows, and the rows of points
  // that come later. Those of points that are there are for the caller. kOutOfMemory.
  Status Follow(const std::shared_ptr<PointFilter>& filter) const;
  // Adds to `filter` the rows of its points that a snapshot shows, by a look at every row.
  void AllowVisibleRows(const ReaderPool::Lease& lease, PointFilter& filter) const;
  // The rows of points; kNoSlot for those that are not there. REQUIRES: FetchIds succeeded
  void FindRows(std::span<const PointId> ids, std::span<Slot> rows) const;
  // Of a table that is read on demand (engine/table_file.h), reads what finds points by their ids,
  // once; kCorrupt or kIo.
  Status FetchIds() const {
    return ids_here_.load(std::memory_order_acquire) ? Status() : FetchIdsSlowly();
  }
  // The same for everything but vectors.
  Status FetchAll() const;
  // And for vectors too.
  Status FetchEverything() const;
  // Of a table that is read on demand and can be written to (engine/table_restorer.h): brings what
  // is not here of some `most` rows, and after the last of them what writing needs, on the calling
  // thread. Writes bring what is left by themselves. kCorrupt or kIo, and then the next call tries
  // again.
  //   returns  whether there is more
  Result<bool> SettleSome(size_t most);
  // Whether nothing is left to bring.
  bool settled() const { return settled_.load(std::memory_order_acquire); }
  // What a reader sees that begins now.
  uint64_t version() const { return readers_.published(); }

  // REQUIRES: FetchIds succeeded
  bool Has(PointId id) const;
  // Copies the vectors of `ids` to `out` [ids.size() * vector_bytes]; kNotFound names the first id
  // that is not there. kCorrupt or kIo of a table that is read on demand.
  Status Get(std::span<const PointId> ids, std::span<std::byte> out) const;
  template <typename T>
  Status Get(std::span<const PointId> ids, std::vector<T>& out) const {
    return Get(ids, std::as_writable_bytes(std::span(out)));
  }
  // All ids, ascending. REQUIRES: FetchIds succeeded
  std::vector<PointId> Ids() const;

  size_t size() const { return size_.load(std::memory_order_acquire); }
  size_t dimension() const { return vectors_.dimension(); }
  VectorType type() const { return vectors_.type(); }
  size_t vector_bytes() const { return vectors_.vector_bytes(); }
  Metric metric() const { return vectors_.metric(); }
  IdType id_type() const { return options_.id_type; }
  const TableOptions& options() const { return options_; }
  TableMemory memory() const;
  const KernelTable& kernels() const { return vectors_.kernels(); }

  // Points that no walk can reach. REQUIRES: no writer runs; FetchAll succeeded
  size_t CountUnreachable() const { return graph_.CountUnreachable(); }

 private:
  friend class TableWriter;  // engine/table_file.h: saving
  friend class TableLoader;  // and loading
  friend class TableRemap;
  friend class TableTransaction;
  friend class TableImage;
  friend class TableRestorer;
  friend class TableView;  // what searches read

  struct ChunkPoint {
    PointId id;
    const void* vector;
    Slot slot;     // the row that was allocated, until it turned out that one is shared
    PointRef ref;  // where the point is in the end
  };

  Table(const TableOptions& options, const KernelTable& kernels, ThreadPool* pool);

  PointId OwnerId(Slot slot) const override;
  void SetOwnerId(Slot slot, PointId id);
  // Whether OwnerId(slot) may be asked for; if not, `failure` says why.
  bool OwnerIsHere(Slot slot, Status& failure) const {
    return lazy_owner_ids_ == nullptr || lazy_owner_ids_->Ensure(slot, failure);
  }
  Status FetchIdsSlowly() const;
  // Brings everything. REQUIRES: write_mutex_ is held
  Status Settle();
  Result<bool> SettleSomeLocked(size_t most, size_t threads);
  Status BringSome(size_t most, size_t threads);

  // kReadOnly where vectors are mapped.
  Status CheckWritable() const;
  // Whether `bytes` are whole vectors, and those finite.
  Status CheckVectors(VectorView vectors) const;
  Status CheckIds(std::span<const PointId> ids) const;

  // The parts of a write; `write_mutex_` is held.
  Status WriteAll(std::span<const PointId> ids, VectorView vectors, std::span<const size_t> order,
                  const WriteControl& control);
  Status WriteChunk(std::span<ChunkPoint> points);
  void NoteIndexed(size_t points);
  void RelinkOldest(size_t linked);
  // The nodes in `count` slots from `first` on. REQUIRES: writer scratches are prepared
  void Relink(size_t first, size_t count, Graph::Care care);
  // May throw std::bad_alloc, as may the next.
  void MakeCodesWhenDue();
  void MakeCodes();
  // Codes of every row; false, and nothing changed, when memory is refused.
  //   kind  kSq8 or kRq4
  bool MakeCodesAround(std::span<const float> centre, Quantization kind);
  bool CodesAreDue() const;
  bool IsWorthCoding() const;
  // Codes with room for every row; null when memory is refused.
  std::unique_ptr<CodeStore> NewCodes(std::span<const float> centre, Quantization kind,
                                      PageRegion* region = nullptr) const;
  // REQUIRES: every row has its code
  void UseCodes(std::unique_ptr<CodeStore> store);
  // All rows that hold a vector.
  template <typename Visitor>
  void ForEachRow(size_t first_word, size_t end_word, Visitor visit) const {
    for (size_t word = first_word; word < end_word; ++word) {
      for (uint64_t rows = occupied_.Word(word); rows != 0; rows &= rows - 1) {
        visit(static_cast<Slot>(word * 64 + static_cast<size_t>(std::countr_zero(rows))));
      }
    }
  }
  void EncodeRows(CodeStore& codes) const;
  // Vectors as bytes, see table_bytes.cc. REQUIRES of PutBytes and EndBytes: HasBytes()
  void CopyBytesIfWhole();
  // The same of some `most` rows, from where it stopped. Returns whether there is more to do.
  // REQUIRES: nothing is written until there is not
  bool CopySomeBytes(size_t most, size_t threads);
  bool BeginBytes();
  bool HasBytes() const { return bytes_.load(std::memory_order_relaxed) != nullptr; }
  [[nodiscard]] bool PutBytes(Slot slot, const float* vector, std::vector<uint8_t>& work);
  void EndBytes();
  void FreeBytesUnlessUsed(uint64_t oldest);
  Quantization ChooseQuantization(std::span<const Slot> sample,
                                  std::span<const float> centre) const;
  Status MakeRoom(size_t count);
  void AllocateSlots(std::span<ChunkPoint> points);
  // What a thread makes of a vector on its way into the stores.
  struct RowWork {
    std::vector<float> floats;
    std::vector<float> centred;
    std::vector<uint8_t> bytes;
  };
  [[nodiscard]] bool PutRow(Slot slot, const void* vector, RowWork& work);
  class UnpublishedChunk;
  void Abandon(const ChunkPoint& point);
  bool GrowTo(size_t slots, PageRegion* region = nullptr);
  void LinkChunk(std::span<ChunkPoint> points);
  void ShareRow(ChunkPoint& point, Slot owner);
  void PublishChunk(std::span<const ChunkPoint> points, std::vector<PointRef>& replaced,
                    std::vector<PointId>& replaced_ids);
  void EndLife(PointId id, PointRef ref, uint64_t version);
  void Retire(PointId id, PointRef ref);
  void ReserveDeferred(size_t count);
  void Reclaim();
  bool ReclaimOnce(uint64_t next_version);
  void MaintainGraph();
  void SweepLocked();
  void HideRow(Slot slot);
  void FreeSlot(Slot slot);
  void NoteFreeRows() { free_rows_.store(free_slots_.size(), std::memory_order_relaxed); }
  Status FollowLocked(const std::shared_ptr<PointFilter>& filter) const;
  void AllowInFilters(PointId id, Slot slot);
  void UpdateFilters(Slot slot, uint64_t oldest);
  LinkScratch& WriterScratch(size_t worker);
  size_t Parallelism() const;

  // For writers: whether the row's owner is there in the newest version.
  bool OwnerAlive(Slot slot) const {
    return stamps_[slot].death.load(std::memory_order_relaxed) == kNever;
  }

  // Sketches, see table_sketch.cc. SketchesOrBegin gives them when every row has one, and has them
  // made when there are none and they would be of use.
  bool IsWorthSketching() const;
  const SketchStore* SketchesOrBegin() const;
  bool SketchSome();
  bool SampleForSketches(std::vector<float>& sample, std::vector<float>& centre) const;

  // Compiled for those that count, and for those that do not.
  template <class Tally>
  Status SearchBatchWith(VectorView queries, size_t count, const SearchParameters& parameters,
                         std::span<Hit> hits, std::span<uint32_t> counts, const Tally& tally) const;

  size_t SlotLimit() const { return slot_limit_.load(std::memory_order_acquire); }

  const TableOptions options_;
  ThreadPool* const pool_;
  const WalkTable& walks_;
  const KernelTable& kernels_;

  VectorStore vectors_;
  // Set once, when every row has its code; what it points to is code_store_.
  std::atomic<const CodeStore*> codes_{nullptr};
  // Set while every row has its bytes; what it points to is byte_store_.
  std::atomic<const VectorStore*> bytes_{nullptr};
  // Set once, when every row has its sketch; what it points to is sketch_store_.
  std::atomic<const SketchStore*> sketches_{nullptr};
  Graph graph_;
  SlotRows owner_ids_;                              // u32 or u64 a row
  std::unique_ptr<const LazyRows> lazy_owner_ids_;  // null: all are here
  SlotArray<Stamps> stamps_;
  SlotBitmap occupied_;   // rows in use, from allocation until they are free again
  SlotBitmap unsettled_;  // rows that some reader may not see: look at the stamps
  SlotBitmap shared_;     // rows with guests in shared_rows_
  SlotBitmap zero_;       // zero vectors under cosine and jaccard: not in the graph
  SharedRows shared_rows_;
  std::atomic<size_t> unsettled_count_{0};
  std::atomic<size_t> zero_count_{0};
  std::atomic<size_t> slot_limit_{0};  // every row in use is below; release on growth
  std::atomic<size_t> size_{0};
  std::atomic<uint64_t> ended_{0};    // relaxed: says about how much has changed
  std::atomic<uint64_t> indexed_{0};  // relaxed, written under write_mutex_: a number of its own
  std::atomic<size_t> free_rows_{0};  // of free_slots_, likewise
  MaintenanceCounts maintenance_;     // counted under write_mutex_
  std::atomic<bool> linked_{true};
  // Release under write_mutex_; acquire by who asks.
  std::atomic<bool> settled_{true};

  mutable ReaderPool readers_;

  // Guards ids_, next_id_ and filters_; the stamps of a chunk are published under it too.
  mutable std::shared_mutex id_mutex_;
  IdMap ids_;
  PointId next_id_ = 0;  // changed only by who holds write_mutex_ as well
  mutable std::vector<std::weak_ptr<PointFilter>> filters_;
  // Whether ids_ has what it should. Release under id_mutex_, acquire in FetchIds.
  mutable std::atomic<bool> ids_here_{true};
  std::function<Status()> bring_ids_;  // fills ids_, or leaves it empty

  // Held by one write at a time; guards what follows.
  std::mutex write_mutex_;
  std::vector<Slot> free_slots_;
  // What waits until no reader is older than a version: rows to settle, guests to drop, rows of
  // which a point went to take out of the filters, rows to hide from scans, and rows to use again.
  struct Deferred {
    enum class Kind : uint8_t { kSettle, kDropGuest, kEndLife, kHide, kFree } kind;
    Slot slot;
    PointId id;
    uint64_t version;
  };
  std::vector<Deferred> deferred_;
  size_t inserted_since_reconnect_ = 0;
  std::unique_ptr<CodeStore> code_store_;
  std::unique_ptr<VectorStore> byte_store_;    // changed under id_mutex_ too
  std::unique_ptr<VectorStore> copied_bytes_;  // of the first rows, while they are copied
  size_t copied_words_ = 0;                    // of 64 rows each
  uint64_t bytes_end_ = UINT64_MAX;            // the version from which on nobody has byte_store_
  std::unique_ptr<SketchStore> sketch_store_;  // complete once sketches_ points to it
  size_t sketch_next_ = 0;                     // until then: the next row to be sketched
  bool read_only_ = false;                     // set before anybody else uses the table
  size_t settle_rows_ = 0;                     // unless settled_: those that are brought
  bool settle_restored_ = false;               // their graph was finished
  size_t settle_next_ = 0;                     // the next of them, counted twice: see BringSome
  std::function<void()> forget_source_;        // when they are all here
  RemapState remap_;                           // of a table whose vectors are mapped
  bool codes_decided_ = false;                 // whether there will be codes, and which
  size_t relink_next_ = 0;                     // the row whose turn it is, see RelinkOldest
  size_t relink_due_ = 0;                      // new rows that have not been made up for
  Slot first_unlinked_ = 0;                    // unless linked_: every row below is in the graph
  std::vector<std::unique_ptr<LinkScratch>> writer_scratches_;
  std::vector<RowWork> row_works_;  // of the same threads
  // Last: its background work reads all of the above.
  std::unique_ptr<RecallGuide> recall_guide_;
  std::unique_ptr<RecallProber> recall_prober_;
  std::unique_ptr<BackgroundSteps> sketch_steps_;
};

}  // namespace vitrine
