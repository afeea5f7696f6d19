#include "binding/js_value.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace vitrine {
namespace {

std::string_view ArrayName(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
      return "an Int8Array";
    case napi_uint8_array:
      return "a Uint8Array";
    case napi_uint8_clamped_array:
      return "a Uint8ClampedArray";
    case napi_int16_array:
      return "an Int16Array";
    case napi_uint16_array:
      return "a Uint16Array";
    case napi_int32_array:
      return "an Int32Array";
    case napi_uint32_array:
      return "a Uint32Array";
    case napi_float32_array:
      return "a Float32Array";
    case napi_float64_array:
      return "a Float64Array";
    case napi_bigint64_array:
      return "a BigInt64Array";
    case napi_biguint64_array:
      return "a BigUint64Array";
  }
  return "another typed array";
}

Status WrongArray(std::string_view name, napi_typedarray_type expected, std::string_view found) {
  return {ErrorCode::kArgument, std::string(name) + " must be " + std::string(ArrayName(expected)) +
                                    ", not " + std::string(found)};
}

// So many components, or bytes of bits.
std::string Amount(VectorType type, size_t elements) {
  return std::to_string(elements) + (type == VectorType::kBits ? " bytes of bits" : " components");
}

Result<TypedArray> ReadArrayOf(napi_env env, napi_value value, napi_typedarray_type expected,
                               std::string_view name) {
  TypedArray array;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &array.type, &array.length, &data, nullptr, nullptr) !=
      napi_ok) {
    return WrongArray(name, expected, Describe(env, value));
  }
  if (array.type != expected) return WrongArray(name, expected, ArrayName(array.type));
  array.data = static_cast<std::byte*>(data);
  return array;
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end);
}

}  // namespace

Status JsFailure(std::string_view call) {
  return {ErrorCode::kInternal, "Node-API refused " + std::string(call)};
}

bool IsUndefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

std::string Describe(napi_env env, napi_value value) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return "something else";
  switch (type) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_number: {
      double number = 0;
      return napi_get_value_double(env, value, &number) == napi_ok ? FormatNumber(number)
                                                                   : "a number";
    }
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_object:
      return "an object";
    case napi_function:
      return "a function";
    case napi_external:
      return "an external value";
    case napi_bigint:
      return "a bigint";
  }
  return "something else";
}

Result<uint64_t> ReadInteger(napi_env env, napi_value value, const IntegerRule& rule) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok &&
      number >= static_cast<double>(rule.min) && number <= static_cast<double>(rule.max) &&
      std::trunc(number) == number) {
    return static_cast<uint64_t>(number);
  }
  return Status(rule.code, std::string(rule.name) + " must be an integer from " +
                               std::to_string(rule.min) + " to " + std::to_string(rule.max) +
                               ", not " + Describe(env, value));
}

Result<uint64_t> ReadIntegerOr(napi_env env, napi_value value, const IntegerRule& rule,
                               uint64_t fallback) {
  if (IsUndefined(env, value)) return fallback;
  return ReadInteger(env, value, rule);
}

Result<bool> ReadBool(napi_env env, napi_value value, std::string_view name) {
  bool flag = false;
  if (napi_get_value_bool(env, value, &flag) == napi_ok) return flag;
  return Status(ErrorCode::kOption,
                std::string(name) + " must be true or false, not " + Describe(env, value));
}

Result<std::string> ReadString(napi_env env, napi_value value, std::string_view name) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    return Status(ErrorCode::kArgument,
                  std::string(name) + " must be a string, not " + Describe(env, value));
  }
  std::string text(length, '\0');
  VITRINE_RETURN_IF_JS_ERROR(
      napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

Result<uint32_t> ReadArrayLength(napi_env env, napi_value array, std::string_view name) {
  bool is_array = false;
  uint32_t length = 0;
  if (napi_is_array(env, array, &is_array) != napi_ok || !is_array ||
      napi_get_array_length(env, array, &length) != napi_ok) {
    return Status(ErrorCode::kArgument,
                  std::string(name) + " must be an array, not " + Describe(env, array));
  }
  return length;
}

Result<std::vector<std::string>> ReadStrings(napi_env env, napi_value array,
                                             std::string_view name) {
  const Result<uint32_t> length = ReadArrayLength(env, array, name);
  if (!length.ok()) return length.status();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < *length; ++i) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, array, i, &element));
    Result<std::string> text = ReadString(env, element, name);
    if (!text.ok()) return text.status();
    strings.push_back(std::move(*text));
  }
  return strings;
}

