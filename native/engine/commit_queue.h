#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/pending_write.h"
#include "engine/returning_writers.h"

namespace vitrine {

// The writes of a database that wait to be gathered, logged and shown.
//
// Thread safety: all functions may be called from any thread.
class CommitQueue {
 public:
  using Batch = std::vector<std::shared_ptr<PendingWrite>>;

  enum class Place : uint8_t {
    kFirst,   // nobody takes what is queued: the caller has to see to it
    kBehind,  // somebody will take it
    kClosed,  // not queued: nothing is any more
    kFull,    // not queued: too much waits
  };
  Place Push(const std::shared_ptr<PendingWrite>& write);
  // For whoever writes: all that waits, after a short time for more of it where that is worth
  // while. False when there is nothing; the next one that is pushed is the first again.
  //   batch  empty
  bool Take(Batch& batch);
  // So many that were taken are about to be acknowledged.
  //   flush  how long the device takes
  void Acknowledge(size_t writes, std::chrono::steady_clock::duration flush);
  // What waits may be taken still.
  void Close();

  struct Counts {
    uint64_t refused = 0;  // for which there was no room
    uint64_t writes = 0;   // that wait
    uint64_t bytes = 0;    // of them
  };
  Counts counts() const;
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable complete_;  // all that may come are there
  Batch waiting_;
  uint64_t bytes_ = 0;
  uint64_t refused_ = 0;
  bool taken_ = false;  // somebody writes
  bool closed_ = false;
  ReturningWriters returning_;
};

}  // namespace vitrine
