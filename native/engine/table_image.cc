#include "engine/table_image.h"

#include <algorithm>

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
  {
    // No version can be published meanwhile: what the map holds is what the lease shows.
    const std::shared_lock lock(table_.id_mutex_);
    lease_.emplace(table_.readers_.Acquire());
    points_.reserve(table_.ids_.size());
    table_.ids_.ForEach([&](PointId id, PointRef ref) {
      points_.push_back({static_cast<uint32_t>(id), ref});
    });
  }
  std::sort(points_.begin(), points_.end(),
            [](const Point& a, const Point& b) { return a.id < b.id; });
  codes_.kind = table_.quantization_used();
  // Acquire; once there, they stay.
  const CodeStore* const codes = table_.codes_.load(std::memory_order_acquire);
  if (codes_.kind != Quantization::kNone) codes_.centre = codes->centre();
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
}

void TableImage::CopyLinks(size_t host, std::span<uint32_t> words) const {
  std::fill(words.begin(), words.end(), kNoSlot);
  const Slot slot = points_[host].ref.slot();
  if (!linked_ || !IsNode(slot)) return;
  std::vector<uint32_t> rows(width());
  table_.graph_.CopyNode(slot, rows);
  // What readers insist on is made sure of here, whatever the graph holds.
  const size_t degree = 2 * table_.graph_.options().m;
  size_t links = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Slot target = Links::Target(rows[i]);
    if (rows[i] == kNoSlot || target == slot || !IsNode(target)) continue;
    const uint32_t point = host_of_row_[target];
    if (Links::IsFill(rows[i])) {
      words[i] = point | Links::kFill;
    } else if (links < degree && std::find(words.begin(), words.end(), point) == words.end()) {
      words[i] = point;
      ++links;
    }
  }
}

TableImage::Entries TableImage::CopyEntries() const {
  Entries entries;
  EntryTable::Snapshot rows;
  const size_t count = table_.graph_.CopyEntries(rows, entries.offered, entries.stride);
  for (size_t i = 0; i < count; ++i) {
    if (!IsNode(rows[i])) continue;
    const uint32_t point = host_of_row_[rows[i]];
    if (std::find(entries.points.begin(), entries.points.end(), point) == entries.points.end()) {
      entries.points.push_back(point);
    }
  }
  if (!entries.points.empty()) return entries;
  std::vector<uint32_t> nodes;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (HostOf(i) == i && IsNode(points_[i].ref.slot())) nodes.push_back(static_cast<uint32_t>(i));
  }
  const size_t stride = std::max<size_t>(1, (nodes.size() + kFewEntries - 1) / kFewEntries);
  for (size_t i = 0; i < nodes.size(); i += stride) entries.points.push_back(nodes[i]);
  return entries;
}

}  // namespace vitrine
