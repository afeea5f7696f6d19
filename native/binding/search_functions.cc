// Searches, on the JS thread and on the pool.

#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/platform.h"
#include "binding/beam_argument.h"
#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/option_rules.h"
#include "binding/plan_object.h"
#include "binding/vector_copy.h"

namespace vitrine {
namespace {

// What a search is asked for, but the query.
struct SearchRequest {
  SearchParameters parameters;  // filter and control are set by whoever searches
  std::shared_ptr<const IdSet> filter;
};

Result<std::shared_ptr<const IdSet>> ReadFilter(Call& call, size_t argument,
                                                const IndexHandle& index) {
  if (const auto handle = PeekHandle<IdSetHandle>(call.env, call[argument])) {
    if ((*handle)->table.lock() == index.table()) return (*handle)->set;
    return Status(ErrorCode::kArgument, "the filter is an id set of another index");
  }
  Result<std::vector<PointId>> ids = CopyIds(call.env, call[argument], index.id_type());
  if (!ids.ok()) return ids.status();
  const Result<std::shared_ptr<IdSet>> set = index.table()->MakeIdSet(std::move(*ids));
  if (!set.ok()) return set.status();
  return std::shared_ptr<const IdSet>(*set);
}

// Arguments from `first` on: beam: number | undefined, exact: boolean,
// filter: IdSetHandle | IdArray | undefined, timeoutMs: number | undefined
Status ReadSearchOptions(Call& call, size_t first, const IndexHandle& index,
                         SearchRequest& request) {
  VITRINE_RETURN_IF_ERROR(ReadBeam(call.env, call[first], request.parameters));
  const Result<bool> exact = ReadBool(call.env, call[first + 1], "exact");
  if (!exact.ok()) return exact.status();
  request.parameters.exact = *exact;
  if (!IsUndefined(call.env, call[first + 2])) {
    Result<std::shared_ptr<const IdSet>> filter = ReadFilter(call, first + 2, index);
    if (!filter.ok()) return filter.status();
    request.filter = std::move(*filter);
    request.parameters.filter = request.filter.get();
  }
  if (!IsUndefined(call.env, call[first + 3])) {
    const Result<uint64_t> timeout = ReadInteger(call.env, call[first + 3], kTimeoutMs);
    if (!timeout.ok()) return timeout.status();
    request.parameters.control.has_deadline = true;
    request.parameters.control.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(*timeout);
  }
  return {};
}

// Arguments from `first` on: k: number, then those of ReadSearchOptions.
Status ReadSearch(Call& call, size_t first, const IndexHandle& index, SearchRequest& request) {
  const Result<uint64_t> k = ReadInteger(call.env, call[first], kK);
  if (!k.ok()) return k.status();
  request.parameters.k = *k;
  return ReadSearchOptions(call, first + 1, index, request);
}

Result<TypedArray> ReadQuery(Call& call, size_t argument, const IndexHandle& index) {
  return ReadQueryArray(call.env, call[argument], index.type(), index.dimension());
}

// Where hits go: arrays of at least `count` elements.
struct HitArrays {
  TypedArray ids;
  TypedArray distances;
};

Status NoRoom(size_t count) {
  return {ErrorCode::kArgument, "out has no room for " + std::to_string(count) + " hits"};
}

Result<HitArrays> ReadHitArrays(napi_env env, napi_value ids, napi_value distances, IdType type,
                                size_t count) {
  const Result<TypedArray> id_array = ReadIdArray(env, ids, type, "out.ids");
  if (!id_array.ok()) return id_array.status();
  const Result<TypedArray> distance_array = ReadFloats(env, distances, "out.distances");
  if (!distance_array.ok()) return distance_array.status();
  if (id_array->length < count || distance_array->length < count) return NoRoom(count);
  return HitArrays{*id_array, *distance_array};
}

// The arrays may lie anywhere, an element that is shared with another thread included.
template <typename Id>
void StoreHits(std::span<const Hit> hits, std::byte* ids, std::byte* distances) {
  for (const Hit& hit : hits) {
    const Id id = static_cast<Id>(hit.id);
    std::memcpy(ids, &id, sizeof(id));
    std::memcpy(distances, &hit.distance, sizeof(hit.distance));
    ids += sizeof(id);
    distances += sizeof(hit.distance);
  }
}

void StoreHits(std::span<const Hit> hits, IdType type, const HitArrays& out, size_t first = 0) {
  std::byte* const distances = out.distances.data + first * sizeof(float);
  if (type == IdType::kU64) {
    StoreHits<uint64_t>(hits, out.ids.data + first * sizeof(uint64_t), distances);
  } else {
    StoreHits<uint32_t>(hits, out.ids.data + first * sizeof(uint32_t), distances);
  }
}

Status CheckDeadline(const SearchControl& control) {
  if (!control.has_deadline || std::chrono::steady_clock::now() < control.deadline) return {};
  return {ErrorCode::kTimeout, "the search waited longer than timeoutMs allows"};
}

class SearchOperation : public Operation {
 public:
  SearchOperation(Lane lane, const std::shared_ptr<IndexHandle>& index, SearchRequest request,
                  VectorCopy queries)
      : Operation(lane, index),
        table_(index->table()),
        request_(std::move(request)),
        queries_(std::move(queries)),
        query_count_(index->VectorsIn(queries_.size_bytes())) {
    request_.parameters.control.cancelled = &cancelled();
  }

