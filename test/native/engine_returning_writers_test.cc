#include <gtest/gtest.h>

#include "engine/returning_writers.h"

namespace vitrine::engine_returning_writers_test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kFlush{4'000};
constexpr microseconds kPause = kFlush / 16;

class Returning : public testing::Test {
 protected:
  void Acknowledge(size_t writes, size_t queued, ReturningWriters::Clock::duration flush = kFlush) {
    writers_.Acknowledge(writes, queued, flush, now_);
  }
  // Waits as long as it says while `each` come in every pause; how long that was.
  microseconds WaitWhileComing(size_t queued, size_t each) {
    const auto start = now_;
    for (;;) {
      const auto pause = writers_.PauseFor(queued, now_);
      if (pause == pause.zero()) break;
      now_ += pause;
      queued += each;
    }
    return std::chrono::duration_cast<microseconds>(now_ - start);
  }

  ReturningWriters writers_;
  ReturningWriters::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(Returning, AreNotWaitedForBeforeAnyWrote) {
  EXPECT_EQ(WaitWhileComing(1, 1), microseconds(0));
  EXPECT_EQ(writers_.expected(), 0u);
}

TEST_F(Returning, AreWaitedForUntilAllAreThere) {
  Acknowledge(7, 1);
  EXPECT_EQ(writers_.expected(), 8u);
  EXPECT_EQ(WaitWhileComing(2, 2), 3 * kPause);
  // And that was it: what is queued goes, however little.
  EXPECT_EQ(writers_.expected(), 0u);
  EXPECT_EQ(WaitWhileComing(1, 1), microseconds(0));
}

TEST_F(Returning, AreNotWaitedForWhereOneWritesAlone) {
  Acknowledge(1, 0);
  EXPECT_EQ(WaitWhileComing(1, 1), microseconds(0));
}

TEST_F(Returning, AreNotWaitedForWhereAFlushTakesHardlyLonger) {
  Acknowledge(7, 1, microseconds(100));
  EXPECT_EQ(WaitWhileComing(1, 1), microseconds(0));
}

TEST_F(Returning, AreWaitedForNoLongerThanAFlush) {
  Acknowledge(64, 0);
  EXPECT_EQ(WaitWhileComing(1, 8), 8 * kPause);
  Acknowledge(500, 0);
  EXPECT_EQ(WaitWhileComing(1, 70), 8 * kPause);
  Acknowledge(5'000, 0);
  EXPECT_EQ(WaitWhileComing(1, 630), 8 * kPause);
  Acknowledge(64, 0);
  now_ += kFlush;  // it was busy with something else
  EXPECT_EQ(WaitWhileComing(1, 8), microseconds(0));
}

TEST_F(Returning, HaveShortPausesOnADeviceThatIsSlow) {
  Acknowledge(2, 0, milliseconds(100));
  EXPECT_EQ(WaitWhileComing(1, 1), microseconds(500));
}

// Those who write now and then come as they like, before a flush and after it.
TEST_F(Returning, AreHardlyEverWaitedForWhereNobodyComesBack) {
  microseconds waited{0};
  for (int group = 0; group < 160; ++group) {
    Acknowledge(16, 16);
    waited += WaitWhileComing(17, 2);
    now_ += kFlush;
  }
  EXPECT_LE(waited, 160 * kFlush / 100);
  EXPECT_GE(waited, 10 * kPause);
}

TEST_F(Returning, AreWaitedForAgainOnceTheyComeBack) {
  for (int group = 0; group < 50; ++group) {
    Acknowledge(4, 0);
    WaitWhileComing(1, 0);
  }
  microseconds waited{0};
  for (int group = 0; group < 50; ++group) {
    Acknowledge(4, 0);
    waited += WaitWhileComing(1, 3);
  }
  EXPECT_GE(waited, 34 * kPause);
}

}  // namespace
}  // namespace vitrine::engine_returning_writers_test
