#include "engine/table.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "engine/recall_prober.h"
#include "engine/table_view.h"

namespace vitrine {
namespace {

std::string Number(uint64_t value) { return std::to_string(value); }

// Whether type, dimension, metric and codes go together.
Status CheckVectorOptions(const TableOptions& options) {
  const std::string type(NameOf(options.type));
  if (!DimensionFits(options.type, options.dimension)) {
    return {ErrorCode::kOption,
            "the dimension of bits must be a multiple of 8, not " + Number(options.dimension)};
  }
  if (!MetricFits(options.type, options.metric)) {
    return {ErrorCode::kOption,
            "the metric of " + type + " must be " +
                (options.type == VectorType::kBits ? "'hamming' or 'jaccard'"
                                                   : "'l2', 'cosine' or 'ip'") +
                ", not '" + std::string(kMetricNames[static_cast<size_t>(options.metric)]) + "'"};
  }
  if (!QuantizationFits(options.type, options.quantization)) {
    return {ErrorCode::kOption, "vectors of " + type + " are walked on as they are: quantization " +
                                    "must be 'none' or 'auto'" +
                                    (options.type == VectorType::kBits ? "" : ", or 'rq4'")};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Table>> Table::Create(const TableOptions& options,
                                             const KernelTable& kernels, ThreadPool* pool) {
  if (options.dimension < 1 || options.dimension > kMaxDimension) {
    return Status(ErrorCode::kOption, "dimension must be 1 to " + Number(kMaxDimension) + ", not " +
                                          Number(options.dimension));
  }
  VITRINE_RETURN_IF_ERROR(CheckVectorOptions(options));
  if (options.graph.m < 2 || options.graph.m > 128) {
    return Status(ErrorCode::kOption, "m must be 2 to 128, not " + Number(options.graph.m));
  }
  if (options.graph.ef_construction < 1 || options.graph.ef_construction > kMaxEf) {
    return Status(ErrorCode::kOption, "efConstruction must be 1 to " + Number(kMaxEf) + ", not " +
                                          Number(options.graph.ef_construction));
  }
  std::unique_ptr<Table> table(new Table(options, kernels, pool));
  if (options.capacity > 0) VITRINE_RETURN_IF_ERROR(table->Reserve(options.capacity));
  return table;
}

Table::Table(const TableOptions& options, const KernelTable& kernels, ThreadPool* pool)
    : options_(options),
      pool_(pool),
      walks_(WalksFor(kernels.set)),
      kernels_(kernels),
      vectors_(options.dimension, options.metric, kernels, options.type, options.vectors),
      graph_(vectors_, options.graph),
      owner_ids_(options.id_type == IdType::kU64 ? sizeof(uint64_t) : sizeof(uint32_t)),
      ids_(*this),
      recall_guide_(std::make_unique<RecallGuide>(*this, pool)),
      recall_prober_(std::make_unique<RecallProber>(*this, pool)),
      sketch_steps_(std::make_unique<BackgroundSteps>(pool)) {}

Table::~Table() = default;

PointId Table::OwnerId(Slot slot) const {
  const std::byte* row = owner_ids_.Row(slot);
  if (options_.id_type == IdType::kU64) {
    uint64_t id;
    std::memcpy(&id, row, sizeof(id));
    return id;
  }
  uint32_t id;
  std::memcpy(&id, row, sizeof(id));
  return id;
}

void Table::SetOwnerId(Slot slot, PointId id) {
  std::byte* row = owner_ids_.Row(slot);
  if (options_.id_type == IdType::kU64) {
    std::memcpy(row, &id, sizeof(id));
  } else {
    const uint32_t narrow = static_cast<uint32_t>(id);
    std::memcpy(row, &narrow, sizeof(narrow));
  }
}

Status Table::CheckWritable() const {
  if (!read_only_) return {};
  return {ErrorCode::kReadOnly,
          "an index whose vectors are mapped is for reading only; load it with "
          "{ vectors: 'memory' } to change it"};
}

Status Table::CheckVectors(VectorView vectors) const {
  const size_t bytes = vector_bytes();
  for (size_t i = 0; i * bytes < vectors.size_bytes(); ++i) {
    const std::byte* const vector = vectors.data() + i * bytes;
    const size_t component = FindNonFinite(type(), vector, dimension());
    if (component == dimension()) continue;
    return {ErrorCode::kVector, "component " + Number(component) + " of vector " + Number(i) +
                                    " is " +
                                    (IsNaN(type(), vector, component) ? "NaN" : "infinite") +
                                    "; components must be finite"};
  }
  return {};
}

Status Table::CheckIds(std::span<const PointId> ids) const {
  if (options_.id_type == IdType::kU64) return {};
  for (const PointId id : ids) {
    if (id > UINT32_MAX) {
      return {ErrorCode::kId,
              "id " + Number(id) + " does not fit in 32 bits; an index with idType 'u64' takes it"};
    }
  }
  return {};
}

Status Table::FetchIdsSlowly() const {
  const std::unique_lock lock(id_mutex_);
  if (ids_here_.load(std::memory_order_relaxed)) return {};
  VITRINE_RETURN_IF_ERROR(bring_ids_());
  ids_here_.store(true, std::memory_order_release);
  return {};
}

Status Table::FetchAll() const {
  VITRINE_RETURN_IF_ERROR(FetchIds());
  VITRINE_RETURN_IF_ERROR(graph_.FetchAll());
  const CodeStore* const codes = codes_.load(std::memory_order_acquire);
  return codes == nullptr ? Status() : codes->FetchAll();
}

Status Table::FetchEverything() const {
  VITRINE_RETURN_IF_ERROR(FetchAll());
  // Of a table that is mapped there are none to bring, but some to verify.
  VITRINE_RETURN_IF_ERROR(vectors_.Fetch(0, settle_rows_, pool_, Parallelism()));
  return vectors_.VerifyAll();
}

bool Table::Has(PointId id) const {
  assert(ids_here_.load(std::memory_order_relaxed));
  const std::shared_lock lock(id_mutex_);
  return ids_.Find(id).present();
}

Status Table::Get(std::span<const PointId> ids, std::span<std::byte> out) const {
  VITRINE_RETURN_IF_ERROR(FetchIds());
  const size_t bytes = vector_bytes();
  // Rows cannot be reused while the lock is held: their points would have to leave the map first.
  const std::shared_lock lock(id_mutex_);
  for (size_t i = 0; i < ids.size(); ++i) {
    const PointRef ref = ids_.Find(ids[i]);
    if (!ref.present()) {
      return {ErrorCode::kNotFound, "there is no point with id " + Number(ids[i])};
    }
    VITRINE_RETURN_IF_ERROR(vectors_.Verify(ref.slot()));
    std::memcpy(out.data() + i * bytes, vectors_.Row(ref.slot()), bytes);
  }
  return {};
}

std::vector<PointId> Table::Ids() const {
  assert(ids_here_.load(std::memory_order_relaxed));
  std::vector<PointId> ids;
  {
    const std::shared_lock lock(id_mutex_);
    ids.reserve(ids_.size());
    ids_.ForEach([&](PointId id, PointRef) { ids.push_back(id); });
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<std::shared_ptr<IdSet>> Table::MakeIdSet(std::vector<PointId> ids) const {
  VITRINE_RETURN_IF_ERROR(CheckIds(ids));
  VITRINE_RETURN_IF_ERROR(FetchIds());
  auto set = std::make_shared<IdSet>(std::move(ids));
  // Writers publish under the same lock: no point is missed.
  const std::unique_lock lock(id_mutex_);
  VITRINE_RETURN_IF_ERROR(FollowLocked(set));
  for (const PointId id : set->ids()) {
    const PointRef ref = ids_.Find(id);
    if (ref.present()) set->SetSlot(ref.slot(), true);
  }
  return set;
}

void Table::FindRows(std::span<const PointId> ids, std::span<Slot> rows) const {
  assert(ids_here_.load(std::memory_order_relaxed));
  const std::shared_lock lock(id_mutex_);
  for (size_t i = 0; i < ids.size(); ++i) {
    const PointRef ref = ids_.Find(ids[i]);
    rows[i] = ref.present() ? ref.slot() : kNoSlot;
  }
}

Status Table::Follow(const std::shared_ptr<PointFilter>& filter) const {
  const std::unique_lock lock(id_mutex_);
  return FollowLocked(filter);
}

void Table::AllowVisibleRows(const ReaderPool::Lease& lease, PointFilter& filter) const {
  const TableView view(*this, lease);
  view.ForEachVisibleRow(nullptr, [&](Slot slot) {
    view.ForEachPointOfRow(slot, &filter, [&](PointId) {
      filter.SetSlot(slot, true);
      return false;
    });
    return true;
  });
}

// REQUIRES: id_mutex_ is held.
Status Table::FollowLocked(const std::shared_ptr<PointFilter>& filter) const {
  if (!filter->Grow(SlotLimit())) {
    return {ErrorCode::kOutOfMemory, "no memory for the filter's bitmap"};
  }
  std::erase_if(filters_, [](const auto& other) { return other.expired(); });
  filters_.push_back(filter);
  return {};
}

TableCounts Table::counts() const {
  TableCounts counts;
  counts.live_points = size();
  counts.deleted_rows = graph_.dead_count();
  // Until a lost graph is whole again, rows without links are no less than points without them.
  if (!linked()) counts.unindexed_rows = size() - std::min(size(), graph_.size());
  counts.indexed_vectors = indexed_.load(std::memory_order_relaxed);
  return counts;
}

TableBlocks Table::blocks() const {
  // What is in use is read first: more may be reserved meanwhile.
  const size_t slots = SlotLimit();
  const size_t rows = slots - std::min(slots, free_rows_.load(std::memory_order_relaxed));
  TableBlocks blocks;
  const auto add = [&](size_t row_bytes, size_t reserved) {
    blocks.used += rows * row_bytes;
    blocks.reserved += reserved;
  };
  if (vectors_.reserved_bytes() > 0) add(vectors_.row_bytes(), vectors_.reserved_bytes());
  add(graph_.row_bytes(), graph_.reserved_bytes());
  add(owner_ids_.row_bytes(), owner_ids_.reserved_bytes());
  if (stamps_.reserved_bytes() > 0) add(sizeof(Stamps), stamps_.reserved_bytes());
  if (const CodeStore* const codes = codes_.load(std::memory_order_acquire)) {
    add(codes->memory_bytes(), codes->reserved_bytes());
  }
  if (const SketchStore* const sketches = sketches_.load(std::memory_order_acquire)) {
    add(SketchStore::kRowBytes, sketches->reserved_bytes());
  }
  const std::shared_lock lock(id_mutex_);
  if (byte_store_ != nullptr) add(byte_store_->row_bytes(), byte_store_->reserved_bytes());
  return blocks;
}

TableMemory Table::memory() const {
  const size_t slots = SlotLimit();
  TableMemory memory;
  memory.vectors = vectors_.memory_bytes(slots);
  // What is not here yet of a table that can be written to will be.
  const size_t links = read_only_ ? graph_.CountHere(slots) : slots;
  memory.graph = links * graph_.row_bytes() + graph_.fixed_bytes();
  if (const CodeStore* const codes = codes_.load(std::memory_order_acquire)) {
    const size_t rows = read_only_ ? codes->CountHere(slots) : slots;
    memory.codes = rows * codes->memory_bytes();
  }
  if (const SketchStore* const sketches = sketches_.load(std::memory_order_acquire)) {
    memory.codes += slots * SketchStore::kRowBytes;
  }
  {
    const std::shared_lock lock(id_mutex_);
    if (byte_store_ != nullptr) memory.codes += byte_store_->memory_bytes(slots);
    const size_t owners = lazy_owner_ids_ == nullptr ? slots : lazy_owner_ids_->rows_here();
    memory.ids =
        owners * owner_ids_.row_bytes() + ids_.memory_bytes() + shared_rows_.memory_bytes();
  }
  memory.buffers = readers_.memory_bytes();
  // Stamps, and a bit in each of six bitmaps, of which two belong to the graph.
  memory.other = slots * 6 / 8 + sizeof(*this);
  if (stamps_.reserved_bytes() > 0) memory.other += slots * sizeof(Stamps);
  return memory;
}

}  // namespace vitrine