 protected:
  const Table& table() const { return *table_; }
  const SearchParameters& parameters() const { return request_.parameters; }
  const VectorCopy& queries() const { return queries_; }
  size_t query_count() const { return query_count_; }
  void ReleaseInputs() override {
    table_.reset();
    request_.filter.reset();
    request_.parameters.filter = nullptr;
    queries_ = {};
  }

 private:
  std::shared_ptr<const Table> table_;
  SearchRequest request_;
  VectorCopy queries_;
  const size_t query_count_;
};

class OneSearch : public SearchOperation {
 public:
  OneSearch(const std::shared_ptr<IndexHandle>& index, SearchRequest request, VectorCopy query)
      : SearchOperation(Lane::kSearch, index, std::move(request), std::move(query)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    const Result<HitArrays> out =
        ReadHitArrays(env, outputs[0], outputs[1], index()->id_type(), hits_.size());
    if (!out.ok()) return out.status();
    StoreHits(hits_, index()->id_type(), *out);
    return MakeNumber(env, static_cast<double>(hits_.size()));
  }

 protected:
  Status Execute() override {
    PhaseNanoseconds phases;
    if (times() != nullptr) return RunTimed(nullptr, phases);
    return Run([this] { return table().Search(queries().data(), parameters(), hits_); });
  }
  Status ExecuteCounted(const SearchTally& tally) {
    PhaseNanoseconds phases;
    const SearchCounters begun = CountersOf(tally.recall());
    return times() != nullptr ? RunTimed(nullptr, phases, begun) : RunCounted(begun, nullptr);
  }
  // `plan` may be null.
  Status RunTimed(SearchPlan* plan, PhaseNanoseconds& phases, SearchCounters begun = {}) {
    PhaseTimer timer(TickClock::Process());
    begun.phases = &timer;
    Status status = RunCounted(begun, plan);
    // However it ended.
    phases = timer.End();
    if (times() != nullptr) times()->EnterSearch(timer.stretches());
    return status;
  }
  void Describe(OperationRecord& record) const {
    if (counters_) record.search = &*counters_;
  }
  size_t hit_count() const { return hits_.size(); }
  // Null until it ran, and where nobody wanted to know.
  const SearchCounters* counters() const { return counters_ ? &*counters_ : nullptr; }

 private:
  Status RunCounted(const SearchCounters& begun, SearchPlan* plan) {
    SearchCounters& counters = counters_.emplace(begun);
    Status status =
        Run([&] { return table().Search(queries().data(), parameters(), hits_, counters, plan); });
    counters.phases = nullptr;
    counters.recall = nullptr;
    return status;
  }
  template <class Search>
  Status Run(Search search) {
    VITRINE_RETURN_IF_ERROR(CheckDeadline(parameters().control));
    hits_.resize(parameters().k);
    const Result<size_t> found = search();
    if (!found.ok()) return found.status();
    hits_.resize(*found);
    return {};
  }

