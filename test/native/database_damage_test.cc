// Bits flip and files end early: whatever single file is damaged, answers are the same or the
// database says where it is damaged. Outside the log nothing is lost at all.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_damage_test {
namespace {

using Bytes = FaultFiles::Bytes;

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string PathOf(const std::string& name) { return std::string(kDatabaseFolder) + "/" + name; }
bool IsLog(const std::string& path) { return SegmentNumber(BaseName(path)).has_value(); }

// The files of a database that was closed, and what one of them may do to it.
class ClosedDatabase : public testing::Test {
 protected:
  // Keeps what was left by a database that holds `contents`.
  void Keep(const FaultFiles& files, DatabaseModel contents) {
    contents_ = std::move(contents);
    for (const std::string& path : files.names()) whole_[path] = files.Get(path);
  }

  // Opens what is left; whether it opened.
  bool Judge(const std::string& path, Bytes damaged, const std::string& where) {
    FaultFiles files(TestSeed());
    for (const auto& [name, bytes] : whole_) {
      if (name != path) files.Put(name, bytes);
    }
    files.Put(path, std::move(damaged));
    return JudgeFiles(files, path, where);
  }
  bool JudgeFiles(FaultFiles& files, const std::string& path, const std::string& where) {
    const auto opened = Database::Open(Options(files));
    if (!opened.ok()) {
      EXPECT_TRUE(opened.status().code() == ErrorCode::kCorrupt ||
                  opened.status().code() == ErrorCode::kFormat)
          << where << ": " << opened.status().message();
      EXPECT_TRUE(IsLog(path)) << where << ": " << opened.status().message();
      return false;
    }
    EXPECT_TRUE(ContentsOf(**opened) == contents_) << where;
    return true;
  }
  bool JudgeFlip(const std::string& path, uint64_t bit) {
    Bytes damaged = whole_.at(path);
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    return Judge(path, std::move(damaged), path + " bit " + std::to_string(bit));
  }

  virtual DatabaseOptions Options(FaultFiles& files) const { return SmallDatabase(files); }

  std::map<std::string, Bytes> whole_;
  DatabaseModel contents_;
};

// Two collections, of which one has not changed for a while; checkpoints with writes between and
// behind them; all of it attested by a seal.
class DamagedDatabase : public ClosedDatabase {
 protected:
  void SetUp() override {
    FaultFiles files(TestSeed());
    auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok());
    Database& database = **opened;
    std::mt19937_64 random(TestSeed());
    for (const char* name : {"still", "busy"}) {
      ASSERT_TRUE(database.CreateCollection(name, kConfig).ok());
    }
    for (int round = 0; round < 5; ++round) {
      for (int i = 0; i < 4; ++i) {
        Transaction transaction;
        transaction.SetIdempotencyKey({std::byte(1 + round), std::byte(i)});
        for (uint64_t j = 0; j < 5; ++j) {
          const auto collection = *database.FindCollection(round == 0 ? "still" : "busy");
          const float x = static_cast<float>(random() % 3);
          AddPut(transaction, *collection,
                 {j % 2 == 0, random() % 20, std::to_string(random() % 9)}, {x, x, 1},
                 std::string(random() % 30, 'p'));
        }
        ASSERT_TRUE(database.Write(std::move(transaction)).ok());
      }
      if (round < 4) {
        ASSERT_TRUE(database.Checkpoint().ok());
      }
    }
    DatabaseModel contents = ContentsOf(database);
    ASSERT_TRUE(database.Close().ok());
    Keep(files, std::move(contents));
  }
};

// A collection in a checkpoint, with writes behind it, in files as short as can be.
class SmallDamagedDatabase : public ClosedDatabase {
 protected:
  void SetUp() override {
    FaultFiles files(TestSeed());
    auto opened = Database::Open(Options(files));
    ASSERT_TRUE(opened.ok());
    Database& database = **opened;
    const auto collection = database.CreateCollection("few", kConfig);
    ASSERT_TRUE(collection.ok());
    for (uint64_t i = 0; i < 8; ++i) {
      Transaction transaction;
      const float x = static_cast<float>(i % 5);
      AddPut(transaction, **collection, {i % 2 == 0, i, std::to_string(i)}, {x, 1, x}, "payload");
      ASSERT_TRUE(database.Write(std::move(transaction)).ok());
      if (i == 4) {
        ASSERT_TRUE(database.Checkpoint().ok());
      }
    }
    DatabaseModel contents = ContentsOf(database);
    ASSERT_TRUE(database.Close().ok());
    Keep(files, std::move(contents));
  }
  DatabaseOptions Options(FaultFiles& files) const override {
    DatabaseOptions options = SmallDatabase(files);
    options.segment_bytes = {4 * kPageBytes, 4 * kPageBytes};
    return options;
  }
};

