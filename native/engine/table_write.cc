// The writing side of a table: chunks of points are given rows, linked and published.

#include <algorithm>
#include <atomic>
#include <numeric>
#include <unordered_set>

#include "base/probe.h"
#include "engine/table.h"

namespace vitrine {
namespace {

// Points that become visible together. Large enough to keep every thread busy, small enough that
// a cancelled write ends soon.
constexpr size_t kChunk = 512;

Status OutOfMemory() {
  return {ErrorCode::kOutOfMemory, "no memory for more points; none of this chunk were added"};
}

Status Cancelled() { return {ErrorCode::kCancelled, "the write was cancelled"}; }

}  // namespace

Status Table::Add(std::span<const PointId> ids, VectorView vectors, const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  VITRINE_RETURN_IF_ERROR(CheckIds(ids));
  VITRINE_RETURN_IF_ERROR(CheckVectors(vectors));
  const std::lock_guard write(write_mutex_);
  {
    const std::shared_lock lock(id_mutex_);
    std::unordered_set<PointId> seen;
    if (ids.size() > 1) seen.reserve(ids.size());
    for (const PointId id : ids) {
      if (ids_.Find(id).present()) {
        return {ErrorCode::kExists, "id " + std::to_string(id) + " is there already"};
      }
      if (ids.size() > 1 && !seen.insert(id).second) {
        return {ErrorCode::kExists, "id " + std::to_string(id) + " comes twice"};
      }
    }
  }
  return WriteAll(ids, vectors, {}, control);
}

Status Table::AddNumbered(size_t count, VectorView vectors, std::vector<PointId>& ids,
                          const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  VITRINE_RETURN_IF_ERROR(CheckVectors(vectors));
  const std::lock_guard write(write_mutex_);
  const PointId last = options_.id_type == IdType::kU64 ? UINT64_MAX - 1 : UINT32_MAX;
  if (count > 0 && (next_id_ > last || count - 1 > last - next_id_)) {
    return {ErrorCode::kId, "the ids from " + std::to_string(next_id_) + " on do not suffice for " +
                                std::to_string(count) + " points"};
  }
  ids.resize(count);
  std::iota(ids.begin(), ids.end(), next_id_);
  return WriteAll(ids, vectors, {}, control);
}

Status Table::Upsert(std::span<const PointId> ids, VectorView vectors,
                     const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  VITRINE_RETURN_IF_ERROR(CheckIds(ids));
  VITRINE_RETURN_IF_ERROR(CheckVectors(vectors));
  // Of an id that comes twice the last counts.
  std::vector<size_t> order;
  std::unordered_set<PointId> seen;
  for (size_t i = ids.size(); i-- > 0;) {
    if (seen.insert(ids[i]).second) order.push_back(i);
  }
  std::reverse(order.begin(), order.end());
  VITRINE_PROBE1(upsert__start, ids.size());
  const std::lock_guard write(write_mutex_);
  Status status = WriteAll(ids, vectors, order, control);
  VITRINE_PROBE(upsert__done);
  return status;
}

Status Table::WriteAll(std::span<const PointId> ids, VectorView vectors,
                       std::span<const size_t> order, const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(Settle());
  const size_t total = order.empty() ? ids.size() : order.size();
  std::vector<ChunkPoint> chunk;
  for (size_t done = 0; done < total;) {
    if (control.is_cancelled()) return Cancelled();
    const size_t count = std::min(kChunk, total - done);
    chunk.clear();
    for (size_t i = done; i < done + count; ++i) {
      const size_t from = order.empty() ? i : order[i];
      chunk.push_back({ids[from], vectors.data() + from * vector_bytes(), kNoSlot, {}});
    }
    VITRINE_RETURN_IF_ERROR(WriteChunk(chunk));
    done += count;
    if (control.on_progress) control.on_progress(done, total);
  }
  MaintainGraph();
  return {};
}

// The rows of a chunk that is being linked: given back when that fails for lack of memory.
class Table::UnpublishedChunk {
 public:
  UnpublishedChunk(Table& table, std::span<const ChunkPoint> points)
      : table_(table), points_(points) {}
  UnpublishedChunk(const UnpublishedChunk&) = delete;
  UnpublishedChunk& operator=(const UnpublishedChunk&) = delete;
  ~UnpublishedChunk() {
    for (const ChunkPoint& point : points_) table_.Abandon(point);
  }
  void Keep() { points_ = {}; }

