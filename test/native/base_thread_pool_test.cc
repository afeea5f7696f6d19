#include <gtest/gtest.h>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/thread_pool.h"
#include "random_data.h"

namespace vitrine::base_thread_pool_test {
namespace {

using Priority = ThreadPool::Priority;

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<void()> run, std::atomic<int>* destroyed = nullptr)
      : run_(std::move(run)), destroyed_(destroyed) {}
  FunctionTask(const FunctionTask&) = delete;
  FunctionTask& operator=(const FunctionTask&) = delete;
  ~FunctionTask() override {
    if (destroyed_ != nullptr) ++*destroyed_;
  }
  void Run() override { run_(); }

 private:
  const std::function<void()> run_;
  std::atomic<int>* const destroyed_;
};

bool Submit(ThreadPool& pool, Priority priority, std::function<void()> run,
            std::atomic<int>* destroyed = nullptr) {
  return pool.Submit(std::make_unique<FunctionTask>(std::move(run), destroyed), priority);
}

// Keeps one thread of a pool busy until it is opened.
class Gate {
 public:
  explicit Gate(ThreadPool& pool) {
    // The task may outlive the gate: it holds what it uses.
    EXPECT_TRUE(Submit(pool, Priority::kInteractive, [state = state_] {
      state->entered.set_value();
      state->may_leave.wait();
    }));
    state_->entered.get_future().wait();
  }
  void Open() { state_->opened.set_value(); }

 private:
  struct State {
    std::promise<void> entered;
    std::promise<void> opened;
    std::shared_future<void> may_leave = opened.get_future().share();
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

TEST(ThreadPool, RunsEveryTaskOnce) {
  constexpr size_t kTasks = 2000;
  std::vector<std::atomic<int>> runs(kTasks);
  std::atomic<int> destroyed{0};
  std::atomic<size_t> left{kTasks};
  std::promise<void> all;
  {
    ThreadPool pool(4);
    EXPECT_EQ(pool.threads(), 4u);
    for (size_t i = 0; i < kTasks; ++i) {
      ASSERT_TRUE(Submit(
          pool, i % 3 == 0 ? Priority::kInteractive : Priority::kBulk,
          [&, i] {
            ++runs[i];
            if (--left == 0) all.set_value();
          },
          &destroyed));
    }
    all.get_future().wait();
  }
  for (size_t i = 0; i < kTasks; ++i) ASSERT_EQ(runs[i], 1) << "task " << i;
  EXPECT_EQ(destroyed, static_cast<int>(kTasks));
}

TEST(ThreadPool, PrefersInteractiveWork) {
  ThreadPool pool(1);
  Gate gate(pool);
  std::string order;
  std::promise<void> done;
  for (const char name : {'a', 'b', 'c'}) {
    ASSERT_TRUE(Submit(pool, Priority::kBulk, [&order, name] { order += name; }));
  }
  for (const char name : {'1', '2', '3'}) {
    ASSERT_TRUE(Submit(pool, Priority::kInteractive, [&order, name] { order += name; }));
  }
  ASSERT_TRUE(Submit(pool, Priority::kBulk, [&done] { done.set_value(); }));
  EXPECT_EQ(pool.queue_depth(), 7u);
  gate.Open();
  done.get_future().wait();
  EXPECT_EQ(order, "123abc");
  EXPECT_EQ(pool.queue_depth(), 0u);
}

// Each search brings the next one, as callers do that wait for one and ask again.
void SearchWithoutEnd(ThreadPool& pool, std::atomic<bool>& ended) {
  if (ended) return;
  // A pool that is being destroyed takes nothing.
  const bool taken = Submit(pool, Priority::kInteractive, [&] { SearchWithoutEnd(pool, ended); });
  EXPECT_TRUE(taken || ended);
}

TEST(ThreadPool, DoesBulkWorkUnderInteractiveWorkThatNeverEnds) {
  std::atomic<bool> ended{false};  // outlives the tasks of the pool
  ThreadPool pool(1);
  SearchWithoutEnd(pool, ended);
  std::promise<void> done;
  EXPECT_TRUE(Submit(pool, Priority::kBulk, [&] {
    // Steps of it, too.
    for (int step = 0; step < 10; ++step) pool.RunInteractive();
    done.set_value();
  }));
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  ended = true;
}

TEST(ThreadPool, RefusesAndDestroysWhatIsTooMuchForAQueue) {
  std::atomic<int> destroyed{0};
  std::atomic<int> runs{0};
  {
    ThreadPool pool(1, 2);
    Gate gate(pool);
    for (const Priority priority : {Priority::kBulk, Priority::kInteractive}) {
      const int before = destroyed;
      EXPECT_TRUE(Submit(
          pool, priority, [&runs] { ++runs; }, &destroyed));
      EXPECT_TRUE(Submit(
          pool, priority, [&runs] { ++runs; }, &destroyed));
      EXPECT_FALSE(Submit(
          pool, priority, [&runs] { ++runs; }, &destroyed));
      EXPECT_EQ(destroyed, before + 1);
    }
    std::promise<void> idle;
    gate.Open();
    // There is room again once something has run.
    while (!Submit(pool, Priority::kBulk, [&idle] { idle.set_value(); })) std::this_thread::yield();
    idle.get_future().wait();
    EXPECT_EQ(runs, 4);
  }
  EXPECT_EQ(destroyed, 6);
}

TEST(ThreadPool, RunsInteractiveWorkOnTheCallingThreadWhenAsked) {
  ThreadPool pool(1);
  Gate gate(pool);
  std::vector<std::thread::id> ran_on;
  std::promise<void> bulk_ran;
  ASSERT_TRUE(Submit(pool, Priority::kBulk, [&bulk_ran] { bulk_ran.set_value(); }));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Submit(pool, Priority::kInteractive,
                       [&ran_on] { ran_on.push_back(std::this_thread::get_id()); }));
  }
  pool.RunInteractive();
  EXPECT_EQ(ran_on, std::vector(3, std::this_thread::get_id()));
  EXPECT_EQ(pool.queue_depth(), 1u);
  gate.Open();
  bulk_ran.get_future().wait();
}

