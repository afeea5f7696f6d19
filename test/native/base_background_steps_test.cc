#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/background_steps.h"

namespace vitrine {
namespace background_steps_test {
namespace {

void WaitUntilIdle(const BackgroundSteps& steps) {
  while (steps.busy()) std::this_thread::yield();
}

TEST(BackgroundSteps, CallsAStepUntilItIsDone) {
  ThreadPool pool(2);
  BackgroundSteps steps(&pool);
  std::atomic<int> calls{0};
  ASSERT_TRUE(steps.Start([&] { return ++calls < 5; }));
  WaitUntilIdle(steps);
  EXPECT_EQ(calls, 5);
  ASSERT_TRUE(steps.Start([&] { return ++calls < 7; }));
  WaitUntilIdle(steps);
  EXPECT_EQ(calls, 7);
}

TEST(BackgroundSteps, TakesOnOneWorkAtATime) {
  ThreadPool pool(1);
  BackgroundSteps steps(&pool);
  std::atomic<bool> end{false};
  ASSERT_TRUE(steps.Start([&] { return !end; }));
  EXPECT_FALSE(steps.Start([] { return false; }));
  end = true;
  WaitUntilIdle(steps);
}

TEST(BackgroundSteps, LetsOtherWorkPassBetweenSteps) {
  ThreadPool pool(1);
  std::atomic<bool> end{false};
  class Ending final : public Task {
   public:
    explicit Ending(std::atomic<bool>& flag) : flag_(flag) {}
    void Run() override { flag_ = true; }

   private:
    std::atomic<bool>& flag_;
  };
  BackgroundSteps steps(&pool);
  ASSERT_TRUE(steps.Start([&] { return !end; }));
  ASSERT_TRUE(pool.Submit(std::make_unique<Ending>(end), ThreadPool::Priority::kBulk));
  WaitUntilIdle(steps);
}

TEST(BackgroundSteps, AreOverWhenTheirOwnerGoes) {
  ThreadPool pool(2);
  for (int i = 0; i < 100; ++i) {
    const auto alive = std::make_shared<int>(0);
    {
      BackgroundSteps steps(&pool);
      ASSERT_TRUE(steps.Start([alive] { return ++*alive > 0; }));
    }
    EXPECT_EQ(alive.use_count(), 1);
  }
}

// The pool refuses the next step while the owner goes: what the step holds must not outlive it.
TEST(BackgroundSteps, AreOverWhenTheirOwnerGoesAlsoWhereTheNextStepIsRefused) {
  std::atomic<bool> owner_is_gone{false};
  std::atomic<bool> outlived{false};
  std::atomic<bool> going{false};
  class Nothing final : public Task {
   public:
    void Run() override {}
  };
  auto pool = std::make_unique<ThreadPool>(1, 1);
  auto steps = std::make_unique<BackgroundSteps>(pool.get());
  const auto look = [&](int* held) {
    going = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    outlived = owner_is_gone.load();
    delete held;
  };
  ASSERT_TRUE(steps->Start([&pool, held = std::shared_ptr<int>(new int(0), look)] {
    return pool->Submit(std::make_unique<Nothing>(), ThreadPool::Priority::kBulk);
  }));
  while (!going) std::this_thread::yield();
  steps.reset();
  owner_is_gone = true;
  pool.reset();
  EXPECT_FALSE(outlived);
}

TEST(BackgroundSteps, EndsWithAStepThatThrows) {
  ThreadPool pool(1);
  BackgroundSteps steps(&pool);
  ASSERT_TRUE(steps.Start([]() -> bool { throw std::runtime_error("on purpose"); }));
  WaitUntilIdle(steps);
  EXPECT_TRUE(steps.Start([] { return false; }));
}

TEST(BackgroundSteps, AreNotBegunWhereThereIsNoMemoryForThem) {
  ThreadPool pool(1);
  BackgroundSteps steps(&pool);
  using Beginning = BackgroundSteps::Beginning;
  EXPECT_EQ(steps.StartMade([]() -> BackgroundSteps::Step { throw std::bad_alloc(); }),
            Beginning::kNoMemory);
  EXPECT_EQ(steps.StartMade([] { return BackgroundSteps::Step(); }), Beginning::kRefused);
  std::atomic<int> calls{0};
  EXPECT_EQ(steps.StartMade([&] { return BackgroundSteps::Step([&] { return ++calls < 3; }); }),
            Beginning::kStarted);
  WaitUntilIdle(steps);
  EXPECT_EQ(calls, 3);
}

TEST(BackgroundSteps, RefuseWithoutAPool) {
  BackgroundSteps steps(nullptr);
  EXPECT_FALSE(steps.Start([] { return true; }));
}

}  // namespace
}  // namespace background_steps_test
}  // namespace vitrine