 private:
  Table& table_;
  std::span<const ChunkPoint> points_;
};

// Whatever can fail for lack of memory comes before anything that a reader might see.
Status Table::WriteChunk(std::span<ChunkPoint> points) {
  Reclaim();
  std::vector<PointRef> replaced;
  std::vector<PointId> replaced_ids;
  replaced.reserve(points.size());
  replaced_ids.reserve(points.size());
  ReserveDeferred(4 * points.size());
  VITRINE_RETURN_IF_ERROR(MakeRoom(points.size()));
  AllocateSlots(points);

  UnpublishedChunk unpublished(*this, points);
  LinkChunk(points);
  const auto guests = std::count_if(points.begin(), points.end(),
                                    [](const ChunkPoint& point) { return point.ref.shared(); });
  if (guests > 0) {
    const std::unique_lock lock(id_mutex_);
    ids_.Reserve(ids_.size() + points.size(), static_cast<size_t>(guests));
  }
  PublishChunk(points, replaced, replaced_ids);
  unpublished.Keep();

  for (size_t i = 0; i < replaced.size(); ++i) Retire(replaced_ids[i], replaced[i]);
  const uint64_t version = readers_.published();
  for (const ChunkPoint& point : points) {
    if (!point.ref.shared()) deferred_.push_back({Deferred::Kind::kSettle, point.slot, 0, version});
  }
  NoteIndexed(points.size());
  MakeCodesWhenDue();
  RelinkOldest(points.size() - static_cast<size_t>(guests));
  Reclaim();
  return {};
}

void Table::NoteIndexed(size_t points) {
  inserted_since_reconnect_ += points;
  indexed_.store(indexed_.load(std::memory_order_relaxed) + points, std::memory_order_relaxed);
}

// For every two rows that are new one that was there before is linked once more, in turn: what was
// linked when the graph was small has far neighbours, and walks pass there most. A table that grows
// has its older half linked twice in the end, whether it grew in one call or in many; in one whose
// points come and go every row has its turn.
void Table::RelinkOldest(size_t linked) {
  relink_due_ += linked;
  const size_t count = std::min(relink_due_ / 2, SlotLimit());
  relink_due_ %= 2;
  if (count == 0) return;
  MaintenanceRun run(maintenance_, Maintenance::kRelink);
  Relink(relink_next_, count, Graph::Care::kUsual);
  relink_next_ = (relink_next_ + count) % SlotLimit();
  run.Succeeded();
}

// Room for `count` points more: rows, ids, and what the threads that link them need.
Status Table::MakeRoom(size_t count) {
  const size_t fresh = count - std::min(count, free_slots_.size());
  const size_t limit = SlotLimit() + fresh;
  if (limit > kMaxSlots) {
    return {ErrorCode::kTooLarge, "an index holds at most " + std::to_string(kMaxSlots) + " rows"};
  }
  if (!GrowTo(limit)) return OutOfMemory();
  for (size_t worker = 0; worker < Parallelism(); ++worker) {
    graph_.Prepare(WriterScratch(worker));
  }
  if (row_works_.size() < Parallelism()) row_works_.resize(Parallelism());
  const std::unique_lock lock(id_mutex_);
  ids_.Reserve(ids_.size() + count, 0);
  for (const auto& weak : filters_) {
    const auto filter = weak.lock();
    if (filter != nullptr && !filter->Grow(limit)) return OutOfMemory();
  }
  // Under the lock: a filter made from now on has room for these rows too.
  slot_limit_.store(limit, std::memory_order_release);
  return {};
}

// REQUIRES: MakeRoom made room for them, and nothing was allocated since
void Table::AllocateSlots(std::span<ChunkPoint> points) {
  size_t next = SlotLimit() - (points.size() - std::min(points.size(), free_slots_.size()));
  for (ChunkPoint& point : points) {
    if (free_slots_.empty()) {
      point.slot = static_cast<Slot>(next++);
    } else {
      point.slot = free_slots_.back();
      free_slots_.pop_back();
    }
    point.ref = PointRef::Owner(point.slot);
    SetOwnerId(point.slot, point.id);
    stamps_[point.slot].birth.store(kNever, std::memory_order_relaxed);
    stamps_[point.slot].death.store(kNever, std::memory_order_relaxed);
    // Unsettled before occupied: a scan that sees the row looks at its stamps, and not at what
    // stands in it until it is published.
    unsettled_.Set(point.slot);
    occupied_.Set(point.slot);
  }
  unsettled_count_.fetch_add(points.size(), std::memory_order_release);
  NoteFreeRows();
}

// Fills a row with its vector and all that is made of it. False: the vector is not bytes, and from
// now on not every row has some. Several threads may, each with rows and `work` of its own.
bool Table::PutRow(Slot slot, const void* vector, RowWork& work) {
  vectors_.Put(slot, vector);
  if (code_store_ == nullptr && sketch_store_ == nullptr) return true;
  const float* const floats = vectors_.AsFloats(vector, work.floats);
  if (code_store_ != nullptr) code_store_->Put(slot, floats, work.centred);
  if (sketch_store_ != nullptr) sketch_store_->Put(slot, floats, work.centred);
  return !HasBytes() || PutBytes(slot, floats, work.bytes);
}

// Gives back what a point that was never published has.
void Table::Abandon(const ChunkPoint& point) {
  if (point.ref.shared()) {
    shared_rows_.Erase(point.slot, point.id, 0);
    if (shared_rows_.Empty(point.slot)) shared_.Clear(point.slot);
    return;
  }
  // An upsert of what is there names a row that readers see.
  Stamps& row = stamps_[point.slot];
  if (row.birth.load(std::memory_order_relaxed) != kNever || !OwnerAlive(point.slot)) return;
  row.death.store(kAlways, std::memory_order_release);
  if (graph_.Contains(point.slot)) {
    graph_.Abandon(point.slot);  // others may link to it: the next sweep frees the row
  } else {
    HideRow(point.slot);
    FreeSlot(point.slot);
  }
}

bool Table::GrowTo(size_t slots, PageRegion* region) {
  return vectors_.Grow(slots, region) && graph_.Grow(slots) && owner_ids_.Grow(slots, region) &&
         stamps_.Grow(slots, region) && occupied_.Grow(slots) && unsettled_.Grow(slots) &&
         shared_.Grow(slots) && zero_.Grow(slots) &&
         (code_store_ == nullptr || code_store_->Grow(slots)) &&
         // Also while they are waiting to be freed: who has them may meet new rows.
         (byte_store_ == nullptr || byte_store_->Grow(slots)) &&
         (sketch_store_ == nullptr || sketch_store_->Grow(slots));
}

// Each thread fills the rows that it links: others come to a row by a link to it alone.
void Table::LinkChunk(std::span<ChunkPoint> points) {
  std::vector<Slot> equal(points.size(), kNoSlot);
  std::atomic<bool> are_bytes{true};  // relaxed: read when the threads have come together
  ParallelFor(pool_, Parallelism(), points.size(), [&](size_t worker, size_t i) {
    const Slot slot = points[i].slot;
    if (!PutRow(slot, points[i].vector, row_works_[worker])) {
      are_bytes.store(false, std::memory_order_relaxed);
    }
    if (vectors_.IsZero(slot)) return;
    equal[i] = graph_.Insert(slot, *writer_scratches_[worker]).value_or(kNoSlot);
  });
  if (!are_bytes.load(std::memory_order_relaxed)) EndBytes();
  for (size_t i = 0; i < points.size(); ++i) {
    if (vectors_.IsZero(points[i].slot)) {
      zero_.Set(points[i].slot);
      zero_count_.fetch_add(1, std::memory_order_release);
    } else if (equal[i] != kNoSlot) {
      ShareRow(points[i], equal[i]);
    }
  }
}

// The point's vector is in row `owner` already: it becomes a guest there, and its own row, which
// nobody has seen, is free again.
void Table::ShareRow(ChunkPoint& point, Slot owner) {
  HideRow(point.slot);
  FreeSlot(point.slot);
  point.slot = owner;
  PointRef current;
  {
    const std::shared_lock lock(id_mutex_);
    current = ids_.Find(point.id);
  }
  point.ref = PointRef::Shared(owner);
  if (current.present() && current.slot() == owner) {
    point.ref = current;  // an upsert of what is there: nothing changes
    return;
  }
  shared_rows_.Put(owner, point.id);
  shared_.Set(owner);
}

void Table::PublishChunk(std::span<const ChunkPoint> points, std::vector<PointRef>& replaced,
                         std::vector<PointId>& replaced_ids) {
  const std::unique_lock lock(id_mutex_);
  const uint64_t version = readers_.published() + 1;
  for (const ChunkPoint& point : points) {
    const PointRef before = ids_.Find(point.id);
    if (before.present() && before == point.ref) continue;
    if (before.present()) {
      EndLife(point.id, before, version);
      replaced.push_back(before);
      replaced_ids.push_back(point.id);
    }
    if (point.ref.shared()) {
      shared_rows_.SetBirth(point.slot, point.id, version);
    } else {
      stamps_[point.slot].birth.store(StampOf(version), std::memory_order_release);
    }
    ids_.Put(point.id, point.ref);
    // The greatest id of all has no successor: it is never given out.
    next_id_ = std::max(next_id_, point.id == UINT64_MAX ? UINT64_MAX : point.id + 1);
    AllowInFilters(point.id, point.slot);
  }
  size_.store(ids_.size(), std::memory_order_release);
  readers_.Publish(version);
}

// From `version` on the point is gone; older readers still see it.
void Table::EndLife(PointId id, PointRef ref, uint64_t version) {
  ended_.fetch_add(1, std::memory_order_relaxed);
  if (ref.shared()) {
    shared_rows_.SetDeath(ref.slot(), id, version);
    return;
  }
  if (unsettled_.Set(ref.slot())) unsettled_count_.fetch_add(1, std::memory_order_release);
  stamps_[ref.slot()].death.store(StampOf(version), std::memory_order_release);
}

Result<size_t> Table::Remove(std::span<const PointId> ids, const WriteControl& control) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  VITRINE_RETURN_IF_ERROR(CheckIds(ids));
  const std::lock_guard write(write_mutex_);
  VITRINE_RETURN_IF_ERROR(Settle());
  size_t removed = 0;
  std::vector<PointRef> refs;
  std::vector<PointId> removed_ids;
  for (size_t done = 0; done < ids.size();) {
    if (control.is_cancelled()) return Cancelled();
    const size_t end = std::min(done + kChunk, ids.size());
    refs.clear();
    removed_ids.clear();
    refs.reserve(end - done);
    removed_ids.reserve(end - done);
    ReserveDeferred(3 * (end - done));
    graph_.Prepare(WriterScratch(0));
    {
      const std::unique_lock lock(id_mutex_);
      const uint64_t version = readers_.published() + 1;
      for (; done < end; ++done) {
        const PointRef ref = ids_.Find(ids[done]);
        if (!ref.present()) continue;
        EndLife(ids[done], ref, version);
        ids_.Erase(ids[done]);
        refs.push_back(ref);
        removed_ids.push_back(ids[done]);
      }
      size_.store(ids_.size(), std::memory_order_release);
      readers_.Publish(version);
    }
    for (size_t i = 0; i < refs.size(); ++i) Retire(removed_ids[i], refs[i]);
    removed += refs.size();
    Reclaim();
    if (control.on_progress) control.on_progress(done, ids.size());
  }
  MaintainGraph();
  return removed;
}

Status Table::Reserve(size_t count) {
  VITRINE_RETURN_IF_ERROR(CheckWritable());
  const std::lock_guard write(write_mutex_);
  if (count > kMaxSlots) {
    return {ErrorCode::kTooLarge, "an index holds at most " + std::to_string(kMaxSlots) + " rows"};
  }
  if (!GrowTo(count)) return OutOfMemory();
  const std::unique_lock lock(id_mutex_);
  ids_.Reserve(count, 0);
  return {};
}

LinkScratch& Table::WriterScratch(size_t worker) {
  while (writer_scratches_.size() <= worker) {
    writer_scratches_.push_back(std::make_unique<LinkScratch>(vectors_, options_.graph));
  }
  return *writer_scratches_[worker];
}

size_t Table::Parallelism() const {
  return pool_ == nullptr ? 1 : std::min(std::max<size_t>(options_.threads, 1), pool_->threads());
}

}  // namespace vitrine
