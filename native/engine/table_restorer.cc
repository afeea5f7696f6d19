#include "engine/table_restorer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/table_file_format.h"
#include "index/links.h"

namespace vitrine {

Result<TableRestorer> TableRestorer::Create(const TableOptions& options, const KernelTable& kernels,
                                            ThreadPool* pool, size_t count) {
  Result<std::unique_ptr<Table>> table = Table::Create(options, kernels, pool);
  if (!table.ok()) return table.status();
  if (count > kMaxSlots || !(*table)->GrowTo(count)) {
    return Status(ErrorCode::kOutOfMemory, "no memory for the points of the checkpoint");
  }
  (*table)->ids_.Reserve(count, 0);
  (*table)->slot_limit_.store(count, std::memory_order_release);
  return TableRestorer(std::move(*table), count);
}

void TableRestorer::PutVector(uint32_t point, const void* vector) {
  table_->vectors_.Put(point, vector);
}

std::string TableRestorer::CheckHosts(const GraphData& graph) const {
  if (graph.hosts.size() != count_ || graph.links.size() != count_ * width()) {
    return "it is of another number of points";
  }
  const size_t bytes = table_->vector_bytes();
  for (size_t i = 0; i < count_; ++i) {
    const uint32_t host = graph.hosts[i];
    if (host == i) continue;
    if (host >= count_ || graph.hosts[host] != host) return "a point is in a row that is not there";
    if (std::memcmp(table_->vectors_.Row(static_cast<Slot>(i)), table_->vectors_.Row(host),
                    bytes) != 0) {
      return "points with different vectors share a row";
    }
  }
  return {};
}

std::string TableRestorer::CheckLinks(const GraphData& graph) const {
  const size_t degree = 2 * table_->options().graph.m;
  const auto is_node = [&](uint32_t point) {
    return point < count_ && graph.hosts[point] == point && !table_->vectors_.IsZero(point);
  };
  for (uint32_t i = 0; i < count_; ++i) {
    if (graph.hosts[i] != i) continue;
    const std::span<const uint32_t> words = graph.links.subspan(i * width(), width());
    size_t links = 0;
    for (size_t j = 0; j < words.size(); ++j) {
      if (words[j] == kNoSlot) continue;
      const uint32_t target = Links::Target(words[j]);
      if (target == i || !is_node(i) || !is_node(target)) return "a link leads nowhere";
      if (Links::IsFill(words[j])) continue;
      const auto before = words.first(j);
      if (std::find(before.begin(), before.end(), words[j]) != before.end()) {
        return "a link is there twice";
      }
      if (++links > degree) return "a row has too many links";
    }
  }
  return {};
}

std::string TableRestorer::CheckEntries(const GraphData& graph) const {
  const TableImage::Entries& entries = graph.entries;
  if (entries.points.size() > EntryTable::kRoom || entries.offered > kMaxVersion ||
      !std::has_single_bit(entries.stride) ||
      entries.stride > std::max<uint64_t>(entries.offered, 1)) {
    return "the entries are out of range";
  }
  bool any_node = false;
  for (uint32_t i = 0; i < count_ && !any_node; ++i) {
    any_node = graph.hosts[i] == i && !table_->vectors_.IsZero(i);
  }
  if (entries.points.empty() && any_node) return "there is no entry";
  for (size_t i = 0; i < entries.points.size(); ++i) {
    const uint32_t point = entries.points[i];
    const auto end = entries.points.begin() + static_cast<ptrdiff_t>(i);
    if (point >= count_ || graph.hosts[point] != point || table_->vectors_.IsZero(point) ||
        std::find(entries.points.begin(), end, point) != end) {
      return "an entry leads nowhere";
    }
  }
  return {};
}

std::string TableRestorer::SetGraph(const GraphData& graph) {
  for (const auto check :
       {&TableRestorer::CheckHosts, &TableRestorer::CheckLinks, &TableRestorer::CheckEntries}) {
    std::string wrong = (this->*check)(graph);
    if (!wrong.empty()) return wrong;
  }
  hosts_.assign(graph.hosts.begin(), graph.hosts.end());
  for (uint32_t i = 0; i < count_; ++i) {
    if (hosts_[i] != i || table_->vectors_.IsZero(i)) continue;
    table_->graph_.RestoreNode(i, graph.links.subspan(i * width(), width()));
  }
  table_->graph_.RestoreEntries(graph.entries.points, graph.entries.offered, graph.entries.stride);
  has_graph_ = true;
  return {};
}

void TableRestorer::SetCodes(Quantization kind, std::vector<float> centre) {
  codes_ = kind;
  centre_ = std::move(centre);
}

void TableRestorer::AddGuest(uint32_t point, uint32_t host) {
  table_->ids_.Put(point, PointRef::Shared(host));
  table_->shared_rows_.Put(host, point);
  table_->shared_rows_.SetBirth(host, point, 1);
  table_->shared_.Set(host);
  table_->free_slots_.push_back(point);
  table_->NoteFreeRows();
}

std::unique_ptr<Table> TableRestorer::Finish() {
  size_t guests = 0;
  for (uint32_t i = 0; i < hosts_.size(); ++i) guests += hosts_[i] != i ? 1 : 0;
  table_->ids_.Reserve(count_, guests);
  for (uint32_t i = 0; i < count_; ++i) {
    if (!hosts_.empty() && hosts_[i] != i) {
      AddGuest(i, hosts_[i]);
      continue;
    }
    table_->SetOwnerId(i, i);
    table_->stamps_[i].birth.store(kAlways, std::memory_order_relaxed);
    table_->stamps_[i].death.store(kNever, std::memory_order_relaxed);
    table_->occupied_.Set(i);
    table_->ids_.Put(i, PointRef::Owner(i));
    if (!table_->vectors_.IsZero(i)) continue;
    table_->zero_.Set(i);
    table_->zero_count_.fetch_add(1, std::memory_order_release);
  }
  table_->size_.store(count_, std::memory_order_release);
  if (has_graph_) {
    table_->graph_.FinishRestore(table_->WriterScratch(0));
  } else {
    table_->linked_.store(count_ == 0, std::memory_order_release);
  }
  // Where memory is refused searches are as right without them, and a later write tries again.
  if (codes_ != Quantization::kNone) (void)table_->MakeCodesAround(centre_, codes_);
  table_->MakeCodesWhenDue();
  return std::move(table_);
}

}  // namespace vitrine
