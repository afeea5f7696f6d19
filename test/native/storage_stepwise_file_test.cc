#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "memory_files.h"
#include "storage/segment_supply.h"
#include "storage/stepwise_file.h"

namespace vitrine::storage_stepwise_file_test {
namespace {

// Bytes that a device may have to take at once.
constexpr uint64_t kMost = uint64_t{3} << 20;

// Follows what is written and when it is flushed.
class Watch {
 public:
  explicit Watch(MemoryFiles& files) {
    files.before = [this](const std::string& operation) {
      writes_ += operation == "write" ? 1 : 0;
      if (operation != "sync") return Status();
      if (++flushes_ == fail_flush_) return MemoryFiles::Refused(operation);
      most_writes_ = std::max(most_writes_, writes_);
      writes_ = 0;
      return Status();
    };
  }
  void FailFlush(size_t number) { fail_flush_ = number; }
  size_t flushes() const { return flushes_; }
  // Between two flushes.
  size_t most_writes() const { return std::max(most_writes_, writes_); }

 private:
  size_t fail_flush_ = SIZE_MAX;
  size_t flushes_ = 0;
  size_t writes_ = 0;
  size_t most_writes_ = 0;
};

TEST(StepwiseFile, FlushesWhatIsWrittenEveryFewMegabytes) {
  MemoryFiles files;
  Watch watch(files);
  const auto file = files.Create("long");
  ASSERT_TRUE(file.ok());
  StepwiseFile steps(**file);
  const std::vector<std::byte> bytes(100'000, std::byte{7});
  for (uint64_t at = 0; at < 20'000'000; at += bytes.size()) {
    ASSERT_TRUE(steps.WriteAt(at, bytes).ok());
  }
  EXPECT_LE(watch.most_writes() * bytes.size(), kMost);
  EXPECT_GE(watch.flushes(), 20'000'000 / kMost);
  EXPECT_LE(watch.flushes(), 20u) << "each costs the time of one";
  const auto size = steps.Size();
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, 20'000'000u);
}

TEST(StepwiseFile, TellsWhoWritesThatAFlushFailed) {
  MemoryFiles files;
  Watch watch(files);
  watch.FailFlush(2);
  const auto file = files.Create("long");
  ASSERT_TRUE(file.ok());
  StepwiseFile steps(**file);
  const std::vector<std::byte> bytes(1'000'000);
  size_t written = 0;
  while (written < 20 && steps.WriteAt(written * bytes.size(), bytes).ok()) ++written;
  EXPECT_EQ(watch.flushes(), 2u);
  EXPECT_LT(written, 20u);
}

TEST(StepwiseFile, IsHowSegmentsArePrepared) {
  MemoryFiles files;
  Watch watch(files);
  constexpr uint64_t kBytes = uint64_t{16} << 20;
  SegmentSupply supply(files, "db", 1, {}, {kBytes, kBytes});
  ASSERT_TRUE(supply.Prepare().ok());
  EXPECT_EQ(supply.totals().spare_bytes, kBytes);
  EXPECT_GE(watch.flushes(), kBytes / kMost);
}

}  // namespace
}  // namespace vitrine::storage_stepwise_file_test
