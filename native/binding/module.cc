// The module as Node loads it, once for each environment.

#include <node_api.h>

#include <iterator>

#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/js_value.h"
#include "binding/process_pool.h"

namespace vitrine {

// initialize(errorClass: typeof VitrineError, instructionSet: string): void
//
// Comes first. An empty name chooses the best kernels that the processor runs.
Result<napi_value> InitializeBinding(Call& call) {
  napi_valuetype type;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(call.env, call[0], &type));
  if (type != napi_function) return Status(ErrorCode::kArgument, "errorClass must be a class");
  const Result<std::string> instruction_set = ReadString(call.env, call[1], "instructionSet");
  if (!instruction_set.ok()) return instruction_set.status();
  VITRINE_RETURN_IF_ERROR(call.addon.Initialize(call[0], *instruction_set));
  return Undefined();
}

// engineInfo(): { instructionSet: string, threads: number }
Result<napi_value> EngineInfo(Call& call) {
  napi_value info;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &info));
  const Result<napi_value> name = MakeString(call.env, call.addon.kernels().name);
  if (!name.ok()) return name.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(call.env, info, "instructionSet", *name));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(call.env, info, {{"threads", static_cast<double>(ProcessPoolThreads())}}));
  return info;
}

// errorCodes(): string[]
Result<napi_value> ErrorCodes(Call& call) {
  napi_value codes;
  VITRINE_RETURN_IF_JS_ERROR(
      napi_create_array_with_length(call.env, std::size(kErrorCodeNames), &codes));
  for (size_t i = 0; i < std::size(kErrorCodeNames); ++i) {
    const Result<napi_value> code = MakeString(call.env, kErrorCodeNames[i]);
    if (!code.ok()) return code.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(call.env, codes, static_cast<uint32_t>(i), *code));
  }
  return codes;
}

namespace {

// Refuses every call that comes before `initialize`: there are no kernels and no error class.
template <Function function>
Result<napi_value> Initialized(Call& call) {
  if (!call.addon.initialized()) {
    return Status(ErrorCode::kInternal, "the binding has not been initialized");
  }
  return function(call);
}

template <Function function>
constexpr napi_property_descriptor Export(const char* name) {
  return {name,   nullptr, Entry<Initialized<function>>, nullptr, nullptr, nullptr, napi_enumerable,
          nullptr};
}

Status Register(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"initialize", nullptr, Entry<InitializeBinding>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      Export<EngineInfo>("engineInfo"),
      Export<ErrorCodes>("errorCodes"),
      Export<CreateIndex>("createIndex"),
      Export<CloseIndex>("closeIndex"),
      Export<IndexSize>("indexSize"),
      Export<IndexIds>("indexIds"),
      Export<HasId>("hasId"),
      Export<GetVectors>("getVectors"),
      Export<ReserveRoom>("reserveRoom"),
      Export<MemoryUsage>("memoryUsage"),
      Export<CreateIdSet>("createIdSet"),
      Export<StatsFamilies>("statsFamilies"),
      Export<SetStatsLevel>("setStatsLevel"),
      Export<CountSlowSearch>("countSlowSearch"),
      Export<ResetStats>("resetStats"),
      Export<ReadStats>("readStats"),
      Export<TakeStatsSnapshot>("takeStatsSnapshot"),
      Export<CreateWatch>("createWatch"),
      Export<SetWatch>("setWatch"),
      Export<ReadWatch>("readWatch"),
      Export<CreateExporter>("createExporter"),
      Export<ExportMetrics>("exportMetrics"),
      Export<AddPoints>("addPoints"),
      Export<UpsertPoints>("upsertPoints"),
      Export<RemovePoints>("removePoints"),
      Export<OptimizeIndex>("optimizeIndex"),
      Export<CreateCancelToken>("createCancelToken"),
      Export<CancelOperation>("cancelOperation"),
      Export<ExpireOperation>("expireOperation"),
      Export<SearchInto>("searchInto"),
      Export<Search>("search"),
      Export<SearchBatch>("searchBatch"),
      Export<Explain>("explain"),
      Export<Analyze>("analyze"),
      Export<SaveIndex>("saveIndex"),
      Export<LoadIndex>("loadIndex"),
      Export<OpenDatabase>("openDatabase"),
      Export<CloseDatabase>("closeDatabase"),
      Export<DatabaseState>("databaseState"),
      Export<DatabaseUsage>("databaseUsage"),
      Export<ListCollections>("listCollections"),
      Export<ListAliases>("listAliases"),
      Export<CreateCollection>("createCollection"),
      Export<OpenCollection>("openCollection"),
      Export<DropCollection>("dropCollection"),
      Export<AddField>("addField"),
      Export<SetAlias>("setAlias"),
      Export<DropAlias>("dropAlias"),
      Export<FlushDatabase>("flushDatabase"),
      Export<CheckpointDatabase>("checkpointDatabase"),
      Export<BackupDatabase>("backupDatabase"),
      Export<VerifyDatabase>("verifyDatabase"),
      Export<ScrubDatabase>("scrubDatabase"),
      Export<WatchDatabase>("watchDatabase"),
      Export<RestoreBackup>("restoreBackup"),
      Export<CreateTransaction>("createTransaction"),
      Export<PutPoints>("putPoints"),
      Export<SetPayload>("setPayload"),
      Export<DeletePoints>("deletePoints"),
      Export<DeletePointsWhere>("deletePointsWhere"),
      Export<SetIdempotencyKey>("setIdempotencyKey"),
      Export<CommitTransaction>("commitTransaction"),
      Export<WritePoints>("writePoints"),
      Export<CollectionState>("collectionState"),
      Export<HasPoint>("hasPoint"),
      Export<GetPoints>("getPoints"),
      Export<CountPoints>("countPoints"),
      Export<OptimizeCollection>("optimizeCollection"),
      Export<SearchCollection>("searchCollection"),
      Export<AnalyzeCollection>("analyzeCollection"),
      Export<ExplainCollection>("explainCollection"),
      Export<OpenScan>("openScan"),
      Export<ReadScan>("readScan"),
      Export<CloseScan>("closeScan"),
  };
  VITRINE_RETURN_IF_ERROR(Addon::Create(env));
  VITRINE_RETURN_IF_JS_ERROR(napi_define_properties(env, exports, std::size(functions), functions));
  return {};
}

}  // namespace
}  // namespace vitrine

NAPI_MODULE_INIT() {
  const vitrine::Status status = vitrine::Guard([&] { return vitrine::Register(env, exports); });
  // Also where a worker is terminated while it loads the module; then this is not thrown.
  if (!status.ok()) napi_throw_error(env, "ERR_INTERNAL", status.message().c_str());
  return exports;
}
