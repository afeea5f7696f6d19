// Searches of collections.

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "binding/beam_argument.h"
#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/plan_object.h"
#include "binding/point_arrays.h"
#include "binding/vector_copy.h"

namespace vitrine {
namespace {

// What a search is asked for, in copies.
struct CollectionRequest {
  VectorCopy vector;
  SearchParameters parameters;
  Select select;
  std::unique_ptr<const Filter> filter;  // null: all points

  CollectionQuery query() const { return {vector.data(), parameters, select, filter.get()}; }
};

// Arguments from the second on: query: VectorArray, k: number, beam: number | undefined,
//   exact: boolean, payload: boolean, vector: boolean, timeoutMs: number | undefined,
//   where: string | undefined
Status ReadRequest(Call& call, const Collection& collection, CollectionRequest& request) {
  const Result<TypedArray> query =
      ReadQueryArray(call.env, call[1], collection.type(), collection.dimension());
  if (!query.ok()) return query.status();
  request.vector = call.addon.CopyQuery(*query, collection.type());
  const Result<uint64_t> k = ReadInteger(call.env, call[2], kK);
  if (!k.ok()) return k.status();
  request.parameters.k = *k;
  VITRINE_RETURN_IF_ERROR(ReadBeam(call.env, call[3], request.parameters));
  const Result<bool> exact = ReadBool(call.env, call[4], "exact");
  if (!exact.ok()) return exact.status();
  request.parameters.exact = *exact;
  const Result<Select> select = ReadSelect(call, 5);
  if (!select.ok()) return select.status();
  request.select = *select;
  if (!IsUndefined(call.env, call[7])) {
    const Result<uint64_t> timeout = ReadInteger(call.env, call[7], kTimeoutMs);
    if (!timeout.ok()) return timeout.status();
    request.parameters.control.has_deadline = true;
    request.parameters.control.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(*timeout);
  }
  std::optional<Filter> filter;
  VITRINE_RETURN_IF_ERROR(ReadWhere(call, 8, collection, filter));
  if (filter) request.filter = std::make_unique<const Filter>(std::move(*filter));
  return {};
}

class CollectionSearch : public Operation {
 public:
  CollectionSearch(const CollectionHandle& handle, CollectionRequest request)
      : Operation(Lane::kSearch, nullptr),
        database_(handle.owner->database),
        collection_(handle.collection),
        request_(std::move(request)),
        dimension_(collection_->dimension()),
        type_(collection_->type()) {
    request_.parameters.control.cancelled = &cancelled();
  }

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    PointArrays points(env, request_.select, dimension_, type_);
    VITRINE_RETURN_IF_ERROR(points.Create(hits_.size()));
    napi_value distances;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env, hits_.size(), &distances));
    for (uint32_t i = 0; i < hits_.size(); ++i) {
      const CollectionHit& hit = hits_[i];
      VITRINE_RETURN_IF_ERROR(points.Set(i, hit.point.view(), hit.point.vector));
      const Result<napi_value> distance = MakeNumber(env, hit.distance);
      if (!distance.ok()) return distance.status();
      VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env, distances, i, *distance));
    }
    VITRINE_RETURN_IF_JS_ERROR(
        napi_set_named_property(env, points.object(), "distances", distances));
    return points.object();
  }

 protected:
  Status Execute() override {
    PhaseNanoseconds phases;
    if (times() != nullptr) return RunTimed(phases);
    return Run([this] { return collection_->Search(request_.query()); });
  }
  Status ExecuteCounted(const SearchTally& tally) {
    PhaseNanoseconds phases;
    const SearchCounters begun = CountersOf(tally.recall());
    return times() != nullptr ? RunTimed(phases, begun) : RunReported(begun);
  }
  Status RunTimed(PhaseNanoseconds& phases, SearchCounters begun = {}) {
    PhaseTimer timer(TickClock::Process());
    begun.phases = &timer;
    Status status = RunReported(begun);
    // However it ended.
    phases = timer.End();
    if (times() != nullptr) times()->EnterSearch(timer.stretches());
    return status;
  }
  void Describe(OperationRecord& record) const {
    if (report_ != nullptr) record.search = &report_->counters;
  }
  // Null until it ran, and where nobody wanted to know.
  const SearchReport* report() const { return report_.get(); }

 private:
  Status RunReported(const SearchCounters& begun) {
    report_ = std::make_unique<SearchReport>();
    SearchReport& report = *report_;
    report.counters = begun;
    Status status = Run([&] { return collection_->Search(request_.query(), report); });
    report.counters.phases = nullptr;
    report.counters.recall = nullptr;
    return status;
  }
  template <class Search>
  Status Run(Search search) {
    const SearchControl& control = request_.parameters.control;
    if (control.has_deadline && std::chrono::steady_clock::now() >= control.deadline) {
      return {ErrorCode::kTimeout, "the search waited longer than timeoutMs allows"};
    }
    Result<std::vector<CollectionHit>> hits = search();
    if (!hits.ok()) return hits.status();
    hits_ = std::move(*hits);
    return {};
  }
  void ReleaseInputs() override {
    collection_.reset();
    database_.reset();
    request_.vector = {};
    request_.filter.reset();
  }

  std::shared_ptr<SharedDatabase> database_;  // outlives what it lent
  std::shared_ptr<Collection> collection_;
  CollectionRequest request_;
  const size_t dimension_;
  const VectorType type_;
  std::vector<CollectionHit> hits_;
  std::unique_ptr<SearchReport> report_;  // of one that is counted, or analyzed
};

