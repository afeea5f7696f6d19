#include "database_user.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "typed_vectors.h"

namespace vitrine {
namespace {

constexpr size_t kDimension = 3;

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

DatabaseModel::Point PointOf(const Collection& collection, const PointRecord& record,
                             std::span<const std::byte> bytes) {
  const auto components = Components(collection.type(), bytes.data(), collection.dimension());
  DatabaseModel::Point point{{components.begin(), components.end()}, {}};
  if (const PointRecord::Payload payload = record.payload()) {
    point.payload = std::string(reinterpret_cast<const char*>(payload->data()), payload->size());
  }
  return point;
}

OwnKey KeyOf(const PointKey& key) { return {key.is_text, key.number, std::string(key.text)}; }

PointWrite OperationOf(const Collection& collection, const OwnKey& key, OperationType type) {
  PointWrite operation;
  operation.collection = collection.id();
  operation.type = type;
  operation.key = key.view();
  return operation;
}

void AddWhole(Transaction& transaction, const PointWrite& operation) {
  const Status status = transaction.Add(operation);
  ASSERT_TRUE(status.ok()) << status.message();
}

}  // namespace

DatabaseOptions SmallDatabase(FileSystem& files) {
  DatabaseOptions options;
  options.folder = kDatabaseFolder;
  options.kernels = SelectKernels("");
  options.files = &files;
  options.background = false;
  options.segment_bytes = {4 * kPageBytes, 8 * kPageBytes};
  options.clock_ms = [] { return uint64_t{1'800'000'000'000}; };
  options.creator = "test";
  return options;
}

std::string WriteOutcomeOf(const Status& status) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.name == "outcome") return std::get<std::string>(detail.value);
  }
  return "";
}

void AddPut(Transaction& transaction, const Collection& collection, const OwnKey& key,
            const std::vector<float>& vector, const std::optional<std::string>& payload,
            Condition condition) {
  PointWrite operation = OperationOf(collection, key, OperationType::kPut);
  operation.condition = condition;
  operation.vector_type = collection.type();
  const std::vector<std::byte> bytes = Encoded(collection.type(), vector);
  operation.vector = bytes;
  if (payload) operation.payload = BytesOf(*payload);
  AddWhole(transaction, operation);
}

void AddSetPayload(Transaction& transaction, const Collection& collection, const OwnKey& key,
                   const std::string& payload) {
  PointWrite operation = OperationOf(collection, key, OperationType::kSetPayload);
  operation.payload = BytesOf(payload);
  AddWhole(transaction, operation);
}

void AddDelete(Transaction& transaction, const Collection& collection, const OwnKey& key) {
  AddWhole(transaction, OperationOf(collection, key, OperationType::kDelete));
}

DatabaseModel ContentsOf(const Database& database) {
  DatabaseModel contents;
  contents.aliases = database.Aliases();
  for (const auto& collection : database.Collections()) {
    DatabaseModel::Part& part = contents.collections[collection->name()];
    part.config = collection->config();
    Collection::Image image(*collection);
    EXPECT_EQ(image.size(), collection->size());
    std::vector<OwnKey> keys;
    for (size_t i = 0; i < image.size(); ++i) {
      const std::span vector(*image.Vector(i), collection->table().vector_bytes());
      keys.push_back(KeyOf(image.Record(i).key()));
      part.points[keys.back()] = PointOf(*collection, image.Record(i), vector);
    }
    EXPECT_EQ(part.points.size(), image.size()) << "a point is there twice";
    std::vector<PointKey> views;
    for (const OwnKey& key : keys) {
      EXPECT_TRUE(collection->Has(key.view()));
      views.push_back(key.view());
    }
    const auto found = collection->GetMany(views, {.payload = true, .vector = true});
    EXPECT_TRUE(found.ok());
    if (!found.ok()) continue;
    const auto& points = *found;
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_TRUE(points[i].has_value());
      if (!points[i]) continue;
      EXPECT_TRUE(part.points[keys[i]] ==
                  PointOf(*collection, points[i]->view(), points[i]->vector));
    }
    // Searches find all of it, nearest first, walked or scanned.
    const std::vector<std::byte> query =
        Encoded(collection->type(), std::vector<float>(part.config.dimension, 1.25f));
    for (const bool exact : {true, false}) {
      const auto hits =
          collection->Search({.vector = query.data(),
                              .parameters = {.k = image.size() + 1, .ef = 2000, .exact = exact},
                              .select = {.payload = true, .vector = true}});
      EXPECT_TRUE(hits.ok());
      if (!hits.ok()) continue;
      EXPECT_EQ(hits->size(), image.size());
      for (size_t i = 0; i < hits->size(); ++i) {
        const StoredPoint& point = (*hits)[i].point;
        EXPECT_TRUE(part.points[KeyOf(point.view().key())] ==
                    PointOf(*collection, point.view(), point.vector));
        EXPECT_TRUE(i == 0 || (*hits)[i - 1].distance <= (*hits)[i].distance);
      }
    }
  }
  return contents;
}

