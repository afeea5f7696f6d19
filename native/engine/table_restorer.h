#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/link_rules.h"
#include "engine/table.h"
#include "engine/table_image.h"

namespace vitrine {

// Makes a table from the points of an image, with or without its graph. Every number may be wrong:
// what is checked here are the rules of links; vectors are finite when they come.
//
// What is large may come later, on demand. Then searches bring what they need, and the first write,
// or Table::SettleSome, brings the rest.
class TableRestorer {
 public:
  // A table of `count` points with the ids 0 to count - 1. Fails as Table::Create does.
  //   region  for what is written before it is finished: kRegionBytes a point or less. Null, or
  //           outlives it
  static Result<TableRestorer> Create(const TableOptions& options, const KernelTable& kernels,
                                      ThreadPool* pool, size_t count, PageRegion* region);
  // Id, stamps, place in the map of ids, what stands beside a vector, and what stands beside a
  // code.
  static constexpr size_t kRegionBytes = 8 + sizeof(Stamps) + IdMap::kRegionBytes + 4 + 8 + 8;

  // Gives each point the row of its number. Finish does, unless it was done: it may be done beside
  // PutVector and NoteVector. May throw std::bad_alloc. REQUIRES: called at most once
  void AddPoints();

  // Any thread, for different points.
  //   vector  of the table's type, finite, any alignment, not retained
  void PutVector(uint32_t point, const void* vector);
  // The same of one that comes later.
  void NoteVector(uint32_t point, const void* vector);
  // Vectors that come later: `rows` has each put by RestoreVector. REQUIRES: NoteVector saw them
  void UseVectors(std::unique_ptr<const LazyRows> rows);

  // Vectors that stay in a file, in the order of points. May throw std::bad_alloc.
  // REQUIRES: options.vectors is kMapped; NoteVector saw them
  void MapVectors(std::unique_ptr<const MappedRows> file);

  // A point that is in the row of an equal vector, its host's.
  struct Guest {
    uint32_t point;
    uint32_t host;
  };
  // What is known of a graph besides its links.
  struct GraphData {
    std::vector<Guest> guests;  // ascending by point
    TableImage::Entries entries;
    // Whether links lead from each entry to every node. Otherwise all of them are looked at, and
    // mended, before there is a table.
    bool connected = false;
  };
  // Takes a graph up to its links; kCorrupt says what is wrong with it, and then there is none.
  // kIo for vectors that it looks at. REQUIRES: every vector is there, or comes on demand
  Status BeginGraph(GraphData graph);
  // The rules of its links. REQUIRES: BeginGraph succeeded
  const std::shared_ptr<const LinkRules>& link_rules() const { return rules_; }
  // The hosts that are no nodes, ascending. REQUIRES: BeginGraph succeeded
  std::vector<uint32_t> Outsiders() const;
  // Gives the table the graph: `rows` has the words of each point, which keep the rules, put by
  // RestoreLinks. kOutOfMemory. REQUIRES: BeginGraph succeeded, with points
  Status UseGraph(std::unique_ptr<const LazyRows> rows);
  size_t width() const { return table_->graph_.width(); }

  // Gives the table the codes that it had: others would mean other walks. Without UseCodes they are
  // made again. REQUIRES: [dimension], finite; a kind that its options allow
  void SetCodes(Quantization kind, std::vector<float> centre);
  Quantization codes() const { return codes_; }
  // Room for them; null when memory is refused. What stands beside each is restored by the caller.
  CodeStore* BeginCodes();
  // `rows` has the codes themselves restored. REQUIRES: BeginCodes gave room
  void UseCodes(std::unique_ptr<const LazyRows> rows);

  // The points that are in another row than their own.
  std::span<const Guest> guests() const {
    return has_graph_ ? std::span<const Guest>(graph_data_.guests) : std::span<const Guest>();
  }

  // Where rows that come later are put, while the table lives. Any thread, for different points.
  class Target {
   public:
    void RestoreVector(uint32_t point, const void* vector) const;
    void RestoreLinks(uint32_t point, std::span<const uint32_t> words) const;

   private:
    friend class TableRestorer;
    explicit Target(Table* table) : table_(table) {}
    Table* table_;
  };
  Target target() const { return Target(table_.get()); }

  // The table. Without a graph, searches are exact until `LinkSome` has linked everything. kCorrupt
  // or kIo for what must be there at once.
  //   forget_source  called when nothing will come from the file any more
  // REQUIRES: called once, last
  Result<std::unique_ptr<Table>> Finish(std::function<void()> forget_source = nullptr);

 private:
  TableRestorer(std::unique_ptr<Table> table, size_t count, PageRegion* region)
      : table_(std::move(table)), count_(count), region_(region) {}

  Status CheckGuests(const std::vector<Guest>& guests) const;
  Status CheckEntries(const GraphData& graph) const;
  void MakeGuest(const Guest& guest);
  // Calls visit(point) for each that is no guest of the graph, in their order.
  template <typename Visitor>
  void ForEachHost(Visitor visit) const;
  Status MakeCodes();

  std::unique_ptr<Table> table_;
  size_t count_;
  PageRegion* region_;
  GraphData graph_data_;
  std::shared_ptr<const LinkRules> rules_;
  bool has_points_ = false;
  bool has_graph_ = false;
  bool is_lazy_ = false;  // something comes later
  Quantization codes_ = Quantization::kNone;
  std::vector<float> centre_;
  std::unique_ptr<CodeStore> code_store_;
  bool has_codes_ = false;
};

}  // namespace vitrine
