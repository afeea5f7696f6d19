#include <gtest/gtest.h>

#include <chrono>

#include "base/slice_size.h"

namespace vitrine::base_slice_size_test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Slices one after the other, of pieces that take as long as they take.
class Slices {
 public:
  // Does a slice, if there is so much, and returns of how many pieces it was.
  size_t Do(SliceSize::Clock::duration each, size_t waiting = 1000) {
    const size_t done = std::min(size_.Begin(now_), waiting);
    now_ += each * static_cast<int64_t>(done) + others_;
    size_.End(done, waiting > done);
    others_ = {};
    return done;
  }
  // Before the next slice.
  void OthersTake(SliceSize::Clock::duration time) { others_ = time; }

 private:
  SliceSize size_{{.time = milliseconds(1), .most = 32}};
  SliceSize::Clock::time_point now_{seconds(100)};
  SliceSize::Clock::duration others_{};
};

TEST(SliceSize, LimitsTheTimeOfASlice) {
  Slices slices;
  EXPECT_EQ(slices.Do(microseconds(100)), 1u) << "nothing is known at first";
  EXPECT_EQ(slices.Do(microseconds(100)), 10u);
  EXPECT_EQ(slices.Do(microseconds(100)), 10u);
}

TEST(SliceSize, IsOfOnePieceAtLeastAndOfSoManyAtMost) {
  Slices slices;
  slices.Do(seconds(1));
  EXPECT_EQ(slices.Do(seconds(1)), 1u);
  slices.Do({});
  EXPECT_EQ(slices.Do({}), 32u);
}

TEST(SliceSize, ForgetsOneLongTurnOfOthers) {
  Slices slices;
  slices.Do(microseconds(50));
  slices.OthersTake(milliseconds(500));
  EXPECT_EQ(slices.Do(microseconds(50)), 20u);
  EXPECT_EQ(slices.Do(microseconds(50)), 20u);
  EXPECT_EQ(slices.Do(microseconds(50)), 20u);
}

TEST(SliceSize, LearnsNothingOfTimeThatPassedWithNothingToDo) {
  Slices slices;
  slices.Do(microseconds(50));
  EXPECT_EQ(slices.Do(microseconds(50), 3), 3u);
  EXPECT_EQ(slices.Do(seconds(1), 3), 3u);
  EXPECT_EQ(slices.Do(microseconds(50)), 20u);
}

TEST(SliceSize, FollowsPiecesThatBeginToTakeLonger) {
  Slices slices;
  for (int i = 0; i < 3; ++i) slices.Do(microseconds(50));
  // Twice: the first could be others.
  EXPECT_EQ(slices.Do(milliseconds(1)), 20u);
  EXPECT_EQ(slices.Do(milliseconds(1)), 20u);
  EXPECT_EQ(slices.Do(milliseconds(1)), 1u);
}

}  // namespace
}  // namespace vitrine::base_slice_size_test
