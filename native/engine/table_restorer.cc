#include "engine/table_restorer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/table_file_format.h"

namespace vitrine {
namespace {

Status CorruptGraph(std::string_view what) { return {ErrorCode::kCorrupt, std::string(what)}; }

}  // namespace

Result<TableRestorer> TableRestorer::Create(const TableOptions& options, const KernelTable& kernels,
                                            ThreadPool* pool, size_t count, PageRegion* region) {
  Result<std::unique_ptr<Table>> table = Table::Create(options, kernels, pool);
  if (!table.ok()) return table.status();
  if (count > kMaxSlots || !(*table)->GrowTo(count, region)) {
    return Status(ErrorCode::kOutOfMemory, "no memory for the points of the checkpoint");
  }
  (*table)->slot_limit_.store(count, std::memory_order_release);
  return TableRestorer(std::move(*table), count, region);
}

void TableRestorer::AddPoints() {
  has_points_ = true;
  table_->ids_.Reserve(count_, 0, region_);
  for (uint32_t i = 0; i < count_; ++i) {
    table_->SetOwnerId(i, i);
    table_->stamps_[i].birth.store(kAlways, std::memory_order_relaxed);
    table_->stamps_[i].death.store(kNever, std::memory_order_relaxed);
    table_->ids_.PutNewOwner(i, i);
  }
  for (size_t word = 0; word * 64 < count_; ++word) {
    table_->occupied_.SetWord(word, SlotBitmap::WordOfFirst(count_, word));
  }
}

void TableRestorer::PutVector(uint32_t point, const void* vector) {
  table_->vectors_.Put(point, vector);
}

void TableRestorer::NoteVector(uint32_t point, const void* vector) {
  table_->vectors_.NoteFactor(point, vector);
}

void TableRestorer::UseVectors(std::unique_ptr<const LazyRows> rows) {
  table_->vectors_.UseLazily(std::move(rows));
  is_lazy_ = true;
}

void TableRestorer::MapVectors(std::unique_ptr<const MappedRows> file) {
  auto rows = std::make_unique<FileRows>(std::move(file), count_);
  for (uint32_t i = 0; i < count_; ++i) rows->SetPlace(i, i);
  (void)table_->vectors_.UseFile(std::move(rows));
}

void TableRestorer::Target::RestoreVector(uint32_t point, const void* vector) const {
  table_->vectors_.RestoreRow(point, vector);
}

void TableRestorer::Target::RestoreLinks(uint32_t point, std::span<const uint32_t> words) const {
  table_->graph_.StoreNode(point, words);
}

template <typename Visitor>
void TableRestorer::ForEachHost(Visitor visit) const {
  auto guest = graph_data_.guests.begin();
  for (uint32_t i = 0; i < count_; ++i) {
    if (guest != graph_data_.guests.end() && guest->point == i) {
      ++guest;
    } else {
      visit(i);
    }
  }
}

Status TableRestorer::CheckGuests(const std::vector<Guest>& guests) const {
  const VectorStore& vectors = table_->vectors_;
  for (const auto& [point, host] : guests) {
    const auto at =
        std::lower_bound(guests.begin(), guests.end(), host,
                         [](const Guest& guest, uint32_t other) { return guest.point < other; });
    if (host >= count_ || (at != guests.end() && at->point == host)) {
      return CorruptGraph("a point is in a row that is not there");
    }
    VITRINE_RETURN_IF_ERROR(vectors.Verify(point));
    VITRINE_RETURN_IF_ERROR(vectors.Verify(host));
    if (std::memcmp(vectors.Row(point), vectors.Row(host), vectors.vector_bytes()) != 0) {
      return CorruptGraph("points with different vectors share a row");
    }
  }
  return {};
}

// REQUIRES: rules_ are those of the graph
Status TableRestorer::CheckEntries(const GraphData& graph) const {
  const TableImage::Entries& entries = graph.entries;
  if (entries.points.size() > EntryTable::kRoom || entries.offered > kMaxVersion ||
      !std::has_single_bit(entries.stride) ||
      entries.stride > std::max<uint64_t>(entries.offered, 1)) {
    return CorruptGraph("the entries are out of range");
  }
  if (entries.points.empty() && rules_->node_count() > 0) return CorruptGraph("there is no entry");
  for (size_t i = 0; i < entries.points.size(); ++i) {
    const uint32_t point = entries.points[i];
    const auto end = entries.points.begin() + static_cast<ptrdiff_t>(i);
    if (!rules_->IsNode(point) || std::find(entries.points.begin(), end, point) != end) {
      return CorruptGraph("an entry leads nowhere");
    }
  }
  return {};
}

Status TableRestorer::BeginGraph(GraphData graph) {
  VITRINE_RETURN_IF_ERROR(CheckGuests(graph.guests));
  graph_data_ = std::move(graph);
  auto rules = std::make_shared<LinkRules>(count_, width(), 2 * table_->options().graph.m);
  ForEachHost([&](uint32_t point) {
    if (!table_->vectors_.IsZero(point)) rules->AddNode(point);
  });
  rules_ = std::move(rules);
  return CheckEntries(graph_data_);
}

std::vector<uint32_t> TableRestorer::Outsiders() const {
  std::vector<uint32_t> outsiders;
  ForEachHost([&](uint32_t point) {
    if (!rules_->IsNode(point)) outsiders.push_back(point);
  });
  return outsiders;
}

Status TableRestorer::UseGraph(std::unique_ptr<const LazyRows> rows) {
  SlotBitmap outsiders;
  if (!outsiders.Grow(count_)) return {ErrorCode::kOutOfMemory, "no memory for the graph"};
  for (uint32_t i = 0; i < count_; ++i) {
    if (!rules_->IsNode(i)) outsiders.Set(i);
  }
  table_->graph_.RestoreLazily(count_, outsiders, std::move(rows));
  const TableImage::Entries& entries = graph_data_.entries;
  table_->graph_.RestoreEntries(entries.points, entries.offered, entries.stride);
  has_graph_ = is_lazy_ = true;
  return {};
}

void TableRestorer::SetCodes(Quantization kind, std::vector<float> centre) {
  codes_ = kind;
  centre_ = std::move(centre);
}

CodeStore* TableRestorer::BeginCodes() {
  code_store_ = table_->NewCodes(centre_, codes_, region_);
  return code_store_.get();
}

void TableRestorer::UseCodes(std::unique_ptr<const LazyRows> rows) {
  code_store_->RestoreLazily(std::move(rows));
  has_codes_ = is_lazy_ = true;
}

// A point whose row is that of an equal vector: its own is free.
void TableRestorer::MakeGuest(const Guest& guest) {
  const auto [point, host] = guest;
  table_->ids_.Put(point, PointRef::Shared(host));
  table_->occupied_.Clear(point);
  table_->stamps_[point].birth.store(0, std::memory_order_relaxed);
  table_->stamps_[point].death.store(0, std::memory_order_relaxed);
  table_->SetOwnerId(point, 0);
  table_->shared_rows_.Put(host, point);
  table_->shared_rows_.SetBirth(host, point, 1);
  table_->shared_.Set(host);
  table_->free_slots_.push_back(point);
  table_->NoteFreeRows();
}

Status TableRestorer::MakeCodes() {
  if (has_codes_) {
    table_->UseCodes(std::move(code_store_));
    return {};
  }
  if (codes_ == Quantization::kNone && !table_->CodesAreDue()) return {};
  VITRINE_RETURN_IF_ERROR(table_->FetchEverything());
  // Where memory is refused searches are as right without them, and a later write tries again.
  if (codes_ != Quantization::kNone) (void)table_->MakeCodesAround(centre_, codes_);
  table_->MakeCodesWhenDue();
  return {};
}

Result<std::unique_ptr<Table>> TableRestorer::Finish(std::function<void()> forget_source) {
  if (!has_points_) AddPoints();
  if (!has_graph_) graph_data_.guests.clear();
  table_->ids_.Reserve(count_, graph_data_.guests.size());
  for (const Guest& guest : graph_data_.guests) MakeGuest(guest);
  ForEachHost([&](uint32_t point) {
    if (!table_->vectors_.IsZero(point)) return;
    table_->zero_.Set(point);
    table_->zero_count_.fetch_add(1, std::memory_order_release);
  });
  table_->size_.store(count_, std::memory_order_release);
  if (!has_graph_) table_->linked_.store(count_ == 0, std::memory_order_release);
  if (is_lazy_) {
    table_->settle_rows_ = count_;
    table_->forget_source_ = std::move(forget_source);
    table_->settled_.store(false, std::memory_order_release);
  }
  VITRINE_RETURN_IF_ERROR(MakeCodes());
  if (has_graph_ && !graph_data_.connected) {
    const std::lock_guard write(table_->write_mutex_);
    VITRINE_RETURN_IF_ERROR(table_->Settle());
  }
  return std::move(table_);
}

}  // namespace vitrine