Status DatabaseUser::Open(std::unique_ptr<Database>& database) {
  DatabaseOptions options = SmallDatabase(files_);
  options.durability = durability_;
  options.checkpoint_bytes = 6 * kPageBytes;
  Result<std::unique_ptr<Database>> opened = Database::Open(std::move(options));
  if (!opened.ok()) return opened.status();
  database = std::move(*opened);
  return {};
}

void DatabaseUser::Live(size_t steps, End end, Gap gap_before) {
  power_failed_ = power_failed_ || gap_before == Gap::kPower;
  std::unique_ptr<Database> database;
  const Status opened = Open(database);
  if (!opened.ok()) {
    // The disk's fault, or memory's; never what is on it.
    ASSERT_EQ(opened.code(), ErrorCode::kIo) << opened.message();
    return;
  }
  // What opening has left in files: the disk may fail here as well.
  for (const auto& collection : database->Collections()) {
    const Status brought = collection->table().FetchEverything();
    if (brought.ok()) continue;
    ASSERT_EQ(brought.code(), ErrorCode::kIo) << brought.message();
    return;
  }
  ASSERT_NO_FATAL_FAILURE(Hold(*database));
  for (size_t i = 0; i < steps; ++i) ASSERT_NO_FATAL_FAILURE(Step(*database));
  const bool dead = !database->WriteFailure().ok();
  if (end == End::kClose && database->Close().ok() && !dead) {
    // All of it is on the device.
    states_.erase(states_.begin(), states_.end() - 1);
  }
}

void DatabaseUser::Check(Gap gap) {
  power_failed_ = power_failed_ || gap == Gap::kPower;
  std::unique_ptr<Database> database;
  const Status opened = Open(database);
  ASSERT_TRUE(opened.ok()) << opened.message();
  ASSERT_NO_FATAL_FAILURE(Hold(*database));
  const auto damages = database->Verify();
  ASSERT_TRUE(damages.ok()) << damages.status().message();
  for (const Damage& damage : *damages) ADD_FAILURE() << damage.path << ": " << damage.what;
  for (int i = 0; i < 3; ++i) ASSERT_NO_FATAL_FAILURE(Step(*database));
  ASSERT_TRUE(database->Close().ok());
  // What opening left in files is read by who still has a collection.
  database.reset();
  EXPECT_EQ(files_.open_files(), 0u);
}

void DatabaseUser::Hold(const Database& database) {
  const DatabaseModel contents = ContentsOf(database);
  ASSERT_FALSE(testing::Test::HasFailure());
  const bool may_lose =
      durability_ == Durability::kNone || (power_failed_ && durability_ == Durability::kInterval);
  bool known = unknown_ && contents == *unknown_;
  for (size_t i = states_.size(); !known && i-- > 0;) {
    known = contents == states_[i];
    if (!may_lose) break;
  }
  std::string sizes;
  for (const auto& [name, part] : contents.collections) {
    sizes += name + " " + std::to_string(part.points.size()) + " ";
  }
  std::string wanted;
  for (const auto& [name, part] : states_.back().collections) {
    wanted += name + " " + std::to_string(part.points.size()) + " ";
  }
  ASSERT_TRUE(known) << "acknowledged writes: " << acknowledged_ << ", there: " << sizes
                     << ", wanted: " << wanted;
  // From here on that is what was there.
  states_ = {contents};
  unknown_.reset();
  power_failed_ = false;
}

void DatabaseUser::Acknowledge(DatabaseModel after) {
  ++acknowledged_;
  if (durability_ == Durability::kCommit) states_.clear();
  states_.push_back(std::move(after));
}

void DatabaseUser::Judge(const Result<WriteResult>& result, DatabaseModel after) {
  JudgeStatus(result.ok() ? Status() : result.status(), std::move(after));
  if (!result.ok()) return;
  ASSERT_EQ(result->durable, durability_ == Durability::kCommit);
}

