#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/image_links.h"
#include "engine/slot_set.h"
#include "engine/table.h"

namespace vitrine {

// What a table holds at one version. While it lives no row of it is reused; writers go on. Points
// are numbered from 0, by ascending id once they are sorted.
//
// Takes 8 bytes a point, and 4 and two bits more a row for links. REQUIRES: a table of u32 ids.
// Thread safety: const functions may run on many threads at once.
class TableImage {
 public:
  // May throw std::bad_alloc. Writers wait while it is taken: some milliseconds a million points.
  explicit TableImage(const Table& table);
  // Takes several times as long, and nobody waits for it. REQUIRES: called before what follows
  void Sort();

  size_t size() const { return points_.size(); }
  PointId id(size_t point) const { return points_[point].id; }
  Slot RowOf(size_t point) const { return points_[point].ref.slot(); }
  // Its bytes; valid as long as the image. kCorrupt or kIo of a table that is read on demand.
  Result<const std::byte*> Vector(size_t point) const {
    VITRINE_RETURN_IF_ERROR(table_.vectors_.Verify(RowOf(point)));
    return table_.vectors_.Row(RowOf(point));
  }
  // The same for who copies points in order to keep them: a row that is in a file is verified as if
  // nobody had before, so that damage is never written anew with a checksum that holds.
  //   block  kNoBlock at first
  Result<const std::byte*> VerifiedVector(size_t point, size_t& block) const {
    VITRINE_RETURN_IF_ERROR(table_.vectors_.VerifyAgain(RowOf(point), block));
    return Vector(point);
  }
  static constexpr size_t kNoBlock = MappedRows::kNoBlock;
  // Where the rows of all points are in a file that has their vectors in order. May throw
  // std::bad_alloc.
  std::unique_ptr<const FileRows> RowsIn(std::unique_ptr<const MappedRows> file) const;

  // The graph, in numbers of points instead of rows.
  struct Entries {
    std::vector<uint32_t> points;
    uint64_t offered = 0;
    uint64_t stride = 1;
  };
  // Finds out which point stands for each row. REQUIRES: called before what follows
  void NumberRows();
  // The point in whose row `point` is: itself, or one with an equal vector.
  uint32_t HostOf(size_t point) const { return host_of_row_[RowOf(point)]; }
  // Links and fill edges by the rules of files (docs/formats/index-file.md, "Links"), all kNoSlot
  // where a point is no node.
  //   words    [width]
  //   written  the links are added to it
  void CopyLinks(size_t point, std::span<uint32_t> words, ImageLinks::Digest& written) const;
  Entries CopyEntries() const;
  // Whether the links that `written` was made of lead from each entry to every node. Says no where
  // it cannot tell, as ImageLinks::LeadEverywhere.
  bool LinksLeadEverywhere(const Entries& entries, const ImageLinks::Digest& written) const;
  // The hosts that are no nodes, ascending.
  std::vector<uint32_t> Outsiders() const;
  // What walks score: a store as long as the table lives, null without codes.
  struct Codes {
    Quantization kind = Quantization::kNone;
    const CodeStore* store = nullptr;
  };
  const Codes& codes() const { return codes_; }
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

  const Table& table_;
  std::optional<ReaderPool::Lease> lease_;
  std::vector<Point> points_;
  std::vector<uint32_t> host_of_row_;
  std::optional<SlotSet> nodes_;  // rows of the image that are in the graph
  std::optional<ImageLinks> links_;
  const RecallCalibration calibration_;
  const uint64_t ended_points_;
  bool linked_ = false;
  Codes codes_;
};

}  // namespace vitrine
