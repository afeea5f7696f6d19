// Files that nobody reads lose bits, and are found out and healed while memory has everything.

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "database_user.h"
#include "random_data.h"
#include "storage/paced_files.h"

namespace vitrine::database_scrub_test {
namespace {

constexpr CollectionConfig kConfig{.dimension = 3, .m = 4, .ef_construction = 20};

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool IsLog(const std::string& path) { return SegmentNumber(NameOf(path)).has_value(); }

class Listener final : public DamageListener {
 public:
  void Found(const Damage& damage) override {
    const std::lock_guard lock(mutex_);
    paths_.push_back(damage.path);
  }
  std::vector<std::string> paths() const {
    const std::lock_guard lock(mutex_);
    return paths_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> paths_;
};

// Two generations, of which one collection has the same file in both, and a log of several segments
// behind them.
class ScrubbedDatabase : public testing::Test {
 protected:
  ScrubbedDatabase() : files_(TestSeed()) {}

  void Open(const DatabaseOptions& options) {
    database_.reset();
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(*opened);
    database_->Watch(listener_);
  }
  void Fill(const DatabaseOptions& options) {
    Open(options);
    for (const char* name : {"still", "busy"}) {
      ASSERT_TRUE(database_->CreateCollection(name, kConfig).ok());
      Write(name, 0);
    }
    for (uint64_t round = 1; round < 4; ++round) {
      ASSERT_TRUE(database_->Checkpoint().ok());
      Write("busy", round);
    }
    for (uint64_t round = 4; round < 20; ++round) Write("busy", round);
    contents_ = ContentsOf(*database_);
  }
  void Write(const char* name, uint64_t round) {
    const auto collection = *database_->FindCollection(name);
    Transaction transaction;
    transaction.SetIdempotencyKey({std::byte(1 + round)});
    for (uint64_t i = 0; i < 10; ++i) {
      AddPut(transaction, *collection, {false, (round * 7 + i) % 40, {}}, {float(i), 1, 2},
             std::string(100, 'p'));
    }
    ASSERT_TRUE(database_->Write(std::move(transaction)).ok());
  }
  void Flip(const std::string& path, uint64_t bit) {
    FaultFiles::Bytes bytes = files_.Get(path);
    bytes[static_cast<size_t>(bit / 8)] ^= std::byte{1} << (bit % 8);
    files_.Put(path, bytes);
  }
  void ExpectWhole() {
    const auto damages = database_->Verify();
    ASSERT_TRUE(damages.ok()) << damages.status().message();
    for (const Damage& damage : *damages) ADD_FAILURE() << damage.path << ": " << damage.what;
    EXPECT_FALSE(database_->degraded());
    EXPECT_TRUE(ContentsOf(*database_) == contents_);
  }

