// Changes to an index, and what cancels an operation.

#include <functional>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/vector_copy.h"

namespace vitrine {
namespace {

class WriteOperation : public Operation {
 public:
  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override { return Undefined(); }

 protected:
  // `points` are vectors, or ids of what is to be removed.
  WriteOperation(const std::shared_ptr<IndexHandle>& index, size_t points)
      : Operation(Lane::kWrite, index), table_(index->table()), points_(points) {}

  Table& table() const { return *table_; }
  WriteControl Control() {
    return {.cancelled = &cancelled(),
            .on_progress = [this](size_t done, size_t total) { ReportProgress(done, total); }};
  }
  Status Execute() override { return Write(); }
  // Writes of an index come one after the other: what its table counts meanwhile is of this one.
  Status ExecuteCounted(const SearchTally& /*tally*/) {
    const uint64_t before = table().counts().indexed_vectors;
    Status status = Write();
    indexed_ = table().counts().indexed_vectors - before;
    return status;
  }
  virtual Status Write() = 0;
  void Describe(OperationRecord& record) const {
    record.vectors = points_;
    record.indexed = indexed_;
    record.builds_index = indexed_ > 0;
  }
  void ReleaseInputs() override { table_.reset(); }

 private:
  std::shared_ptr<Table> table_;
  const size_t points_;
  size_t indexed_ = 0;
};

class AddOperation : public WriteOperation {
 public:
  // Without ids they are given out in sequence.
  AddOperation(const std::shared_ptr<IndexHandle>& index, bool numbered, std::vector<PointId> ids,
               VectorCopy vectors)
      : WriteOperation(index, index->VectorsIn(vectors.size_bytes())),
        numbered_(numbered),
        ids_(std::move(ids)),
        vectors_(std::move(vectors)) {}

  // The ids go to the array that came with the call.
  Result<napi_value> Resolve(napi_env env, std::span<const napi_value> outputs) override {
    const IdType type = index()->id_type();
    const Result<TypedArray> out = ReadIdArray(env, outputs[0], type, "out");
    if (!out.ok()) return out.status();
    if (out->length < ids_.size()) {
      return Status(ErrorCode::kArgument, "out has no room for the ids");
    }
    StoreIds(ids_, type, *out);
    return Undefined();
  }

 private:
  Status Write() override {
    if (!numbered_) return table().Add(ids_, vectors_.view(), Control());
    const size_t count = vectors_.size_bytes() / table().vector_bytes();
    return table().AddNumbered(count, vectors_.view(), ids_, Control());
  }
  void ReleaseInputs() override {
    WriteOperation::ReleaseInputs();
    vectors_ = {};
  }

  const bool numbered_;
  std::vector<PointId> ids_;
  VectorCopy vectors_;
};

class UpsertOperation : public WriteOperation {
 public:
  UpsertOperation(const std::shared_ptr<IndexHandle>& index, std::vector<PointId> ids,
                  VectorCopy vectors)
      : WriteOperation(index, ids.size()), ids_(std::move(ids)), vectors_(std::move(vectors)) {}

 private:
  Status Write() override { return table().Upsert(ids_, vectors_.view(), Control()); }
  void ReleaseInputs() override {
    WriteOperation::ReleaseInputs();
    ids_ = {};
    vectors_ = {};
  }

  std::vector<PointId> ids_;
  VectorCopy vectors_;
};

class RemoveOperation : public WriteOperation {
 public:
  RemoveOperation(const std::shared_ptr<IndexHandle>& index, std::vector<PointId> ids)
      : WriteOperation(index, ids.size()), ids_(std::move(ids)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return MakeNumber(env, static_cast<double>(removed_));
  }

 private:
  Status Write() override {
    const Result<size_t> removed = table().Remove(ids_, Control());
    if (!removed.ok()) return removed.status();
    removed_ = *removed;
    return {};
  }
  void ReleaseInputs() override {
    WriteOperation::ReleaseInputs();
    ids_ = {};
  }

  std::vector<PointId> ids_;
  size_t removed_ = 0;
};

Status CheckCount(size_t ids, const TypedArray& vectors, const IndexHandle& index) {
  if (vectors.length == ids * index.elements()) return {};
  return {ErrorCode::kDimension, std::to_string(ids) + " ids for " +
                                     std::to_string(vectors.length / index.elements()) +
                                     " vectors"};
}

}  // namespace

Status ReadToken(Call& call, size_t argument, StartOptions& options) {
  if (IsUndefined(call.env, call[argument])) return {};
  const auto token = ReadHandle<CancelToken>(call.env, call[argument]);
  if (!token.ok()) return token.status();
  options.token = (**token).get();
  return {};
}

Status ReadProgress(Call& call, size_t argument, StartOptions& options) {
  napi_valuetype type;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(call.env, call[argument], &type));
  if (type == napi_undefined) return {};
  if (type != napi_function) {
    return {ErrorCode::kOption,
            "onProgress must be a function, not " + Describe(call.env, call[argument])};
  }
  options.on_progress = call[argument];
  return {};
}

