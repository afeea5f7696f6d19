#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/table.h"

namespace vitrine {

// What a table holds at one version. While it lives no row of it is reused; writers go on. Points
// are numbered from 0, by ascending id.
//
// Takes 8 bytes a point, and 4 more a row for links. REQUIRES: a table of u32 ids.
// Thread safety: const functions may run on many threads at once.
class TableImage {
 public:
  // May throw std::bad_alloc. Writers wait while it is taken: some milliseconds a million points.
  explicit TableImage(const Table& table);

  size_t size() const { return points_.size(); }
  PointId id(size_t point) const { return points_[point].id; }
  // Its bytes; valid as long as the image.
  const std::byte* Vector(size_t point) const {
    return table_.vectors_.Row(points_[point].ref.slot());
  }

  // The graph, in numbers of points instead of rows.
  struct Entries {
    std::vector<uint32_t> points;
    uint64_t offered = 0;
    uint64_t stride = 1;
  };
  // Finds out which point stands for each row. REQUIRES: called before what follows
  void NumberRows();
  // The point in whose row `point` is: itself, or one with an equal vector.
  uint32_t HostOf(size_t point) const { return host_of_row_[points_[point].ref.slot()]; }
  // Links and fill edges of a host, by the rules of files (docs/formats/index-file.md, "Links").
  //   words  [width], filled with kNoSlot behind
  void CopyLinks(size_t host, std::span<uint32_t> words) const;
  Entries CopyEntries() const;
  // What walks score, and what codes are relative to; empty without codes. Valid as long as the
  // table.
  struct Codes {
    Quantization kind = Quantization::kNone;
    std::span<const float> centre;
  };
  Codes codes() const { return codes_; }
  size_t width() const { return table_.graph_.width(); }
  // What is known of recall, and the table's count of points that ended.
  const RecallCalibration& calibration() const { return calibration_; }
  uint64_t ended_points() const { return ended_points_; }
  // Whether the graph has all rows.
  bool linked() const { return linked_; }

 private:
  struct Point {
    uint32_t id;
    PointRef ref;
  };

  bool IsNode(Slot slot) const {
    return slot < host_of_row_.size() && host_of_row_[slot] != kNoSlot && !table_.zero_.Test(slot);
  }

  const Table& table_;
  std::optional<ReaderPool::Lease> lease_;
  std::vector<Point> points_;
  std::vector<uint32_t> host_of_row_;
  const RecallCalibration calibration_;
  const uint64_t ended_points_;
  bool linked_ = false;
  Codes codes_;
};

}  // namespace vitrine
