#include "binding/point_arrays.h"

#include <cstring>

#include "binding/js_value.h"

namespace vitrine {
namespace {

Result<napi_value> MakeKey(napi_env env, const PointKey& key) {
  if (key.is_text) return MakeString(env, key.text);
  if (key.number <= kMaxSafeInteger) return MakeNumber(env, static_cast<double>(key.number));
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, key.number, &value));
  return value;
}

Result<napi_value> MakePayload(napi_env env, const PointRecord::Payload& payload) {
  if (!payload) {
    napi_value value;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_undefined(env, &value));
    return value;
  }
  return MakeString(env, {reinterpret_cast<const char*>(payload->data()),  // NOLINT
                          payload->size()});
}

}  // namespace

Status PointArrays::Create(size_t count) {
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env_, &object_));
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &keys_));
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "keys", keys_));
  if (select_.payload) {
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &payloads_));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "payloads", payloads_));
  }
  if (!select_.vector) return {};
  void* data = nullptr;
  napi_value buffer;
  const size_t elements = count * elements_;
  VITRINE_RETURN_IF_JS_ERROR(
      napi_create_arraybuffer(env_, elements * ElementBytes(type_), &data, &buffer));
  napi_value vectors;
  VITRINE_RETURN_IF_JS_ERROR(
      napi_create_typedarray(env_, ArrayTypeOf(type_), elements, buffer, 0, &vectors));
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "vectors", vectors));
  vectors_ = static_cast<std::byte*>(data);
  return {};
}

Status PointArrays::Set(uint32_t i, const PointRecord& record, std::span<const std::byte> vector) {
  const Result<napi_value> key = MakeKey(env_, record.key());
  if (!key.ok()) return key.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, keys_, i, *key));
  if (select_.payload) {
    const Result<napi_value> payload = MakePayload(env_, record.payload());
    if (!payload.ok()) return payload.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, payloads_, i, *payload));
  }
  if (select_.vector && !vector.empty()) {
    std::memcpy(vectors_ + i * vector.size(), vector.data(), vector.size());
  }
  return {};
}

Result<Select> ReadSelect(Call& call, size_t first) {
  const Result<bool> payload = ReadBool(call.env, call[first], "payload");
  if (!payload.ok()) return payload.status();
  const Result<bool> vector = ReadBool(call.env, call[first + 1], "vector");
  if (!vector.ok()) return vector.status();
  return Select{*payload, *vector};
}

}  // namespace vitrine
