#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/database.h"
#include "fault_files.h"

namespace vitrine {

inline constexpr char kDatabaseFolder[] = "db";

// Options for a database in memory files: small segments, nothing in the background.
DatabaseOptions SmallDatabase(FileSystem& files);

// A key that owns its text.
struct OwnKey {
  bool is_text = false;
  uint64_t number = 0;
  std::string text;
  PointKey view() const { return is_text ? PointKey::Text(text) : PointKey::Number(number); }
  auto operator<=>(const OwnKey&) const = default;
};

// What a database should hold.
struct DatabaseModel {
  struct Point {
    std::vector<float> vector;
    std::optional<std::string> payload;
    bool operator==(const Point&) const = default;
  };
  struct Part {
    CollectionConfig config;
    std::map<OwnKey, Point> points;
    bool operator==(const Part&) const = default;
  };
  std::map<std::string, Part> collections;
  std::map<std::string, std::string> aliases;
  bool operator==(const DatabaseModel&) const = default;
};

// What it does hold. Walks it through every way of reading, which must agree.
DatabaseModel ContentsOf(const Database& database);

// A write that is queued and not waited for.
class QueuedWrite final : public PendingWrite {
 public:
  using PendingWrite::PendingWrite;
  void Finished() override { ++finished; }
  std::atomic<int> finished{0};  // calls; sequentially consistent, as a test may wait for it
};

// The detail "outcome" of a failure.
std::string WriteOutcomeOf(const Status& status);

// Adds a put, a change of the payload or a delete to a transaction.
void AddPut(Transaction& transaction, const Collection& collection, const OwnKey& key,
            const std::vector<float>& vector, const std::optional<std::string>& payload,
            Condition condition = Condition::kNone);
void AddSetPayload(Transaction& transaction, const Collection& collection, const OwnKey& key,
                   const std::string& payload);
void AddDelete(Transaction& transaction, const Collection& collection, const OwnKey& key);

// Somebody who uses a database on a disk that fails, remembers what it was told about every write,
// and holds the database to it.
class DatabaseUser {
 public:
  enum class Gap : uint8_t { kProcess, kPower };

  DatabaseUser(FaultFiles& files, uint64_t seed, Durability durability = Durability::kCommit)
      : files_(files), random_(seed), durability_(durability) {}

  // Opens the database, holds it to what is known, and goes on with `steps` random steps. Returns
  // early where the disk refuses to open it.
  enum class End : uint8_t { kClose, kLeave };
  void Live(size_t steps, End end, Gap gap_before);
  // Opens it on a disk that does not fail any more, holds it to what is known, and goes on.
  void Check(Gap gap);

  size_t acknowledged() const { return acknowledged_; }

 private:
  Status Open(std::unique_ptr<Database>& database);
  void Hold(const Database& database);
  void Step(Database& database);
  void WriteSome(Database& database);
  void ChangeSome(Database& database);
  void Judge(const Result<WriteResult>& result, DatabaseModel after);
  void JudgeStatus(const Status& status, DatabaseModel after);
  void Acknowledge(DatabaseModel after);
  OwnKey RandomKey();

  FaultFiles& files_;
  std::mt19937_64 random_;
  const Durability durability_;
  // What it may hold after a power cut, oldest first; the last one is what it holds now.
  std::vector<DatabaseModel> states_{1};
  // What it may hold besides, because the device failed while it was written.
  std::optional<DatabaseModel> unknown_;
  bool power_failed_ = false;  // since it was last looked at
  size_t acknowledged_ = 0;
};

}  // namespace vitrine
