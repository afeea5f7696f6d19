#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "engine/database.h"

namespace vitrine {

// A database as one environment has it open. A folder is open once in a process, however many
// environments ask for it: they share the engine, and the last one closes it.
//
// Thread safety: functions may be called from any thread.
class SharedDatabase {
 public:
  // As Database::Open; kOption when it is open with another durability.
  static Result<std::shared_ptr<SharedDatabase>> Open(DatabaseOptions options);
  // Without Close the share is given up; the last one ends like a process.
  ~SharedDatabase();
  SharedDatabase(const SharedDatabase&) = delete;
  SharedDatabase& operator=(const SharedDatabase&) = delete;

  Database& operator*() const { return *database_; }
  Database* operator->() const { return database_.get(); }
  // About how many have it open. Each share has the engine once, and nobody else for long.
  size_t shares() const { return static_cast<size_t>(database_.use_count()); }
  // Gives up the share; whoever has the last one closes the database.
  Status Close();

 private:
  SharedDatabase(std::string key, std::shared_ptr<Database> database)
      : key_(std::move(key)), database_(std::move(database)) {}

  const std::string key_;  // empty: nobody else has it
  const std::shared_ptr<Database> database_;
  bool closed_ = false;
  bool ends_ = false;  // the last one that had it closes it
};

}  // namespace vitrine
