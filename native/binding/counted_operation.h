#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "binding/measured_call.h"
#include "binding/operation.h"
#include "stats/lazy_statistics.h"
#include "stats/operation_span.h"
#include "stats/search_tally.h"

namespace vitrine {

// An asynchronous operation that is counted, in one place or in two: it adds to `Base`, which knows
// nothing of it, how long it waits and runs and how it ends. It is counted on the JS thread, before
// its promise is settled: who awaits that finds it counted. A `Base` may have
//   Status ExecuteCounted(const SearchTally& tally)  Execute, by which it learns what it did; its
//                                                    searches may count with `tally`
//   void Describe(OperationRecord& record) const     says what it did; once it is done
template <class Base>
class Counted final : public Base {
 public:
  using Base::Base;

  // Goes on with what `call` has begun. REQUIRES: once, before Launch
  void GoOnWith(const MeasuredCall& call) {
    for (const OperationSpan& span : call.spans()) {
      if (!span.counts()) continue;
      Place& place = places_[count_++];
      place.statistics = span.statistics()->shared_from_this();
      place.span = span.HandOver();
      place.span.Submit();
    }
  }

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    Result<napi_value> value = Base::Resolve(env, outputs);
    if (value.ok()) End({});
    return value;
  }
  void Failed(const Status& status) override { End(status); }

 protected:
  Status Execute() override {
    for (Place& place : places_) place.span.Start();
    Status status = ExecuteBase();
    for (Place& place : places_) place.span.Stop();
    return status;
  }
  bool is_timed() const override { return true; }
  void RanSince(uint64_t ticks) override {
    for (Place& place : places_) {
      place.span.StartedAt(ticks);
      place.span.Stop();
    }
  }
  void NeverRan() override {
    for (Place& place : places_) place.span.GiveUpWaiting();
  }

 private:
  // Belongs to whoever claimed the operation, and then to the JS thread.
  struct Place {
    std::shared_ptr<Statistics> statistics;
    OperationSpan span;
  };

  Status ExecuteBase() {
    if constexpr (requires(SearchTally tally) { this->ExecuteCounted(tally); }) {
      // Turned off between the call's look and this one's: then it is counted nowhere.
      if (count_ == 0) return Base::Execute();
      RecallSampler recall;
      for (size_t i = 0; i < count_; ++i) recall.Add(*places_[i].statistics);
      return this->ExecuteCounted(
          SearchTally(*places_[0].statistics, places_[0].span.level(), recall));
    } else {
      return Base::Execute();
    }
  }
  void End(const Status& status) {
    OperationRecord record;
    if constexpr (requires { this->Describe(record); }) this->Describe(record);
    for (Place& place : places_) place.span.End(status, record);
  }

  std::array<Place, MeasuredCall::kMostPlaces> places_;
  size_t count_ = 0;
};

// Makes operations that nobody counts.
struct UncountedMaker {
  template <class Op, class... Arguments>
  std::shared_ptr<Op> Make(Arguments&&... arguments) const {
    return std::make_shared<Op>(std::forward<Arguments>(arguments)...);
  }
};

// Makes operations that are counted.
struct CountedMaker {
  const MeasuredCall& call;

  template <class Op, class... Arguments>
  std::shared_ptr<Op> Make(Arguments&&... arguments) const {
    auto counted = std::make_shared<Counted<Op>>(std::forward<Arguments>(arguments)...);
    counted->GoOnWith(call);
    return counted;
  }
};

// The same of what makes one that is started seldom: where nobody counts it, this finds out.
template <class Op, class... Arguments>
std::shared_ptr<Operation> MakeMeasured(const MeasuredCall& call, Arguments&&... arguments) {
  if (!call.counts()) return UncountedMaker{}.Make<Op>(std::forward<Arguments>(arguments)...);
  return CountedMaker{call}.Make<Op>(std::forward<Arguments>(arguments)...);
}

// A call that starts an operation, which is counted where anybody counts in one of `places`: this
// is the one branch that it takes to find that nobody does.
//   start  (maker) -> Result<napi_value>
template <class Start>
Result<napi_value> StartCounted(std::span<LazyStatistics* const> places, CountedOperation operation,
                                Start start) {
  const bool counted = std::any_of(places.begin(), places.end(),
                                   [](const LazyStatistics* place) { return place->on(); });
  if (!counted) return start(UncountedMaker{});
  MeasuredCall measured(places, operation);
  return measured.Started(start(CountedMaker{measured}));
}
template <class Start>
Result<napi_value> StartCounted(LocalStatistics& place, CountedOperation operation, Start start) {
  if (!place.on()) return start(UncountedMaker{});
  MeasuredCall measured(place, operation);
  return measured.Started(start(CountedMaker{measured}));
}

}  // namespace vitrine