TEST_F(DamagedDatabase, AFlippedBitChangesNoAnswer) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  size_t opened = 0;
  size_t refused = 0;
  for (const auto& [path, bytes] : whole_) {
    // More of what is short.
    const size_t flips = Rounds(700, 30);
    for (size_t i = 0; i < flips; ++i) {
      const bool is_open = JudgeFlip(path, random() % (bytes.size() * 8));
      ++(is_open ? opened : refused);
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GT(opened, Rounds(5000, 100));
  EXPECT_GT(refused, 0u);
}

// As many flips as 16 KiB have bits, one in each of as many equal parts of all files.
TEST_F(SmallDamagedDatabase, AFlippedBitAnywhereChangesNoAnswer) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  uint64_t bits = 0;
  for (const auto& [path, bytes] : whole_) bits += bytes.size() * 8;
  const uint64_t flips = Rounds(131'072, 1'000);
  ASSERT_GE(bits, flips);
  uint64_t refused = 0;
  for (uint64_t i = 0; i < flips; ++i) {
    const uint64_t begin = i * bits / flips;
    uint64_t bit = begin + random() % ((i + 1) * bits / flips - begin);
    auto file = whole_.begin();
    for (; bit >= file->second.size() * 8; ++file) bit -= file->second.size() * 8;
    refused += JudgeFlip(file->first, bit) ? 0 : 1;
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refused, 0u);
  EXPECT_LT(refused, flips / 2);
  RecordProperty("flips", std::to_string(flips));
  RecordProperty("refused", std::to_string(refused));
}

TEST_F(DamagedDatabase, AFileThatEndsEarlyChangesNoAnswer) {
  VITRINE_TRACE_SEED();
  for (const auto& [path, bytes] : whole_) {
    for (size_t size = 0; size < bytes.size(); size += Rounds(61, 1601)) {
      Judge(path, Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)),
            path + " length " + std::to_string(size));
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_F(DamagedDatabase, AFileThatIsGoneChangesNoAnswer) {
  std::string newest_log;
  for (const auto& [path, bytes] : whole_) {
    if (IsLog(path)) newest_log = path;
  }
  for (const auto& [path, bytes] : whole_) {
    FaultFiles files(TestSeed());
    for (const auto& [name, all] : whole_) {
      if (name != path) files.Put(name, all);
    }
    // The newest segment takes its own traces with it, unless a later one is prepared.
    if (path == newest_log) {
      const auto opened = Database::Open(SmallDatabase(files));
      EXPECT_TRUE(opened.ok() || opened.status().code() == ErrorCode::kCorrupt);
      continue;
    }
    JudgeFiles(files, path, path + " is gone");
  }
}

// Nothing else knows of a segment that was begun since the last checkpoint, but the one that was
// prepared behind it.
TEST_F(DamagedDatabase, ASegmentInUseThatIsGoneIsMissed) {
  FaultFiles files(TestSeed());
  for (const auto& [path, bytes] : whole_) files.Put(path, bytes);
  std::string in_use;
  std::string prepared;
  {
    const auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok());
    const auto busy = *(*opened)->FindCollection("busy");
    for (uint64_t i = 0; prepared.empty() || in_use.empty(); ++i) {
      ASSERT_LT(i, 50u);
      Transaction transaction;
      AddPut(transaction, *busy, {false, i, {}}, {1, 2, 3}, std::string(400, 'p'));
      ASSERT_TRUE((*opened)->Write(std::move(transaction)).ok());
      (void)(*opened)->Maintain();
      std::vector<std::string> segments;
      for (const std::string& path : files.names()) {
        if (IsLog(path)) segments.push_back(path);
      }
      // The newest is the one that was prepared, and the one before is new as well.
      if (segments.size() < 2 || whole_.contains(segments[segments.size() - 2])) continue;
      in_use = segments[segments.size() - 2];
      prepared = segments.back();
    }
    contents_ = ContentsOf(**opened);
  }
  for (const std::string& gone : {in_use, prepared}) {
    FaultFiles rest(TestSeed());
    for (const std::string& path : files.names()) {
      if (path != gone) rest.Put(path, files.Get(path));
    }
    const auto opened = Database::Open(SmallDatabase(rest));
    if (gone == in_use) {
      EXPECT_EQ(opened.status().code(), ErrorCode::kCorrupt);
    } else {
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      EXPECT_TRUE(ContentsOf(**opened) == contents_);
    }
  }
}

TEST_F(DamagedDatabase, AFileOfAnotherTimeChangesNoAnswer) {
  for (const auto& [path, bytes] : whole_) {
    for (const auto& [other, instead] : whole_) {
      if (other == path) continue;
      Judge(path, instead, other + " in place of " + path);
      ASSERT_FALSE(HasFailure());
    }
  }
}

