#pragma once

#include <node_api.h>

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "binding/damage_events.h"
#include "binding/handle_stats.h"
#include "binding/process_databases.h"
#include "engine/collection.h"
#include "engine/transaction.h"

namespace vitrine {

struct CollectionHandle;

// What the JavaScript object of a database stands for. Operations take shares of `database`.
struct DatabaseHandle {
  static constexpr std::string_view kTypeName = "a database handle";

  std::shared_ptr<SharedDatabase> database;  // null when it was closed
  std::vector<std::weak_ptr<CollectionHandle>> collections;
  bool closing = false;
  std::shared_ptr<DamageEvents> events;  // null when nobody listens
  HandleStats stats;

  // Once it has been closed: gives up what it holds of the engine, which may be much, and which the
  // garbage collector knows nothing of any more. Returns the share of the database.
  std::shared_ptr<SharedDatabase> GiveUp();
  // Its JavaScript object was closed, or collected: on the JS thread.
  void StopEvents() {
    if (events != nullptr) std::exchange(events, nullptr)->Close();
  }
  void Collected(napi_env env) {
    StopEvents();
    ReportMemory(env, 0);
    collected = true;
  }
  // Tells V8 how many bytes it takes, when that is something else than before.
  void ReportMemory(napi_env env, int64_t bytes) {
    int64_t all = 0;
    napi_adjust_external_memory(env, bytes - std::exchange(reported_bytes, bytes), &all);
  }
  int64_t reported_bytes = 0;
  bool collected = false;
};

// A collection, and the database that it needs.
struct CollectionHandle {
  static constexpr std::string_view kTypeName = "a collection handle";

  std::shared_ptr<DatabaseHandle> owner;
  std::shared_ptr<Collection> collection;  // null when the database was closed
  HandleStats stats;

  // Where what is done to it is counted.
  std::array<LazyStatistics*, 2> places() const {
    return {&(**owner->database).statistics(), &collection->statistics()};
  }
};

inline std::shared_ptr<SharedDatabase> DatabaseHandle::GiveUp() {
  closing = true;
  for (const auto& weak : std::exchange(collections, {})) {
    if (const auto handle = weak.lock()) handle->collection.reset();
  }
  return std::exchange(database, nullptr);
}

// What a transaction is counted as: one operation on one collection, or neither.
struct CountedTransaction {
  std::optional<CountedOperation> operation;  // nothing yet
  std::weak_ptr<Collection> collection;       // which belongs to the database
  size_t points = 0;
  size_t puts = 0;  // of them

  void Add(CountedOperation what, const std::shared_ptr<Collection>& of, size_t count) {
    if (!operation) {
      operation = what;
      collection = of;
    } else if (operation != what || collection.lock() != of) {
      operation = CountedOperation::kTransaction;
      collection.reset();
    }
    points += count;
    if (what == CountedOperation::kInsert || what == CountedOperation::kUpsert) puts += count;
  }
};

// Writes that are being gathered, for one database.
struct TransactionHandle {
  static constexpr std::string_view kTypeName = "a transaction handle";

  std::shared_ptr<DatabaseHandle> owner;
  std::optional<Transaction> transaction;  // nothing once it was committed
  CountedTransaction counted;
};

// A scan: points of one moment, and how far it is.
struct ScanHandle {
  static constexpr std::string_view kTypeName = "a scan handle";

  std::shared_ptr<Collection> collection;  // outlives the image
  std::unique_ptr<Collection::Image> image;
  std::vector<uint32_t> points;  // of the image, those that are wanted
  size_t next = 0;
};

}  // namespace vitrine
