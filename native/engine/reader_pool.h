#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "index/scratch.h"

namespace vitrine {

// The version of a table and those who read it.
//
// Every write that readers may see ends by publishing the next version. A reader takes a lease: a
// scratch whose pin holds the version of that moment. What a writer takes away at version v is
// reclaimed once no pin is older than v: a reader that pinned later began its walk when nothing
// led there any more.
class ReaderPool {
 public:
  class Lease {
   public:
    Lease(ReaderPool& pool, Scratch& scratch, uint64_t snapshot)
        : pool_(&pool), scratch_(&scratch), snapshot_(snapshot) {}
    Lease(Lease&& other) noexcept
        : pool_(other.pool_), scratch_(other.scratch_), snapshot_(other.snapshot_) {
      other.scratch_ = nullptr;
    }
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (scratch_ != nullptr) pool_->Return(*scratch_);
    }

    Scratch& scratch() const { return *scratch_; }
    // The version that this reader sees.
    uint64_t snapshot() const { return snapshot_; }

   private:
    ReaderPool* pool_;
    Scratch* scratch_;
    uint64_t snapshot_;
  };

  // Lends a scratch and pins the published version. May throw std::bad_alloc.
  Lease Acquire();

  // The version that a search starting now sees.
  uint64_t published() const { return published_.load(std::memory_order_acquire); }
  // REQUIRES: one writer at a time; version > published()
  void Publish(uint64_t version) { published_.store(version, std::memory_order_seq_cst); }
  // The oldest version that a reader may hold; the published one when there is none.
  uint64_t OldestPin() const;

  size_t memory_bytes() const;

 private:
  void Return(Scratch& scratch);

  // Sequentially consistent in Publish, Acquire and OldestPin: either the writer sees the pin, or
  // the reader that set it sees everything that the writer did before looking.
  std::atomic<uint64_t> published_{1};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> all_;
  std::vector<Scratch*> free_;
};

}  // namespace vitrine
