#pragma once

#include <memory>
#include <optional>
#include <string>

#include "binding/database_handle.h"
#include "binding/entry.h"
#include "binding/measured_call.h"

namespace vitrine {

// The functions of the binding, as lib/binding.ts declares them; each has its TypeScript signature
// in front of its definition.

// module.cc
Result<napi_value> InitializeBinding(Call& call);
Result<napi_value> EngineInfo(Call& call);
Result<napi_value> ErrorCodes(Call& call);

// index_functions.cc
Result<napi_value> CreateIndex(Call& call);
Result<napi_value> CloseIndex(Call& call);
Result<napi_value> IndexSize(Call& call);
Result<napi_value> IndexIds(Call& call);
Result<napi_value> HasId(Call& call);
Result<napi_value> GetVectors(Call& call);
Result<napi_value> ReserveRoom(Call& call);
Result<napi_value> MemoryUsage(Call& call);
Result<napi_value> CreateIdSet(Call& call);

// write_functions.cc
Result<napi_value> AddPoints(Call& call);
Result<napi_value> UpsertPoints(Call& call);
Result<napi_value> RemovePoints(Call& call);
Result<napi_value> OptimizeIndex(Call& call);
Result<napi_value> CreateCancelToken(Call& call);
Result<napi_value> CancelOperation(Call& call);
Result<napi_value> ExpireOperation(Call& call);

// search_functions.cc
Result<napi_value> SearchInto(Call& call);
Result<napi_value> Search(Call& call);
Result<napi_value> SearchBatch(Call& call);
Result<napi_value> Explain(Call& call);
Result<napi_value> Analyze(Call& call);

// stats_functions.cc
Result<napi_value> StatsFamilies(Call& call);
Result<napi_value> SetStatsLevel(Call& call);
Result<napi_value> CountSlowSearch(Call& call);
Result<napi_value> ResetStats(Call& call);
Result<napi_value> ReadStats(Call& call);
Result<napi_value> TakeStatsSnapshot(Call& call);

// watch_functions.cc
Result<napi_value> CreateWatch(Call& call);
Result<napi_value> SetWatch(Call& call);
Result<napi_value> ReadWatch(Call& call);

// exposition_functions.cc
Result<napi_value> CreateExporter(Call& call);
Result<napi_value> ExportMetrics(Call& call);

// file_functions.cc
Result<napi_value> SaveIndex(Call& call);
Result<napi_value> LoadIndex(Call& call);

// database_functions.cc
Result<napi_value> OpenDatabase(Call& call);
Result<napi_value> CloseDatabase(Call& call);
Result<napi_value> DatabaseState(Call& call);
Result<napi_value> DatabaseUsage(Call& call);
Result<napi_value> FlushDatabase(Call& call);
Result<napi_value> CheckpointDatabase(Call& call);
Result<napi_value> BackupDatabase(Call& call);
Result<napi_value> VerifyDatabase(Call& call);
Result<napi_value> ScrubDatabase(Call& call);
Result<napi_value> WatchDatabase(Call& call);
Result<napi_value> RestoreBackup(Call& call);

// catalog_functions.cc
Result<napi_value> ListCollections(Call& call);
Result<napi_value> ListAliases(Call& call);
Result<napi_value> CreateCollection(Call& call);
Result<napi_value> OpenCollection(Call& call);
Result<napi_value> DropCollection(Call& call);
Result<napi_value> AddField(Call& call);
Result<napi_value> SetAlias(Call& call);
Result<napi_value> DropAlias(Call& call);

// transaction_functions.cc
Result<napi_value> CreateTransaction(Call& call);
Result<napi_value> PutPoints(Call& call);
Result<napi_value> SetPayload(Call& call);
Result<napi_value> DeletePoints(Call& call);
Result<napi_value> DeletePointsWhere(Call& call);
Result<napi_value> SetIdempotencyKey(Call& call);
Result<napi_value> CommitTransaction(Call& call);
Result<napi_value> WritePoints(Call& call);

// collection_functions.cc
Result<napi_value> CollectionState(Call& call);
Result<napi_value> HasPoint(Call& call);
Result<napi_value> CountPoints(Call& call);
Result<napi_value> OptimizeCollection(Call& call);
Result<napi_value> GetPoints(Call& call);
Result<napi_value> OpenScan(Call& call);
Result<napi_value> ReadScan(Call& call);
Result<napi_value> CloseScan(Call& call);

// collection_search_functions.cc
Result<napi_value> SearchCollection(Call& call);
Result<napi_value> AnalyzeCollection(Call& call);
Result<napi_value> ExplainCollection(Call& call);

// Arguments that several of them share.

// The index behind an argument, which is open; ERR_CLOSED when it is not.
Result<const std::shared_ptr<IndexHandle>*> ReadOpenIndex(Call& call, size_t argument);
// The name of a type of vectors.
Result<VectorType> ReadVectorType(napi_env env, napi_value value);
// The cancel token and progress callback of an asynchronous call, both optional.
Status ReadToken(Call& call, size_t argument, StartOptions& options);
Status ReadProgress(Call& call, size_t argument, StartOptions& options);
// The database or collection behind an argument, which is open; ERR_CLOSED when it is not.
Result<std::shared_ptr<DatabaseHandle>> ReadOpenDatabase(Call& call, size_t argument);
Result<std::shared_ptr<CollectionHandle>> ReadOpenCollection(Call& call, size_t argument);
// A filter of the collection's fields, as text; nothing for `undefined`.
Status ReadWhere(Call& call, size_t argument, const Collection& collection,
                 std::optional<Filter>& filter);
// Fields as lib/ has them: { name: type }.
Result<napi_value> MakeFields(napi_env env, const Fields& fields);
// What a point of a collection is called; text is kept in `text`.
Result<PointKey> ReadKey(napi_env env, napi_value value, std::string& text);
// A path as the operating system takes it.
Result<std::string> ReadPath(napi_env env, napi_value value);

}  // namespace vitrine
