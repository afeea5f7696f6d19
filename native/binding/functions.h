#pragma once

#include "binding/entry.h"

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
Result<napi_value> CreateCancelToken(Call& call);
Result<napi_value> CancelOperation(Call& call);

// search_functions.cc
Result<napi_value> SearchInto(Call& call);
Result<napi_value> Search(Call& call);
Result<napi_value> SearchBatch(Call& call);
Result<napi_value> Explain(Call& call);
Result<napi_value> Analyze(Call& call);

// file_functions.cc
Result<napi_value> SaveIndex(Call& call);
Result<napi_value> LoadIndex(Call& call);

// Arguments that several of them share.

// The index behind an argument, which is open; ERR_CLOSED when it is not.
Result<const std::shared_ptr<IndexHandle>*> ReadOpenIndex(Call& call, size_t argument);
// The cancel token and progress callback of an asynchronous call, both optional.
Status ReadToken(Call& call, size_t argument, StartOptions& options);
Status ReadProgress(Call& call, size_t argument, StartOptions& options);

}  // namespace vitrine