  FaultFiles files_;
  std::shared_ptr<Listener> listener_ = std::make_shared<Listener>();
  std::unique_ptr<Database> database_;
  DatabaseModel contents_;
};

TEST_F(ScrubbedDatabase, FindsEveryBitThatFlippedInACheckpoint) {
  VITRINE_TRACE_SEED();
  std::mt19937_64 random(TestSeed());
  const size_t plants = Scaled(40, 10);
  Fill(SmallDatabase(files_));
  const auto nothing = database_->Scrub();
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->empty());
  EXPECT_EQ(database_->counts().scrub_passes, 1u);
  for (size_t plant = 0; plant < plants; ++plant) {
    std::vector<std::string> paths;
    for (const std::string& path : files_.names()) {
      const std::string name = NameOf(path);
      if (IsCheckpointName(name) || ManifestEpoch(name)) paths.push_back(path);
    }
    const std::string path = paths[random() % paths.size()];
    const uint64_t bit = random() % (files_.Get(path).size() * 8);
    SCOPED_TRACE(path + " bit " + std::to_string(bit));
    Flip(path, bit);
    const auto damages = database_->Scrub();
    ASSERT_TRUE(damages.ok()) << damages.status().message();
    ASSERT_EQ(damages->size(), 1u);
    EXPECT_EQ((*damages)[0].path, path);
    ASSERT_NO_FATAL_FAILURE(ExpectWhole());
  }
  EXPECT_EQ(listener_->paths().size(), plants);
  EXPECT_EQ(database_->counts().damages, plants);
  EXPECT_EQ(database_->counts().quarantined, plants);
}

// Both generations are of now when it has healed: any one of their files may be lost next.
TEST_F(ScrubbedDatabase, HealsBothGenerations) {
  Fill(SmallDatabase(files_));
  for (const std::string& path : files_.names()) {
    if (!IsCheckpointName(NameOf(path))) continue;
    Flip(path, 8 * kPageBytes + 1);
    break;
  }
  ASSERT_TRUE(database_->Scrub().ok());
  database_.reset();
  std::map<std::string, FaultFiles::Bytes> whole;
  for (const std::string& path : files_.names()) whole[path] = files_.Get(path);
  for (const auto& [lost, bytes] : whole) {
    if (!IsCheckpointName(NameOf(lost))) continue;
    FaultFiles files(TestSeed());
    for (const auto& [path, all] : whole) {
      if (path != lost) files.Put(path, all);
    }
    const auto opened = Database::Open(SmallDatabase(files));
    ASSERT_TRUE(opened.ok()) << lost << ": " << opened.status().message();
    EXPECT_TRUE(ContentsOf(**opened) == contents_) << lost;
  }
}

TEST_F(ScrubbedDatabase, FindsDamageToTheLogAndNeedsItNoMore) {
  Fill(SmallDatabase(files_));
  std::vector<std::string> segments;
  for (const std::string& path : files_.names()) {
    if (IsLog(path)) segments.push_back(path);
  }
  ASSERT_GE(segments.size(), 3u);
  // Full, and behind the checkpoints; the last one is in use.
  const std::string& path = segments[segments.size() - 2];
  Flip(path, (kPageBytes + FrameHeader::kBytes + 3) * 8);
  const auto damages = database_->Scrub();
  ASSERT_TRUE(damages.ok());
  EXPECT_EQ(damages->size(), 1u);
  ASSERT_NO_FATAL_FAILURE(ExpectWhole());
  Open(SmallDatabase(files_));
  EXPECT_TRUE(ContentsOf(*database_) == contents_);
}

TEST_F(ScrubbedDatabase, HealsInTheBackground) {
  DatabaseOptions options = SmallDatabase(files_);
  options.background = true;
  options.scrub_bytes_per_second = uint64_t{1} << 40;
  options.scrub_pause = std::chrono::milliseconds(1);
  Fill(options);
  std::string damaged;
  while (damaged.empty()) {
    for (const std::string& path : files_.names()) {
      if (IsCheckpointName(NameOf(path))) damaged = path;
    }
  }
  Flip(damaged, 8 * kPageBytes + 1);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto is_done = [&] { return !listener_->paths().empty() && !database_->degraded(); };
  while (!is_done() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(is_done());
  EXPECT_EQ(listener_->paths()[0], damaged);
  ExpectWhole();
  EXPECT_TRUE(database_->Close().ok());
}

TEST_F(ScrubbedDatabase, SaysNothingOfADeviceThatFailsForAMoment) {
  Fill(SmallDatabase(files_));
  size_t passes = 0;
  for (uint64_t at = 0; at < 40; ++at) {
    files_.FailAt(files_.operations() + at, EMFILE);
    const auto damages = database_->Scrub();
    if (damages.ok()) {
      ++passes;
      EXPECT_TRUE(damages->empty()) << at;
    }
  }
  EXPECT_FALSE(database_->degraded());
  EXPECT_TRUE(listener_->paths().empty());
  EXPECT_LT(passes, 40u);
}

TEST(APace, EndsWhenItIsStopped) {
  Pace pace;
  ASSERT_TRUE(pace.Take(1 << 20).ok()) << "as fast as it goes";
  pace.SetRate(1);
  ASSERT_TRUE(pace.Take(1 << 20).ok()) << "the first bytes wait for nothing";
  auto waits = std::async(std::launch::async, [&] { return pace.Take(1); });
  EXPECT_EQ(waits.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  pace.Stop();
  EXPECT_EQ(waits.get().code(), ErrorCode::kCancelled);
  EXPECT_EQ(pace.Take(1).code(), ErrorCode::kCancelled);
  EXPECT_TRUE(pace.Sleep(std::chrono::hours(1)));
}

}  // namespace
}  // namespace vitrine::database_scrub_test
