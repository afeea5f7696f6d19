#pragma once

#include <node_api.h>

#include <memory>
#include <string>

#include "base/status.h"
#include "binding/js_value.h"

namespace vitrine {

// JavaScript objects that stand for something of ours: each carries the type tag of its kind, so
// that no other object passes for it, and a share of what it stands for.
//
// T has kTypeTag and kTypeName. A T with `Collected(napi_env)` hears when its object is collected,
// or goes with the environment: other objects of ours, and the Addon, may be gone by then.

template <typename T>
Result<napi_value> WrapHandle(napi_env env, std::shared_ptr<T> target) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  VITRINE_RETURN_IF_JS_ERROR(napi_type_tag_object(env, object, &T::kTypeTag));
  auto share = std::make_unique<std::shared_ptr<T>>(std::move(target));
  VITRINE_RETURN_IF_JS_ERROR(napi_wrap(
      env, object, share.get(),
      []([[maybe_unused]] napi_env finalizer_env, void* data, void*) {
        const std::unique_ptr<std::shared_ptr<T>> owned(static_cast<std::shared_ptr<T>*>(data));
        if constexpr (requires { (*owned)->Collected(finalizer_env); }) {
          (*owned)->Collected(finalizer_env);
        }
      },
      nullptr, nullptr));
  static_cast<void>(share.release());
  return object;
}

// What `value` stands for; null when it is something else. Valid while `value` is.
template <typename T>
const std::shared_ptr<T>* PeekHandle(napi_env env, napi_value value) {
  napi_valuetype type;
  bool matches = false;
  void* data = nullptr;
  // The tag check converts to an object, and throws where that is impossible.
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_object) return nullptr;
  if (napi_check_object_type_tag(env, value, &T::kTypeTag, &matches) != napi_ok || !matches ||
      napi_unwrap(env, value, &data) != napi_ok) {
    return nullptr;
  }
  return static_cast<const std::shared_ptr<T>*>(data);
}

template <typename T>
Result<const std::shared_ptr<T>*> ReadHandle(napi_env env, napi_value value) {
  const std::shared_ptr<T>* const handle = PeekHandle<T>(env, value);
  if (handle != nullptr) return handle;
  return Status(ErrorCode::kArgument,
                "expected " + std::string(T::kTypeName) + ", not " + Describe(env, value));
}

}  // namespace vitrine
