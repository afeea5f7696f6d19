#pragma once

#include <node_api.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "base/status.h"
#include "stats/lazy_statistics.h"
#include "stats/operation_span.h"

namespace vitrine {

// A call from JavaScript, as an operation that is counted: in one place, or in two, those of a
// collection and of its database. One that starts an asynchronous operation is counted by that
// (counted_operation.h); here, if it does not come to it.
//
// Only an exception leaves it without an end, and those are containers' that get no memory.
class MeasuredCall {
 public:
  static constexpr size_t kMostPlaces = 2;

  // `places` outlive it. REQUIRES: no more than kMostPlaces
  MeasuredCall(std::span<LazyStatistics* const> places, CountedOperation operation) {
    for (size_t i = 0; i < places.size(); ++i) {
      spans_[i] = OperationSpan(places[i]->counting(), operation);
      spans_[i].Start();
    }
  }
  MeasuredCall(LazyStatistics& place, CountedOperation operation)
      : MeasuredCall(std::array<LazyStatistics*, 1>{&place}, operation) {}
  ~MeasuredCall() {
    for (OperationSpan& span : spans_) {
      if (span.counts()) span.End(Status::OutOfMemory());
    }
  }
  MeasuredCall(const MeasuredCall&) = delete;
  MeasuredCall& operator=(const MeasuredCall&) = delete;

  // The call ends with `result`, having done what `record` says.
  Result<napi_value> End(Result<napi_value> result, const OperationRecord& record = {}) {
    for (OperationSpan& span : spans_) span.Stop();
    EndSpans(result, record);
    return result;
  }
  // The call has started an operation, unless it failed: whoever took over `spans` counts it.
  Result<napi_value> Started(Result<napi_value> promise) {
    if (!promise.ok()) EndSpans(promise, {});
    spans_ = {};
    return promise;
  }
  // The call has become part of an operation that begins later, unless it failed.
  Result<napi_value> Gathered(Result<napi_value> result) {
    if (!result.ok()) EndSpans(result, {});
    for (OperationSpan& span : spans_) span.GiveUp();
    return result;
  }
  std::span<const OperationSpan> spans() const { return spans_; }
  bool counts() const {
    return std::any_of(spans_.begin(), spans_.end(),
                       [](const OperationSpan& span) { return span.counts(); });
  }

 private:
  void EndSpans(const Result<napi_value>& result, const OperationRecord& record) {
    const Status status = result.ok() ? Status() : result.status();
    for (OperationSpan& span : spans_) span.End(status, record);
  }

  std::array<OperationSpan, kMostPlaces> spans_;
};

}  // namespace vitrine
