#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/table.h"
#include "engine/table_image.h"

namespace vitrine {

// Makes a table from the points of an image, with or without its graph. Every number may be wrong:
// what is checked here are the rules of links; vectors are finite when they come.
class TableRestorer {
 public:
  // A table of `count` points with the ids 0 to count - 1. Fails as Table::Create does.
  static Result<TableRestorer> Create(const TableOptions& options, const KernelTable& kernels,
                                      ThreadPool* pool, size_t count);

  // Any thread, for different points.
  //   vector  of the table's type, finite, any alignment, not retained
  void PutVector(uint32_t point, const void* vector);

  struct GraphData {
    std::span<const uint32_t> hosts;  // [count]
    std::span<const uint32_t> links;  // [count * width], of hosts; others are ignored
    TableImage::Entries entries;
  };
  // Gives the table its graph; on failure what is wrong with it, and nothing has changed.
  // REQUIRES: every vector is there
  std::string SetGraph(const GraphData& graph);
  size_t width() const { return table_->graph_.width(); }
  // Gives the table the codes that it had: others would mean other walks. REQUIRES: [dimension],
  // finite; a kind that its options allow
  void SetCodes(Quantization kind, std::vector<float> centre);

  // The row of a point: its own, or that of an equal vector.
  Slot RowOf(uint32_t point) const { return hosts_.empty() ? point : hosts_[point]; }

  // The table. Without a graph, searches are exact until `LinkSome` has linked everything.
  // REQUIRES: every vector is there; called once, last
  std::unique_ptr<Table> Finish();

 private:
  explicit TableRestorer(std::unique_ptr<Table> table, size_t count)
      : table_(std::move(table)), count_(count) {}

  std::string CheckHosts(const GraphData& graph) const;
  std::string CheckLinks(const GraphData& graph) const;
  std::string CheckEntries(const GraphData& graph) const;
  void AddGuest(uint32_t point, uint32_t host);

  std::unique_ptr<Table> table_;
  size_t count_;
  std::vector<uint32_t> hosts_;  // empty: each is its own
  bool has_graph_ = false;
  Quantization codes_ = Quantization::kNone;
  std::vector<float> centre_;
};

}  // namespace vitrine
