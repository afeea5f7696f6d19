#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/slot.h"

namespace vitrine {

// 4,096 one-byte locks shared by all rows of a graph. A thread holds one at a time. They are held
// for tens of nanoseconds; a waiting thread sleeps in the kernel rather than spins, because there
// may be more threads than processors.
class RowLocks {
 public:
  static constexpr size_t kCount = 4096;

  RowLocks() : states_(new std::atomic<uint8_t>[kCount]()) {}

  class Guard {
   public:
    // Acquire on taking, release on leaving: partners of each other.
    Guard(RowLocks& locks, Slot slot) : state_(locks.states_[slot % kCount]) {
      uint8_t seen = kFree;
      if (state_.compare_exchange_strong(seen, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        return;
      }
      while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree) {
        state_.wait(kAwaited, std::memory_order_relaxed);
      }
    }
    // Libraries keep count of who waits in memory that all locks share: it is left alone unless
    // somebody does.
    ~Guard() {
      if (state_.exchange(kFree, std::memory_order_release) == kAwaited) state_.notify_one();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<uint8_t>& state_;
  };

 private:
  static constexpr uint8_t kFree = 0;
  static constexpr uint8_t kHeld = 1;
  static constexpr uint8_t kAwaited = 2;  // held, and others may wait

  const std::unique_ptr<std::atomic<uint8_t>[]> states_;
};

}  // namespace vitrine