// Healed: put aside, replaced by the next checkpoint, and then any other file may be damaged.
TEST_F(DamagedDatabase, HealsAndIsWholeAgain) {
  size_t put_aside = 0;
  for (const auto& [path, bytes] : whole_) {
    if (IsLog(path)) continue;
    SCOPED_TRACE(path);
    FaultFiles files(TestSeed());
    for (const auto& [name, all] : whole_) files.Put(name, all);
    Bytes damaged = bytes;
    damaged[bytes.size() / 2] ^= std::byte{8};
    files.Put(path, damaged);
    {
      auto opened = Database::Open(SmallDatabase(files));
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      Database& database = **opened;
      // Nothing that may be of use to somebody is deleted.
      const std::vector<std::string> names = files.names();
      if (std::find(names.begin(), names.end(), path) == names.end()) {
        const std::string aside = PathOf(QuarantinedName(BaseName(path)));
        ASSERT_TRUE(std::find(names.begin(), names.end(), aside) != names.end());
        EXPECT_TRUE(files.Get(aside) == damaged);
        ++put_aside;
      }
      for (int i = 0; i < 20 && (database.Maintain() || database.degraded()); ++i) {
      }
      EXPECT_FALSE(database.degraded());
      ASSERT_TRUE(database.Checkpoint().ok());
      ASSERT_TRUE(database.Checkpoint().ok());
      const auto damages = database.Verify();
      ASSERT_TRUE(damages.ok()) << damages.status().message();
      for (const Damage& damage : *damages) ADD_FAILURE() << damage.path << ": " << damage.what;
      EXPECT_TRUE(ContentsOf(database) == contents_);
      ASSERT_TRUE(database.Close().ok());
    }
    files.Restart();
    const auto again = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(again.ok());
    EXPECT_FALSE((*again)->degraded());
    EXPECT_TRUE(ContentsOf(**again) == contents_);
  }
  EXPECT_GE(put_aside, 4u) << "a manifest, a part of each collection with its graph, the window";
}

// A disk that is full when the damage is found, and nobody who writes afterwards.
TEST_F(DamagedDatabase, TriesAgainToHeal) {
  FaultFiles files(TestSeed());
  std::string newest;
  for (const auto& [path, bytes] : whole_) {
    files.Put(path, bytes);
    if (path.ends_with(".prim") && path > newest) newest = path;
  }
  files.Damage(newest, kPageBytes + 8);
  uint64_t now = 1'000'000;
  DatabaseOptions options = Options(files);
  options.clock_ms = [&] { return now; };
  const auto opened = Database::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Database& database = **opened;
  files.SetCapacity(0);
  EXPECT_TRUE(database.Maintain());
  EXPECT_EQ(database.counts().failed_checkpoints, 1u);
  EXPECT_TRUE(database.Maintain());
  EXPECT_EQ(database.counts().failed_checkpoints, 1u) << "it does not try all the time";
  files.SetCapacity(UINT64_MAX);
  now += 60'000;
  (void)database.Maintain();
  EXPECT_EQ(database.counts().checkpoints, 2u);
  EXPECT_TRUE(ContentsOf(database) == contents_);
}

TEST_F(DamagedDatabase, VerificationNamesTheFile) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed() + 5);
  for (const auto& [path, bytes] : whole_) {
    // A segment that was prepared, and one that is left over, hold nothing.
    if (IsLog(path) || BaseName(path) == "LOCK") continue;
    FaultFiles files(TestSeed());
    for (const auto& [name, all] : whole_) files.Put(name, all);
    auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok());
    Bytes damaged = bytes;
    damaged[random() % bytes.size()] ^= std::byte{16};
    files.Put(path, damaged);
    const auto damages = (*opened)->Verify();
    ASSERT_TRUE(damages.ok());
    const bool named = std::any_of(damages->begin(), damages->end(),
                                   [&](const Damage& damage) { return damage.path == path; });
    EXPECT_TRUE(named) << path;
  }
}

// Searches of a collection whose graph is lost are exact, and say so, until it is there again.
TEST_F(DamagedDatabase, ServesExactlyWithoutAGraph) {
  size_t lost = 0;
  for (const auto& [path, bytes] : whole_) {
    if (!path.ends_with(".graph")) continue;
    FaultFiles files(TestSeed());
    for (const auto& [name, all] : whole_) files.Put(name, all);
    Bytes damaged = bytes;
    damaged[kPageBytes + 3] ^= std::byte{1};
    files.Put(path, damaged);
    auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok());
    Database& database = **opened;
    const auto collections = database.Collections();
    const auto unlinked = std::find_if(collections.begin(), collections.end(),
                                       [](const auto& one) { return !one->linked(); });
    if (unlinked == collections.end()) continue;  // the older generation's
    ++lost;
    EXPECT_TRUE(database.degraded());
    database.statistics().SetLevel(StatsLevel::kHistograms);
    const float query[3] = {1, 1, 1};
    const auto plan = (*unlinked)->table().Explain(query, {.k = 3});
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->reason, PlanReason::kNoGraph);
    EXPECT_TRUE(ContentsOf(database) == contents_);
    while (database.Maintain()) {
    }
    EXPECT_TRUE((*unlinked)->linked());
    const StatsSnapshot snapshot = database.statistics().Use()->Snapshot();
    const HistogramTotals& builds =
        snapshot.histogram(Family::kIndexBuildDuration, SeriesOf(BuildCause::kRebuild));
    EXPECT_EQ(builds.count(), 1u);
    EXPECT_GT(builds.sum, 0u);
    EXPECT_EQ(database.maintenance().of(Maintenance::kRebuild, RunOutcome::kOk), 1u);
    EXPECT_TRUE(ContentsOf(database) == contents_);
  }
  EXPECT_GE(lost, 2u);
}

}  // namespace
}  // namespace vitrine::database_damage_test
