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

}  // namespace

Status PointArrays::Create(size_t count) {
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env_, &object_));
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count, &keys_));
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "keys", keys_));
  count_ = count;
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

// The array comes with the first of them: often there is none.
Status PointArrays::SetPayload(uint32_t i, std::span<const std::byte> payload) {
  if (payloads_ == nullptr) {
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env_, count_, &payloads_));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env_, object_, "payloads", payloads_));
  }
  const auto* const text = reinterpret_cast<const char*>(payload.data());  // NOLINT
  const Result<napi_value> value = MakeString(env_, {text, payload.size()});
  if (!value.ok()) return value.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, payloads_, i, *value));
  return {};
}

Status PointArrays::Set(uint32_t i, const PointRecord& record, std::span<const std::byte> vector) {
  const Result<napi_value> key = MakeKey(env_, record.key());
  if (!key.ok()) return key.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env_, keys_, i, *key));
  if (select_.payload && record.payload()) {
    VITRINE_RETURN_IF_ERROR(SetPayload(i, *record.payload()));
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