  std::vector<Hit> hits_;
  std::optional<SearchCounters> counters_;  // of one that is counted, or analyzed
};

class BatchSearch : public SearchOperation {
 public:
  BatchSearch(const std::shared_ptr<IndexHandle>& index, SearchRequest request, VectorCopy queries)
      : SearchOperation(Lane::kBulk, index, std::move(request), std::move(queries)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    const IdType type = index()->id_type();
    const Result<HitArrays> out =
        ReadHitArrays(env, outputs[0], outputs[1], type, distances_.size());
    if (!out.ok()) return out.status();
    const Result<TypedArray> counts = ReadIdArray(env, outputs[2], IdType::kU32, "out.counts");
    if (!counts.ok()) return counts.status();
    if (counts->length < counts_.size()) {
      return Status(ErrorCode::kArgument, "out.counts has no room for each query");
    }
    if (counts_.empty()) return Undefined();
    std::memcpy(out->ids.data, ids_.data(), ids_.size());
    std::memcpy(out->distances.data, distances_.data(), distances_.size() * sizeof(float));
    std::memcpy(counts->data, counts_.data(), counts_.size() * sizeof(uint32_t));
    return Undefined();
  }

 protected:
  Status Execute() override {
    if (times() != nullptr) return RunTimed(SearchTally());
    return Run([this](std::span<Hit> hits) {
      return table().SearchBatch(queries().view(), query_count(), parameters(), hits, counts_);
    });
  }
  Status ExecuteCounted(const SearchTally& tally) {
    return times() != nullptr ? RunTimed(tally) : RunCounted(tally);
  }
  void Describe(OperationRecord& record) const { record.vectors = query_count(); }

 private:
  Status RunTimed(const SearchTally& tally) {
    BatchPhases phases;
    return RunCounted(tally.Watched(phases), &phases);
  }
  //   phases  those that `tally` has it note, if any
  Status RunCounted(const SearchTally& tally, const BatchPhases* phases = nullptr) {
    return Run([&](std::span<Hit> hits) {
      Status status =
          table().SearchBatch(queries().view(), query_count(), parameters(), hits, counts_, tally);
      if (phases != nullptr) times()->EnterSearch(phases->stretches());
      // What follows puts the arrays of JavaScript together.
      if (phases != nullptr && status.ok()) times()->Enter(CallPhase::kMaterialize);
      return status;
    });
  }
  template <class Search>
  Status Run(Search search) {
    VITRINE_RETURN_IF_ERROR(CheckDeadline(parameters().control));
    const size_t count = query_count();
    const size_t k = parameters().k;
    std::vector<Hit> hits(count * k);
    counts_.resize(count);
    VITRINE_RETURN_IF_ERROR(search(hits));
    // Laid out as the arrays of JavaScript here, so that its thread only copies.
    const IdType type = index()->id_type();
    distances_.resize(hits.size());
    ids_.resize(hits.size() * (type == IdType::kU64 ? sizeof(uint64_t) : sizeof(uint32_t)));
    for (size_t query = 0; query < count; ++query) {
      for (size_t i = counts_[query]; i < k; ++i) {
        hits[query * k + i] = {std::numeric_limits<float>::infinity(), UINT64_MAX};
      }
    }
    const HitArrays out{
        {napi_uint8_array, ids_.data(), hits.size()},
        {napi_float32_array, reinterpret_cast<std::byte*>(distances_.data()), hits.size()}};
    StoreHits(hits, type, out);
    return {};
  }

  std::vector<uint32_t> counts_;
  std::vector<std::byte> ids_;
  std::vector<float> distances_;
};

class AnalyzedSearch : public OneSearch {
 public:
  using OneSearch::OneSearch;

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    const Result<napi_value> stored = OneSearch::Resolve(env, outputs);
    if (!stored.ok()) return stored.status();
    const Result<napi_value> plan = MakePlan(env, plan_);
    if (!plan.ok()) return plan.status();
    napi_value analysis;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &analysis));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, analysis, "plan", *plan));
    VITRINE_RETURN_IF_ERROR(SetCost(env, analysis, *counters(), phases_));
    VITRINE_RETURN_IF_ERROR(
        SetNumbers(env, analysis, {{"count", static_cast<double>(hit_count())}}));
    return analysis;
  }
  Result<napi_value> Cost(napi_env env) override {
    return counters() == nullptr ? Result<napi_value>(nullptr)
                                 : MakeCost(env, *counters(), phases_);
  }

 protected:
  Status Execute() override { return RunTimed(&plan_, phases_); }
  Status ExecuteCounted(const SearchTally& /*tally*/) { return AnalyzedSearch::Execute(); }

 private:
  SearchPlan plan_;
  PhaseNanoseconds phases_ = {};
};