// A task that says which threads' last it was.
class RowTask final : public Task {
 public:
  // Letters are of another row than digits.
  RowTask(std::string& told, char name) : told_(told), name_(name) {}
  void Run() override { told_ += name_; }
  void LeftLast() override { told_ += '.'; }
  const void* row() const override { return name_ >= 'a' ? &told_ : nullptr; }

 private:
  std::string& told_;
  const char name_;
};

TEST(ThreadPool, TellsTheLastOfInteractiveTasksInARow) {
  std::string told;
  {
    ThreadPool pool(1);
    Gate gate(pool);
    const auto submit = [&](Priority priority, char name) {
      ASSERT_TRUE(pool.Submit(std::make_unique<RowTask>(told, name), priority));
    };
    std::promise<void> stepped;
    ASSERT_TRUE(Submit(pool, Priority::kBulk, [&] {
      for (const char name : {'3', '4'}) submit(Priority::kInteractive, name);
      pool.RunInteractive();
      pool.RunInteractive();
      told += 'b';
      submit(Priority::kInteractive, '5');
      stepped.set_value();
    }));
    for (const char name : {'1', '2', 'a', 'c'}) submit(Priority::kInteractive, name);
    gate.Open();
    stepped.get_future().wait();
    // Until the thread waits.
    while (pool.queue_depth() != 0) std::this_thread::yield();
    std::promise<void> done;
    ASSERT_TRUE(Submit(pool, Priority::kBulk, [&] { done.set_value(); }));
    done.get_future().wait();
    EXPECT_EQ(told, "12.ac.34.b5.");
  }
}

TEST(ThreadPool, DropsWhatWaitsWhenItEnds) {
  std::atomic<int> destroyed{0};
  std::atomic<int> runs{0};
  std::promise<void> entered;
  std::promise<void> leave;
  std::thread opener;
  {
    ThreadPool pool(1);
    ASSERT_TRUE(Submit(pool, Priority::kBulk, [&] {
      entered.set_value();
      leave.get_future().wait();
      // The pool is going: nothing is taken on any more, and nothing is lost by trying.
      while (pool.queue_depth() != 0) std::this_thread::yield();
      EXPECT_FALSE(Submit(
          pool, Priority::kInteractive, [&runs] { ++runs; }, &destroyed));
      pool.RunInteractive();
      ParallelFor(&pool, 2, 10, [&runs](size_t, size_t) { runs += 100; });
    }));
    entered.get_future().wait();
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(Submit(
          pool, i % 2 == 0 ? Priority::kBulk : Priority::kInteractive, [&runs] { ++runs; },
          &destroyed));
    }
    leave.set_value();
  }
  EXPECT_EQ(runs, 1000);
  EXPECT_EQ(destroyed, 11);
}

