#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "base/siphash.h"
#include "base/status.h"
#include "engine/checkpoint_file.h"

namespace vitrine {

// Which transactions with an idempotency key were done, so that one that comes again is not done
// again: for ten minutes, or until a million newer ones came.
//
// Not thread-safe.
class IdempotencyWindow {
 public:
  static constexpr uint64_t kKeepMs = 10 * 60 * 1000;
  static constexpr size_t kKeepCount = 1'000'000;

  struct Done {
    uint64_t lsn = 0;
    uint64_t time_ms = 0;
    uint64_t deleted = 0;
  };

  // Null when it was not done, or long ago.
  const Done* Find(const Digest128& key) const;
  // Makes room for a key. May throw std::bad_alloc. REQUIRES: not there, also not begun
  void Begin(const Digest128& key);
  // Remembers a key that was begun, and forgets those whose time has come.
  void Finish(const Digest128& key, const Done& done);
  // Gives up a key that was begun, or that could not be. Newest first.
  void Cancel(const Digest128& key);
  size_t size() const { return done_.size(); }

  // As a part of a checkpoint, and back.
  Result<Manifest::Part> Write(const CheckpointPlace& place, uint64_t epoch) const;
  static Result<IdempotencyWindow> Read(const CheckpointPlace& place, const Manifest::Part& part);

 private:
  static constexpr size_t kRecordBytes = 40;

  struct Hash {
    // Keys are hashes already.
    size_t operator()(const Digest128& key) const {
      size_t word;
      std::memcpy(&word, key.data(), sizeof(word));
      return word;
    }
  };

  void Forget(uint64_t now_ms);

  std::unordered_map<Digest128, Done, Hash> done_;  // lsn 0: begun
  std::deque<Digest128> order_;                     // oldest first; some may be gone
};

}  // namespace vitrine