// Arguments: index, query, ids, distances, then those of ReadSearch, then the cancel token.
template <typename Search, typename Maker>
Result<napi_value> StartSearch(Call& call, const std::shared_ptr<IndexHandle>& index,
                               const Maker& maker) {
  const Result<TypedArray> query = ReadQuery(call, 1, *index);
  if (!query.ok()) return query.status();
  SearchRequest request;
  VITRINE_RETURN_IF_ERROR(ReadSearch(call, 4, *index, request));
  const Result<HitArrays> out =
      ReadHitArrays(call.env, call[2], call[3], index->id_type(), request.parameters.k);
  if (!out.ok()) return out.status();
  StartOptions options{.outputs = {call[2], call[3]}};
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 9, options));
  return call.addon.Start(maker.template Make<Search>(index, std::move(request),
                                                      call.addon.CopyQuery(*query, index->type())),
                          options);
}

template <typename Search>
Result<napi_value> MeasuredSearch(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kSearch,
                      [&](const auto& maker) { return StartSearch<Search>(call, **index, maker); });
}

//   counters  null: nobody counts
// One function for both, and not inlined into either: then a search that nobody counts runs the
// code that it would run if nothing could be counted, but for a comparison with null.
VITRINE_NOINLINE Result<napi_value> SearchNow(Call& call, const IndexHandle& index,
                                              SearchCounters* counters) {
  const Result<TypedArray> query = ReadQuery(call, 1, index);
  if (!query.ok()) return query.status();
  const IdType type = index.id_type();
  const Result<TypedArray> ids = ReadIdArray(call.env, call[2], type, "out.ids");
  if (!ids.ok()) return ids.status();
  SearchRequest request;
  const Result<uint64_t> given_k = ReadIntegerOr(call.env, call[4], kK, ids->length);
  if (!given_k.ok()) return given_k.status();
  const size_t k = *given_k;
  if (k < kK.min || k > kK.max) {
    return Status(ErrorCode::kArgument, "out.ids must have room for 1 to 10000 hits");
  }
  request.parameters.k = k;
  const Result<TypedArray> distances = ReadFloats(call.env, call[3], "out.distances");
  if (!distances.ok()) return distances.status();
  if (ids->length < k || distances->length < k) return NoRoom(k);
  VITRINE_RETURN_IF_ERROR(ReadSearchOptions(call, 5, index, request));

  // No JavaScript runs from here on: the buffers have one user at a time.
  std::vector<std::byte>& copy = call.addon.query_buffer();
  copy.assign(query->data, query->data + index.table()->vector_bytes());
  std::vector<Hit>& hits = call.addon.hit_buffer();
  if (hits.size() < k) hits.resize(k);
  const Table& table = *index.table();
  const Result<size_t> found = counters == nullptr
                                   ? table.Search(copy.data(), request.parameters, hits)
                                   : table.Search(copy.data(), request.parameters, hits, *counters);
  if (!found.ok()) return found.status();
  StoreHits(std::span(hits).first(*found), type, {*ids, *distances});
  napi_value count;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_uint32(call.env, static_cast<uint32_t>(*found), &count));
  return count;
}

Result<napi_value> SearchNowCounted(Call& call, IndexHandle& index) {
  MeasuredCall measured(index.statistics(), CountedOperation::kSearch);
  // Nobody may count, where the call is only watched.
  RecallSampler recall;
  if (Statistics* const counting = index.statistics().counting()) recall.Add(*counting);
  SearchCounters counters = CountersOf(recall);
  CallWatch* const watch = call.addon.watch();
  std::optional<PhaseTimer> timer;
  if (watch != nullptr) counters.phases = &timer.emplace(TickClock::Process());
  Result<napi_value> count = SearchNow(call, index, &counters);
  if (watch != nullptr) {
    counters.phases = nullptr;
    timer->End();
    // Not of one that was refused before it began.
    if (count.ok() || counters.strategy) watch->times.EnterSearch(timer->stretches());
  }
  return measured.End(std::move(count), {.search = &counters});
}