void DatabaseUser::JudgeStatus(const Status& status, DatabaseModel after) {
  if (status.ok()) return Acknowledge(std::move(after));
  ASSERT_EQ(status.code(), ErrorCode::kIo) << status.message();
  const std::string outcome = WriteOutcomeOf(status);
  ASSERT_TRUE(outcome == "unknown" || outcome == "not_applied") << status.message();
  if (outcome == "unknown") {
    ASSERT_FALSE(unknown_) << "something was written after a failure";
    unknown_ = std::move(after);
  }
}

OwnKey DatabaseUser::RandomKey() {
  const uint64_t number = random_() % 12;
  if (random_() % 2 == 0) return {false, number, {}};
  return {true, 0, std::to_string(number)};
}

void DatabaseUser::WriteSome(Database& database) {
  const auto collections = database.Collections();
  if (collections.empty()) return ChangeSome(database);
  DatabaseModel after = states_.back();
  Transaction transaction;
  const size_t count = 1 + random_() % 6;
  for (size_t i = 0; i < count; ++i) {
    const auto& collection = collections[random_() % collections.size()];
    auto& points = after.collections[collection->name()].points;
    const OwnKey key = RandomKey();
    const uint64_t dice = random_() % 10;
    const std::string payload = "payload " + std::to_string(random_()) +
                                std::string(random_() % 8 == 0 ? 3000 : random_() % 40, 'x');
    if (dice < 6) {
      std::vector<float> vector(kDimension);
      // Few enough different ones that some are equal, and some zero.
      for (float& x : vector) x = static_cast<float>(random_() % 4);
      const std::optional<std::string> some =
          random_() % 4 == 0 ? std::nullopt : std::optional(payload);
      AddPut(transaction, *collection, key, vector, some);
      points[key] = {vector, some};
    } else if (dice < 8 && points.contains(key)) {
      AddSetPayload(transaction, *collection, key, payload);
      points[key].payload = payload;
    } else {
      AddDelete(transaction, *collection, key);
      points.erase(key);
    }
  }
  Judge(database.Write(std::move(transaction)), std::move(after));
}

void DatabaseUser::ChangeSome(Database& database) {
  DatabaseModel after = states_.back();
  const std::string name = random_() % 3 == 0 ? "b" : "a";
  const auto found = after.collections.find(name);
  if (found == after.collections.end()) {
    // One is of f32, the other of whatever type comes next.
    const auto other = static_cast<VectorType>(1 + acknowledged_ % 4);
    const CollectionConfig config{
        .dimension = kDimension,
        .type = name == "b" ? other : VectorType::kF32,
        .metric = name == "b" ? Metric::kCosine : Metric::kL2,
        .m = 4,
        .ef_construction = 20,
        .vectors = acknowledged_ % 2 == 0 ? VectorPlace::kMapped : VectorPlace::kMemory};
    after.collections[name].config = config;
    const auto created = database.CreateCollection(name, config);
    return JudgeStatus(created.ok() ? Status() : created.status(), std::move(after));
  }
  if (random_() % 3 == 0) {
    after.collections.erase(found);
    std::erase_if(after.aliases, [&](const auto& alias) { return alias.second == name; });
    return JudgeStatus(database.DropCollection(name), std::move(after));
  }
  if (after.aliases.contains("other") && random_() % 2 == 0) {
    after.aliases.erase("other");
    return JudgeStatus(database.DropAlias("other"), std::move(after));
  }
  after.aliases["other"] = name;
  JudgeStatus(database.SetAlias("other", name), std::move(after));
}

void DatabaseUser::Step(Database& database) {
  const uint64_t dice = random_() % 20;
  if (dice < 13) {
    WriteSome(database);
  } else if (dice < 15) {
    ChangeSome(database);
  } else if (dice < 17) {
    (void)database.Maintain();
  } else if (dice < 18) {
    const bool dead = !database.WriteFailure().ok();
    const Status status = database.Flush();
    if (status.ok() && !dead) states_.erase(states_.begin(), states_.end() - 1);
    ASSERT_TRUE(status.ok() || status.code() == ErrorCode::kIo) << status.message();
  } else {
    const Status status = database.Checkpoint();
    if (!status.ok()) {
      ASSERT_EQ(status.code(), ErrorCode::kIo) << status.message();
      return;
    }
    // What was in flight when the log failed has not been done, and never will be.
    unknown_.reset();
    states_.erase(states_.begin(), states_.end() - 1);
  }
}

}  // namespace vitrine
