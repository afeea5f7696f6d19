#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slot.h"
#include "base/status.h"
#include "engine/table.h"

namespace vitrine {

// Leaves the enclosing function when a call of Node-API fails. If it left a JavaScript exception,
// that is what the caller of the entry point sees; otherwise an ERR_INTERNAL that names the call.
#define VITRINE_RETURN_IF_JS_ERROR(call)                       \
  do {                                                         \
    if ((call) != napi_ok) return ::vitrine::JsFailure(#call); \
  } while (false)

Status JsFailure(std::string_view call);

// Reading values. Nothing is converted: a value of another type is an error, and no code of the
// caller (getters, valueOf) runs.

// What an integer argument must be. `name` and the range appear in the message.
// The largest of the integers that a number of JavaScript tells apart.
inline constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

struct IntegerRule {
  std::string_view name;
  uint64_t min;
  uint64_t max;  // at most 2^53 - 1
  ErrorCode code = ErrorCode::kOption;
};

bool IsUndefined(napi_env env, napi_value value);
Result<uint64_t> ReadInteger(napi_env env, napi_value value, const IntegerRule& rule);
// `undefined` is `fallback`.
Result<uint64_t> ReadIntegerOr(napi_env env, napi_value value, const IntegerRule& rule,
                               uint64_t fallback);
Result<bool> ReadBool(napi_env env, napi_value value, std::string_view name);
Result<std::string> ReadString(napi_env env, napi_value value, std::string_view name);
// An id: a number, or for kU64 also a bigint.
Result<PointId> ReadId(napi_env env, napi_value value, IdType type);
// The type and value of something, as a message shows it: "NaN", "a string".
std::string Describe(napi_env env, napi_value value);

// A typed array as it is now: detached or out of bounds it has length 0. Valid until JavaScript
// runs again.
struct TypedArray {
  napi_typedarray_type type;
  std::byte* data;
  size_t length;  // elements
};

// The strings of an array.
Result<std::vector<std::string>> ReadStrings(napi_env env, napi_value array, std::string_view name);
// How long an array is.
Result<uint32_t> ReadArrayLength(napi_env env, napi_value array, std::string_view name);

// What vectors of a type come in: elements as ElementsOf has it.
napi_typedarray_type ArrayTypeOf(VectorType type);
Result<TypedArray> ReadVectorArray(napi_env env, napi_value value, VectorType type,
                                   std::string_view name);
// The same where there must be one vector, kDimension otherwise.
Result<TypedArray> ReadQueryArray(napi_env env, napi_value value, VectorType type,
                                  size_t dimension);
// The same where there may be any number of them; `what` they are, for the message.
Result<TypedArray> ReadVectorArrays(napi_env env, napi_value value, VectorType type,
                                    size_t dimension, std::string_view what);
// A Float32Array, a Float64Array, or a Uint8Array.
Result<TypedArray> ReadFloats(napi_env env, napi_value value, std::string_view name);
Result<TypedArray> ReadDoubles(napi_env env, napi_value value, std::string_view name);
Result<TypedArray> ReadBytes(napi_env env, napi_value value, std::string_view name);
// A Uint32Array, or a BigUint64Array for kU64.
Result<TypedArray> ReadIdArray(napi_env env, napi_value value, IdType type, std::string_view name);
// A copy of what ReadIdArray reads.
Result<std::vector<PointId>> CopyIds(napi_env env, napi_value value, IdType type);
// Writes ids to an array of the id type. REQUIRES: array.length >= ids.size()
void StoreIds(std::span<const PointId> ids, IdType type, const TypedArray& array);

// Making values.

Result<napi_value> MakeNumber(napi_env env, double value);
Result<napi_value> MakeString(napi_env env, std::string_view value);
struct NumberProperty {
  const char* name;
  double value;
};
Status SetNumbers(napi_env env, napi_value object, std::initializer_list<NumberProperty> numbers);

// Sets a property to what was made; fails where that did.
Status SetProperty(napi_env env, napi_value object, const char* name,
                   const Result<napi_value>& value);

}  // namespace vitrine