template <typename Maker>
Result<napi_value> StartSearchBatch(Call& call, const std::shared_ptr<IndexHandle>& index,
                                    const Maker& maker) {
  const VectorType type = index->type();
  const Result<TypedArray> queries =
      ReadVectorArrays(call.env, call[1], type, index->dimension(), "queries");
  if (!queries.ok()) return queries.status();
  SearchRequest request;
  VITRINE_RETURN_IF_ERROR(ReadSearch(call, 5, *index, request));
  const size_t count = queries->length / index->elements();
  const Result<HitArrays> out =
      ReadHitArrays(call.env, call[2], call[3], index->id_type(), count * request.parameters.k);
  if (!out.ok()) return out.status();
  const Result<TypedArray> counts = ReadIdArray(call.env, call[4], IdType::kU32, "out.counts");
  if (!counts.ok()) return counts.status();
  if (counts->length < count) {
    return Status(ErrorCode::kArgument, "out.counts has no room for each query");
  }
  StartOptions options{.outputs = {call[2], call[3], call[4]}};
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 10, options));
  return call.addon.Start(
      maker.template Make<BatchSearch>(index, std::move(request),
                                       VectorCopy(*queries, type, VectorCopy::kPagesOfQueries)),
      options);
}

}  // namespace

// searchInto(index: IndexHandle, query: VectorArray, ids: IdArray, distances: Float32Array,
//   k: number | undefined, beam: number | undefined, exact: boolean,
//   filter: IdSetHandle | IdArray | undefined, timeoutMs: number | undefined): number
//
// Without k there are as many hits as `ids` has room for.
Result<napi_value> SearchInto(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  if ((**index)->statistics().on() || call.addon.watch() != nullptr) [[unlikely]]
    return SearchNowCounted(call, ***index);
  return SearchNow(call, ***index, nullptr);
}

// search(index: IndexHandle, query: VectorArray, ids: IdArray, distances: Float32Array, k: number,
//   beam: number | undefined, exact: boolean, filter: IdSetHandle | IdArray | undefined,
//   timeoutMs: number | undefined, token: CancelToken | undefined): Promise<number>
Result<napi_value> Search(Call& call) { return MeasuredSearch<OneSearch>(call); }

// analyze(...as search): Promise<{ count: number, plan: SearchPlan, ...SearchCost }>
Result<napi_value> Analyze(Call& call) { return MeasuredSearch<AnalyzedSearch>(call); }

// searchBatch(index: IndexHandle, queries: VectorArray, ids: IdArray, distances: Float32Array,
//   counts: Uint32Array, k: number, beam: number | undefined, exact: boolean,
//   filter: IdSetHandle | IdArray | undefined, timeoutMs: number | undefined,
//   token: CancelToken | undefined): Promise<void>
Result<napi_value> SearchBatch(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kBatch,
                      [&](const auto& maker) { return StartSearchBatch(call, **index, maker); });
}

namespace {

Result<napi_value> ExplainNow(Call& call, IndexHandle& index) {
  const Result<TypedArray> query = ReadQuery(call, 1, index);
  if (!query.ok()) return query.status();
  SearchRequest request;
  VITRINE_RETURN_IF_ERROR(ReadSearch(call, 2, index, request));
  const VectorCopy copy(*query, index.type(), VectorCopy::kPagesOfQueries);
  const Result<SearchPlan> plan = index.table()->Explain(copy.data(), request.parameters);
  if (!plan.ok()) return plan.status();
  return MakePlan(call.env, *plan);
}

}  // namespace

// explain(index: IndexHandle, query: VectorArray, k: number, beam: number | undefined,
//   exact: boolean, filter: IdSetHandle | IdArray | undefined, timeoutMs: number | undefined):
//   SearchPlan
Result<napi_value> Explain(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  MeasuredCall measured((**index)->statistics(), CountedOperation::kGet);
  return measured.End(ExplainNow(call, ***index));
}

}  // namespace vitrine