// { plan: SearchPlan, estimatedShare: number, share: number }
Status SetReport(napi_env env, napi_value object, const SearchReport& report) {
  const Result<napi_value> plan = MakePlan(env, report.plan);
  if (!plan.ok()) return plan.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, "plan", *plan));
  return SetNumbers(env, object,
                    {{"estimatedShare", report.estimated_share}, {"share", report.share}});
}

class AnalyzedCollectionSearch : public CollectionSearch {
 public:
  using CollectionSearch::CollectionSearch;

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    const Result<napi_value> found = CollectionSearch::Resolve(env, outputs);
    if (!found.ok()) return found.status();
    VITRINE_RETURN_IF_ERROR(SetReport(env, *found, *report()));
    VITRINE_RETURN_IF_ERROR(SetCost(env, *found, report()->counters, phases_));
    return *found;
  }
  Result<napi_value> Cost(napi_env env) override {
    return report() == nullptr ? Result<napi_value>(nullptr)
                               : MakeCost(env, report()->counters, phases_);
  }

 protected:
  Status Execute() override { return RunTimed(phases_); }
  Status ExecuteCounted(const SearchTally& /*tally*/) {
    return AnalyzedCollectionSearch::Execute();
  }

 private:
  PhaseNanoseconds phases_ = {};
};

template <typename Search, typename Maker>
Result<napi_value> StartCollectionSearch(Call& call, const CollectionHandle& handle,
                                         const Maker& maker) {
  CollectionRequest request;
  VITRINE_RETURN_IF_ERROR(ReadRequest(call, *handle.collection, request));
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 9, options));
  return call.addon.Start(maker.template Make<Search>(handle, std::move(request)), options);
}

template <typename Search>
Result<napi_value> MeasuredCollectionSearch(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return StartCounted((*handle)->places(), CountedOperation::kSearch, [&](const auto& maker) {
    return StartCollectionSearch<Search>(call, **handle, maker);
  });
}

}  // namespace

// searchCollection(collection: CollectionHandle, query: VectorArray, k: number,
//   beam: number | undefined, exact: boolean, payload: boolean, vector: boolean,
//   timeoutMs: number | undefined, where: string | undefined, token: CancelToken | undefined):
//   Promise<{ keys, payloads?, vectors?, distances: number[] }>
Result<napi_value> SearchCollection(Call& call) {
  return MeasuredCollectionSearch<CollectionSearch>(call);
}

// analyzeCollection(...as searchCollection): Promise<{ ...as searchCollection, plan: SearchPlan,
//   estimatedShare: number, share: number, ...SearchCost }>
Result<napi_value> AnalyzeCollection(Call& call) {
  return MeasuredCollectionSearch<AnalyzedCollectionSearch>(call);
}

namespace {

Result<napi_value> ExplainNow(Call& call, const Collection& collection) {
  CollectionRequest request;
  VITRINE_RETURN_IF_ERROR(ReadRequest(call, collection, request));
  const Result<SearchReport> report = collection.Explain(request.query());
  if (!report.ok()) return report.status();
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &object));
  VITRINE_RETURN_IF_ERROR(SetReport(call.env, object, *report));
  return object;
}

}  // namespace

// explainCollection(...as searchCollection, without the token):
//   { plan: SearchPlan, estimatedShare: number, share: number }
Result<napi_value> ExplainCollection(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  MeasuredCall measured((*handle)->places(), CountedOperation::kGet);
  return measured.End(ExplainNow(call, *(*handle)->collection));
}

}  // namespace vitrine
