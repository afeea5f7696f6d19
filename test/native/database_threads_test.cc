// What a database promises to many threads at a time.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "database_user.h"
#include "random_data.h"

namespace vitrine::database_threads_test {
namespace {

float FirstComponent(const std::byte* vector) {
  float component;
  std::memcpy(&component, vector, sizeof(component));
  return component;
}

class DatabaseThreads : public testing::TestWithParam<VectorPlace> {};

INSTANTIATE_TEST_SUITE_P(Places, DatabaseThreads,
                         testing::Values(VectorPlace::kMemory, VectorPlace::kMapped),
                         [](const auto& info) {
                           return std::string(kVectorPlaceNames[static_cast<size_t>(info.param)]);
                         });

// Searches, reads, writes, checkpoints and a database's own thread, all at a time. Every point's
// vector says what its payload is.
TEST_P(DatabaseThreads, AgreeOnWhatThereIs) {
  FaultFiles files(TestSeed());
  DatabaseOptions options = SmallDatabase(files);
  options.background = true;
  options.checkpoint_bytes = 100 * kPageBytes;
  options.segment_bytes = {16 * kPageBytes, 64 * kPageBytes};
  const auto opened = Database::Open(options);
  ASSERT_TRUE(opened.ok());
  Database& database = **opened;
  const auto created = database.CreateCollection(
      "c", {.dimension = 3, .m = 4, .ef_construction = 20, .vectors = GetParam()});
  ASSERT_TRUE(created.ok());
  const std::shared_ptr<Collection> collection = *created;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> acknowledged{0};
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(writer);
      for (uint64_t i = 0; i < Scaled(400, 60); ++i) {
        Transaction transaction;
        const float value = static_cast<float>(random() % 1000);
        // Both or neither; and vector and payload together.
        for (uint64_t half = 0; half < 2; ++half) {
          AddPut(transaction, *collection, {false, writer * 2 + half, {}},
                 {value, static_cast<float>(writer), 1}, std::to_string(static_cast<int>(value)));
        }
        const auto written = database.Write(std::move(transaction));
        ASSERT_TRUE(written.ok()) << written.status().message();
        const PointKey key = PointKey::Number(writer * 2);
        const auto mine = collection->GetMany({&key, 1}, {.payload = true, .vector = true});
        ASSERT_TRUE(mine.ok() && mine->front() &&
                    FirstComponent(mine->front()->vector.data()) == value)
            << "a write is there once it is done";
        acknowledged.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  std::vector<std::thread> others;
  for (int reader = 0; reader < 2; ++reader) {
    others.emplace_back([&, reader] {
      const float query[3] = {500, 1, 1};
      while (!stop.load(std::memory_order_relaxed)) {
        const auto hits = collection->Search({.vector = query,
                                              .parameters = {.k = 20, .exact = reader == 0},
                                              .select = {.payload = true, .vector = true}});
        ASSERT_TRUE(hits.ok());
        std::map<uint64_t, float> seen;
        for (const CollectionHit& hit : *hits) {
          const PointRecord record = hit.point.view();
          const auto payload = record.payload();
          ASSERT_TRUE(payload.has_value());
          const std::string text(reinterpret_cast<const char*>(payload->data()), payload->size());
          ASSERT_EQ(text,
                    std::to_string(static_cast<int>(FirstComponent(hit.point.vector.data()))));
          seen[record.key().number] = FirstComponent(hit.point.vector.data());
        }
        for (const auto& [key, value] : seen) {
          if (reader == 0) {
            ASSERT_EQ(seen.at(key ^ 1), value) << "half a transaction";
          }
        }
      }
    });
  }
  others.emplace_back([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      ASSERT_TRUE(database.Checkpoint().ok());
      ASSERT_TRUE(database.Flush().ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& thread : others) thread.join();
  EXPECT_EQ(acknowledged.load(), 4 * Scaled(400, 60));
  const DatabaseModel contents = ContentsOf(database);
  ASSERT_TRUE(database.Close().ok());
  files.PowerCut({FaultFiles::Keep::kNothing, FaultFiles::Names::kAsFlushed});
  const auto again = Database::Open(SmallDatabase(files));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(ContentsOf(**again) == contents);
}

}  // namespace
}  // namespace vitrine::database_threads_test