namespace {

template <typename Maker>
Result<napi_value> StartAddPoints(Call& call, const std::shared_ptr<IndexHandle>& index,
                                  const Maker& maker) {
  const Result<TypedArray> vectors =
      ReadVectorArrays(call.env, call[2], index->type(), index->dimension(), "vectors");
  if (!vectors.ok()) return vectors.status();
  const size_t count = vectors->length / index->elements();

  napi_valuetype ids_type;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(call.env, call[1], &ids_type));
  const bool numbered = ids_type == napi_null;
  std::vector<PointId> ids;
  if (!numbered) {
    Result<std::vector<PointId>> copy = CopyIds(call.env, call[1], index->id_type());
    if (!copy.ok()) return copy.status();
    ids = std::move(*copy);
    VITRINE_RETURN_IF_ERROR(CheckCount(ids.size(), *vectors, *index));
  }
  const Result<TypedArray> out = ReadIdArray(call.env, call[3], index->id_type(), "out");
  if (!out.ok()) return out.status();
  if (out->length != count) {
    return Status(ErrorCode::kArgument, "out must have room for the id of each vector");
  }
  StartOptions options{.outputs = {call[3]}};
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 4, options));
  VITRINE_RETURN_IF_ERROR(ReadProgress(call, 5, options));
  return call.addon.Start(maker.template Make<AddOperation>(
                              index, numbered, std::move(ids),
                              VectorCopy(*vectors, index->type(), VectorCopy::kPagesOfPoints)),
                          options);
}

}  // namespace

// addPoints(index: IndexHandle, ids: IdArray | null, vectors: VectorArray, out: IdArray,
//   token: CancelToken | undefined, onProgress: Progress | undefined): Promise<void>
Result<napi_value> AddPoints(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kInsert,
                      [&](const auto& maker) { return StartAddPoints(call, **index, maker); });
}

namespace {

template <typename Maker>
Result<napi_value> StartUpsertPoints(Call& call, const std::shared_ptr<IndexHandle>& index,
                                     const Maker& maker) {
  Result<std::vector<PointId>> ids = CopyIds(call.env, call[1], index->id_type());
  if (!ids.ok()) return ids.status();
  const Result<TypedArray> vectors =
      ReadVectorArrays(call.env, call[2], index->type(), index->dimension(), "vectors");
  if (!vectors.ok()) return vectors.status();
  VITRINE_RETURN_IF_ERROR(CheckCount(ids->size(), *vectors, *index));
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 3, options));
  VITRINE_RETURN_IF_ERROR(ReadProgress(call, 4, options));
  return call.addon.Start(
      maker.template Make<UpsertOperation>(
          index, std::move(*ids), VectorCopy(*vectors, index->type(), VectorCopy::kPagesOfPoints)),
      options);
}

}  // namespace

// upsertPoints(index: IndexHandle, ids: IdArray, vectors: VectorArray,
//   token: CancelToken | undefined, onProgress: Progress | undefined): Promise<void>
Result<napi_value> UpsertPoints(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kUpsert,
                      [&](const auto& maker) { return StartUpsertPoints(call, **index, maker); });
}

namespace {

template <typename Maker>
Result<napi_value> StartRemovePoints(Call& call, const std::shared_ptr<IndexHandle>& index,
                                     const Maker& maker) {
  Result<std::vector<PointId>> ids = CopyIds(call.env, call[1], index->id_type());
  if (!ids.ok()) return ids.status();
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 2, options));
  VITRINE_RETURN_IF_ERROR(ReadProgress(call, 3, options));
  return call.addon.Start(maker.template Make<RemoveOperation>(index, std::move(*ids)), options);
}

}  // namespace

// removePoints(index: IndexHandle, ids: IdArray, token: CancelToken | undefined,
//   onProgress: Progress | undefined): Promise<number>
Result<napi_value> RemovePoints(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kDelete,
                      [&](const auto& maker) { return StartRemovePoints(call, **index, maker); });
}

namespace {

// No write, though it changes links: it waits for those before it, and others do not wait for it.
class OptimizeOperation : public Operation {
 public:
  explicit OptimizeOperation(const std::shared_ptr<IndexHandle>& index)
      : Operation(Lane::kSave, index), table_(index->table()) {}
  Result<napi_value> Resolve(napi_env, std::span<const napi_value>) override { return Undefined(); }

 protected:
  Status Execute() override {
    return table_->Optimize(
        {.cancelled = &cancelled(),
         .on_progress = [this](size_t done, size_t total) { ReportProgress(done, total); }});
  }
  void ReleaseInputs() override { table_.reset(); }

 private:
  std::shared_ptr<Table> table_;
};

template <typename Maker>
Result<napi_value> StartOptimize(Call& call, const std::shared_ptr<IndexHandle>& index,
                                 const Maker& maker) {
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 1, options));
  VITRINE_RETURN_IF_ERROR(ReadProgress(call, 2, options));
  return call.addon.Start(maker.template Make<OptimizeOperation>(index), options);
}

}  // namespace

// optimizeIndex(index: IndexHandle, token: CancelToken | undefined,
//   onProgress: Progress | undefined): Promise<void>
Result<napi_value> OptimizeIndex(Call& call) {
  const auto index = ReadOpenIndex(call, 0);
  if (!index.ok()) return index.status();
  return StartCounted((**index)->statistics(), CountedOperation::kMaintain,
                      [&](const auto& maker) { return StartOptimize(call, **index, maker); });
}

// createCancelToken(): CancelToken
//
// For one operation.
Result<napi_value> CreateCancelToken(Call& call) {
  return WrapHandle(call.env, std::make_shared<CancelToken>());
}

namespace {

Result<napi_value> EndOperation(Call& call, ErrorCode reason) {
  const auto token = ReadHandle<CancelToken>(call.env, call[0]);
  if (!token.ok()) return token.status();
  (**token)->cancelled = true;
  if (const auto operation = (**token)->operation.lock()) operation->Cancel(reason);
  return Undefined();
}

}  // namespace

// cancelOperation(token: CancelToken): void
Result<napi_value> CancelOperation(Call& call) { return EndOperation(call, ErrorCode::kCancelled); }

// expireOperation(token: CancelToken): void
//
// The time of a write of a database is over: ERR_TIMEOUT.
Result<napi_value> ExpireOperation(Call& call) { return EndOperation(call, ErrorCode::kTimeout); }

}  // namespace vitrine
