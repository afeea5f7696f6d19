#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "binding/handle_stats.h"
#include "binding/write_queue.h"
#include "engine/table.h"

namespace vitrine {

// What the JavaScript object of an index stands for. Used on the JS thread only, except for its
// destruction, which may happen wherever the last operation ends; so nothing of Node's that needs
// freeing is kept here.
class IndexHandle {
 public:
  static constexpr std::string_view kTypeName = "an index handle";

  //   load_ns  how long loading it took; 0: it was not loaded
  explicit IndexHandle(std::shared_ptr<Table> table, uint64_t load_ns = 0)
      : load_ns_(load_ns),
        id_type_(table->id_type()),
        dimension_(table->dimension()),
        type_(table->type()),
        table_(std::move(table)) {}

  bool closing() const { return closing_; }
  // REQUIRES: !closing(). An operation takes a share of its own.
  const std::shared_ptr<Table>& table() const { return table_; }
  IdType id_type() const { return id_type_; }
  size_t dimension() const { return dimension_; }
  VectorType type() const { return type_; }
  // Of an array, for one vector.
  size_t elements() const { return ElementsOf(type_, dimension_); }
  size_t VectorsIn(size_t bytes) const { return bytes / (elements() * ElementBytes(type_)); }
  const std::shared_ptr<WriteQueue>& writes() const { return writes_; }
  LocalStatistics& statistics() { return statistics_; }
  HandleStats& stats() { return stats_; }
  uint64_t load_ns() const { return load_ns_; }
  // With that of its statistics. REQUIRES: !closing()
  TableMemory memory() const {
    TableMemory memory = table_->memory();
    memory.other += statistics_.memory_bytes();
    return memory;
  }
  // What V8 was told that it takes, in bytes.
  int64_t reported_bytes() const { return reported_bytes_; }
  // Operations that have not been settled, and how many of them are writes.
  size_t pending() const { return pending_; }
  size_t pending_writes() const { return pending_writes_; }

  // The JavaScript object has been collected, perhaps with its environment.
  void Collected(napi_env env) {
    collected_ = true;
    int64_t all = 0;
    napi_adjust_external_memory(env, -std::exchange(reported_bytes_, 0), &all);
  }

 private:
  friend class Addon;

  const uint64_t load_ns_;
  const IdType id_type_;
  const size_t dimension_;
  const VectorType type_;
  std::shared_ptr<Table> table_;
  LocalStatistics statistics_;
  HandleStats stats_;
  const std::shared_ptr<WriteQueue> writes_ = std::make_shared<WriteQueue>();
  size_t pending_ = 0;
  size_t pending_writes_ = 0;
  bool closing_ = false;
  bool released_ = false;  // the table is gone
  std::vector<napi_deferred> close_promises_;
  int64_t reported_bytes_ = 0;  // what V8 counts on account of this index
  bool collected_ = false;      // the JavaScript object is gone
};

// A prepared filter, and the table it belongs to.
struct IdSetHandle {
  static constexpr std::string_view kTypeName = "an id set of this index";

  std::shared_ptr<const IdSet> set;
  std::weak_ptr<Table> table;

  // V8 collects it in time only if it knows what it takes.
  void ReportMemory(napi_env env, int64_t sign) const {
    int64_t all = 0;
    napi_adjust_external_memory(
        env, sign * static_cast<int64_t>(set->ids().capacity() * sizeof(PointId)), &all);
  }
  void Collected(napi_env env) const { ReportMemory(env, -1); }
};

// What cancels one operation.
struct CancelToken {
  static constexpr std::string_view kTypeName = "a cancel token";

  std::weak_ptr<Operation> operation;
  bool cancelled = false;  // before there was an operation
};

}  // namespace vitrine