Result<PointId> ReadId(napi_env env, napi_value value, IdType type) {
  const uint64_t max = type == IdType::kU64 ? kMaxSafeInteger : UINT32_MAX;
  napi_valuetype kind;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(env, value, &kind));
  if (kind != napi_bigint) return ReadInteger(env, value, {"an id", 0, max, ErrorCode::kId});
  if (type != IdType::kU64) {
    return Status(ErrorCode::kId, "an id must be a number; bigints need idType 'u64'");
  }
  uint64_t id = 0;
  bool lossless = false;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_value_bigint_uint64(env, value, &id, &lossless));
  if (!lossless) return Status(ErrorCode::kId, "an id must be from 0n to 2n ** 64n - 1n");
  return id;
}

napi_typedarray_type ArrayTypeOf(VectorType type) {
  switch (type) {
    case VectorType::kF16:
    case VectorType::kBf16:
      return napi_uint16_array;
    case VectorType::kI8:
      return napi_int8_array;
    case VectorType::kU8:
    case VectorType::kBits:
      return napi_uint8_array;
    case VectorType::kF32:
      break;
  }
  return napi_float32_array;
}

Result<TypedArray> ReadVectorArray(napi_env env, napi_value value, VectorType type,
                                   std::string_view name) {
  const std::string suffix =
      type == VectorType::kF32 ? "" : " of type " + std::string(NameOf(type));
  return ReadArrayOf(env, value, ArrayTypeOf(type), std::string(name) + suffix);
}

Result<TypedArray> ReadQueryArray(napi_env env, napi_value value, VectorType type,
                                  size_t dimension) {
  Result<TypedArray> array = ReadVectorArray(env, value, type, "query");
  const size_t elements = ElementsOf(type, dimension);
  if (!array.ok() || array->length == elements) return array;
  return Status(ErrorCode::kDimension, "the query has " + Amount(type, array->length) + ", not " +
                                           std::to_string(elements));
}

Result<TypedArray> ReadVectorArrays(napi_env env, napi_value value, VectorType type,
                                    size_t dimension, std::string_view what) {
  Result<TypedArray> array = ReadVectorArray(env, value, type, what);
  const size_t elements = ElementsOf(type, dimension);
  if (!array.ok() || array->length % elements == 0) return array;
  return Status(ErrorCode::kDimension, Amount(type, array->length) + " are no whole number of " +
                                           std::string(what) + " of " + std::to_string(elements));
}

Result<TypedArray> ReadFloats(napi_env env, napi_value value, std::string_view name) {
  return ReadArrayOf(env, value, napi_float32_array, name);
}

Result<TypedArray> ReadDoubles(napi_env env, napi_value value, std::string_view name) {
  return ReadArrayOf(env, value, napi_float64_array, name);
}

Result<TypedArray> ReadBytes(napi_env env, napi_value value, std::string_view name) {
  return ReadArrayOf(env, value, napi_uint8_array, name);
}

Result<TypedArray> ReadIdArray(napi_env env, napi_value value, IdType type, std::string_view name) {
  return ReadArrayOf(env, value, type == IdType::kU64 ? napi_biguint64_array : napi_uint32_array,
                     name);
}

Result<std::vector<PointId>> CopyIds(napi_env env, napi_value value, IdType type) {
  const Result<TypedArray> array = ReadIdArray(env, value, type, "ids");
  if (!array.ok()) return array.status();
  std::vector<PointId> ids(array->length);
  if (type == IdType::kU64) {
    if (!ids.empty()) std::memcpy(ids.data(), array->data, ids.size() * sizeof(uint64_t));
    return ids;
  }
  const std::byte* from = array->data;
  for (PointId& id : ids) {
    uint32_t narrow;
    std::memcpy(&narrow, from, sizeof(narrow));
    from += sizeof(narrow);
    id = narrow;
  }
  return ids;
}

void StoreIds(std::span<const PointId> ids, IdType type, const TypedArray& array) {
  if (ids.empty()) return;
  if (type == IdType::kU64) {
    std::memcpy(array.data, ids.data(), ids.size_bytes());
    return;
  }
  std::byte* to = array.data;
  for (const PointId id : ids) {
    const uint32_t narrow = static_cast<uint32_t>(id);
    std::memcpy(to, &narrow, sizeof(narrow));
    to += sizeof(narrow);
  }
}

Result<napi_value> MakeNumber(napi_env env, double value) {
  napi_value number;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_double(env, value, &number));
  return number;
}

Result<napi_value> MakeString(napi_env env, std::string_view value) {
  napi_value text;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_string_utf8(env, value.data(), value.size(), &text));
  return text;
}

Status SetNumbers(napi_env env, napi_value object, std::initializer_list<NumberProperty> numbers) {
  for (const auto& [name, value] : numbers) {
    napi_value number;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_double(env, value, &number));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, name, number));
  }
  return {};
}

Status SetProperty(napi_env env, napi_value object, const char* name,
                   const Result<napi_value>& value) {
  if (!value.ok()) return value.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, name, *value));
  return {};
}

}  // namespace vitrine