TEST(ParallelFor, CallsForEachIndexOnceWithAWorkerOfItsOwn) {
  ThreadPool pool(4);
  for (const size_t parallelism : {1, 2, 4, 9}) {
    for (const size_t count : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      std::vector<std::atomic<bool>> busy(parallelism);
      ParallelFor(&pool, parallelism, count, [&](size_t worker, size_t i) {
        ASSERT_LT(worker, parallelism);
        EXPECT_FALSE(busy[worker].exchange(true));
        ++calls[i];
        busy[worker] = false;
      });
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(calls[i], 1);
    }
  }
}

TEST(ParallelFor, KeepsTheOrderWithOneWorker) {
  ThreadPool pool(2);
  for (ThreadPool* const with : {&pool, static_cast<ThreadPool*>(nullptr)}) {
    std::vector<size_t> order;
    ParallelFor(with, 1, 100, [&](size_t worker, size_t i) {
      EXPECT_EQ(worker, 0u);
      order.push_back(i);
    });
    for (size_t i = 0; i < 100; ++i) ASSERT_EQ(order[i], i);
  }
}

TEST(ParallelFor, PassesOnAnExceptionOnceNobodyWorksAnyMore) {
  ThreadPool pool(3);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> inside{0};
    try {
      ParallelFor(&pool, 4, 1000, [&](size_t, size_t i) {
        ++inside;
        const bool fails = i == 20;
        --inside;
        if (fails) throw std::runtime_error("twenty");
      });
      ADD_FAILURE() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "twenty");
    }
    EXPECT_EQ(inside, 0);
  }
  EXPECT_THROW(
      ParallelFor(nullptr, 1, 3, [](size_t, size_t) { throw std::runtime_error("alone"); }),
      std::runtime_error);
}

// A helper that starts when the loop is over must not touch what the caller had on its stack.
TEST(ParallelFor, EndsWithoutHelpersThatStartLate) {
  ThreadPool pool(1);
  Gate gate(pool);
  for (int round = 0; round < 50; ++round) {
    auto sum = std::make_unique<size_t>(0);
    ParallelFor(&pool, 2, 10, [&sum](size_t, size_t i) { *sum += i; });
    EXPECT_EQ(*sum, 45u);
  }
  EXPECT_EQ(pool.queue_depth(), 50u);
  std::promise<void> done;
  ASSERT_TRUE(Submit(pool, Priority::kBulk, [&done] { done.set_value(); }));
  gate.Open();
  done.get_future().wait();
}

TEST(ParallelFor, ServesInteractiveWorkBetweenCalls) {
  ThreadPool pool(1);
  Gate gate(pool);
  std::vector<size_t> served_after;
  size_t at = 0;
  ParallelFor(&pool, 1, 10, [&](size_t, size_t i) {
    at = i;
    if (i == 3) {
      ASSERT_TRUE(Submit(pool, Priority::kInteractive, [&] { served_after.push_back(at); }));
    }
  });
  EXPECT_EQ(served_after, std::vector<size_t>{3});
  gate.Open();
}

#if defined(__linux__)
TEST(ThreadPool, DoesNotInterruptThoseThatGiveItWork) {
  ThreadPool pool(1);
  std::promise<int> its;
  ASSERT_TRUE(Submit(pool, Priority::kInteractive, [&] { its.set_value(sched_getscheduler(0)); }));
  // A policy that somebody chose for the whole process stays.
  const int own = sched_getscheduler(0);
  EXPECT_EQ(its.get_future().get(), own == SCHED_OTHER ? SCHED_BATCH : own);
}

TEST(ThreadPool, LeavesMoreTimeToThoseThatGiveItWork) {
  ThreadPool pool(1);
  std::promise<int> its;
  ASSERT_TRUE(
      Submit(pool, Priority::kInteractive, [&] { its.set_value(getpriority(PRIO_PROCESS, 0)); }));
  const int own = getpriority(PRIO_PROCESS, 0);
  const bool chosen = sched_getscheduler(0) != SCHED_OTHER;
  EXPECT_EQ(its.get_future().get(), chosen ? own : std::min(own + 3, 19));
}
#endif

TEST(ParallelFor, WorksOnThreadsOfThePoolItself) {
  ThreadPool pool(2);
  std::atomic<size_t> calls{0};
  std::vector<std::promise<void>> done(8);
  for (std::promise<void>& one : done) {
    ASSERT_TRUE(Submit(pool, Priority::kBulk, [&] {
      ParallelFor(&pool, 3, 100, [&](size_t, size_t) {
        ParallelFor(&pool, 2, 3, [&](size_t, size_t) { ++calls; });
      });
      one.set_value();
    }));
  }
  for (std::promise<void>& one : done) one.get_future().wait();
  EXPECT_EQ(calls, 8u * 100 * 3);
}

}  // namespace
}  // namespace vitrine::base_thread_pool_test
