#pragma once

#include <node_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "binding/call_watch.h"
#include "binding/operation.h"

namespace vitrine {

// A call that has a promise, and what it came with.
struct PendingCall {
  static constexpr size_t kMaxOutputs = 3;

  std::shared_ptr<Operation> operation;
  napi_deferred deferred = nullptr;
  std::array<napi_ref, kMaxOutputs> outputs = {};
  napi_ref on_progress = nullptr;
  Operation::Progress reported = {};
  std::shared_ptr<CallWatch> watch;
};

// The calls of one environment that are not settled, each at a place that its operation knows: a
// block of the heap for each of a thousand calls is memory that is touched for the first time. On
// the JS thread only.
class PendingCalls {
 public:
  size_t size() const { return calls_.size() - free_.size(); }
  bool empty() const { return size() == 0; }

  // Valid until the next is added. May throw std::bad_alloc.
  PendingCall& Add(std::shared_ptr<Operation> operation) {
    if (free_.empty()) {
      // So that Take cannot fail.
      if (free_.capacity() <= calls_.size()) free_.reserve(2 * calls_.size() + kFewest);
      calls_.emplace_back();
      free_.push_back(static_cast<uint32_t>(calls_.size() - 1));
    }
    PendingCall& call = calls_[free_.back()];
    operation->place_ = free_.back();
    free_.pop_back();
    call.operation = std::move(operation);
    return call;
  }
  // Null when it is not among them (any more).
  PendingCall* Find(const Operation& operation) {
    const size_t place = operation.place_;
    if (place >= calls_.size() || calls_[place].operation.get() != &operation) return nullptr;
    return &calls_[place];
  }
  // Takes one out. REQUIRES: it is one of them
  PendingCall Take(PendingCall& call) noexcept {
    const uint32_t place = call.operation->place_;
    PendingCall taken = std::exchange(call, {});
    free_.push_back(place);
    return taken;
  }
  // REQUIRES: `visit` adds and takes none
  template <typename Visit>
  void ForEach(Visit visit) {
    for (PendingCall& call : calls_) {
      if (call.operation != nullptr) visit(call);
    }
  }
  void Clear() {
    calls_.clear();
    free_.clear();
  }

 private:
  static constexpr size_t kFewest = 64;

  std::vector<PendingCall> calls_;
  std::vector<uint32_t> free_;  // places of `calls_`, with room for all of them
};

}  // namespace vitrine
