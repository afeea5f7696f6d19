#include "engine/table_image.h"

#include <algorithm>
#include <utility>

#include "index/links.h"

namespace vitrine {
namespace {

// Entries that an image without any gets: as many as a table of entries has at least.
constexpr size_t kFewEntries = EntryTable::kFirstLimit / 2;

}  // namespace

TableImage::TableImage(const Table& table)
    : table_(table),
      calibration_(table.recall_guide().Copy()),
      ended_points_(table.ended_points()),
      linked_(table.linked()) {
  // No version can be published meanwhile: what the map holds is what the lease shows.
  const std::shared_lock lock(table_.id_mutex_);
  lease_.emplace(table_.readers_.Acquire());
  points_.reserve(table_.ids_.size());
  table_.ids_.ForEach([&](PointId id, PointRef ref) {
    points_.push_back({static_cast<uint32_t>(id), ref});
  });
  codes_.kind = table_.quantization_used();
  // Acquire; once there, they stay.
  if (codes_.kind != Quantization::kNone) {
    codes_.store = table_.codes_.load(std::memory_order_acquire);
  }
}

void TableImage::Sort() {
  std::sort(points_.begin(), points_.end(),
            [](const Point& a, const Point& b) { return a.id < b.id; });
}

void TableImage::NumberRows() {
  host_of_row_.assign(table_.SlotLimit(), kNoSlot);
  const auto number = [&](bool shared) {
    for (size_t i = 0; i < points_.size(); ++i) {
      const PointRef ref = points_[i].ref;
      uint32_t& host = host_of_row_[ref.slot()];
      if (ref.shared() == shared && host == kNoSlot) host = static_cast<uint32_t>(i);
    }
  };
  number(false);
  // The owners of these rows are gone: their first guests take them over.
  number(true);
  nodes_.emplace(host_of_row_.size());
  for (size_t row = 0; linked_ && row < host_of_row_.size(); ++row) {
    const auto slot = static_cast<Slot>(row);
    if (host_of_row_[row] != kNoSlot && !table_.zero_.Test(slot)) nodes_->Insert(slot);
  }
  nodes_->Number();
  links_.emplace(table_.graph_, *nodes_);
}

void TableImage::CopyLinks(size_t point, std::span<uint32_t> words,
                           ImageLinks::Digest& written) const {
  const Slot slot = RowOf(point);
  if (HostOf(point) != point || !nodes_->Has(slot)) {
    std::fill(words.begin(), words.end(), kNoSlot);
    return;
  }
  links_->Read(slot, words);
  written.Add(slot, words);
  for (uint32_t& word : words) {
    if (word != kNoSlot) word = host_of_row_[Links::Target(word)] | (word & Links::kFill);
  }
}

bool TableImage::LinksLeadEverywhere(const Entries& entries,
                                     const ImageLinks::Digest& written) const {
  std::vector<Slot> rows;
  rows.reserve(entries.points.size());
  for (const uint32_t point : entries.points) rows.push_back(RowOf(point));
  return links_->LeadEverywhere(rows, written, nullptr);
}

std::vector<uint32_t> TableImage::Outsiders() const {
  std::vector<uint32_t> outsiders;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (HostOf(i) == i && !nodes_->Has(RowOf(i))) outsiders.push_back(static_cast<uint32_t>(i));
  }
  return outsiders;
}

std::unique_ptr<const FileRows> TableImage::RowsIn(std::unique_ptr<const MappedRows> file) const {
  auto rows = std::make_unique<FileRows>(std::move(file), table_.SlotLimit());
  // Of points that share a row any will do: their vectors are equal.
  for (size_t i = 0; i < points_.size(); ++i) rows->SetPlace(RowOf(i), static_cast<Slot>(i));
  return rows;
}

TableImage::Entries TableImage::CopyEntries() const {
  Entries entries;
  EntryTable::Snapshot rows;
  const size_t count = table_.graph_.CopyEntries(rows, entries.offered, entries.stride);
  for (size_t i = 0; i < count; ++i) {
    if (!nodes_->Has(rows[i])) continue;
    const uint32_t point = host_of_row_[rows[i]];
    if (std::find(entries.points.begin(), entries.points.end(), point) == entries.points.end()) {
      entries.points.push_back(point);
    }
  }
  if (!entries.points.empty()) return entries;
  std::vector<uint32_t> nodes;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (HostOf(i) == i && nodes_->Has(RowOf(i))) nodes.push_back(static_cast<uint32_t>(i));
  }
  const size_t stride = std::max<size_t>(1, (nodes.size() + kFewEntries - 1) / kFewEntries);
  for (size_t i = 0; i < nodes.size(); i += stride) entries.points.push_back(nodes[i]);
  return entries;
}

}  // namespace vitrine
