#pragma once

#include <node_api.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "binding/js_value.h"

namespace vitrine {

// JavaScript values that stand for something of ours: each is an external that holds a share of
// what it stands for. Other add-ons make externals too, so the environment knows its own, and of
// what kind each is: to look there takes a tenth of the time of a type tag. None leaves lib/.
//
// T has kTypeName. A T with `Collected(napi_env)` hears when its value is collected, or goes with
// the environment: other values of ours, and the Addon, may be gone by then.

// The handles of one environment. On the JS thread only.
class Handles {
 public:
  // Null once the environment has no Addon any more.
  static const std::shared_ptr<Handles>* Of(napi_env env);

  // May throw std::bad_alloc.
  void Add(const void* handle, const void* kind) { kinds_.emplace(handle, kind); }
  void Remove(const void* handle) { kinds_.erase(handle); }
  bool Has(const void* handle, const void* kind) const {
    const auto found = kinds_.find(handle);
    return found != kinds_.end() && found->second == kind;
  }

 private:
  std::unordered_map<const void*, const void*> kinds_;
};

template <typename T>
struct Handle {
  // An address that no other kind has.
  static const void* Kind() { return &T::kTypeName; }

  Handle(std::shared_ptr<T> its_target, std::shared_ptr<Handles> its_handles)
      : target(std::move(its_target)), handles(std::move(its_handles)) {
    handles->Add(this, Kind());
  }
  ~Handle() { handles->Remove(this); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  std::shared_ptr<T> target;
  const std::shared_ptr<Handles> handles;
};

template <typename T>
Result<napi_value> WrapHandle(napi_env env, std::shared_ptr<T> target) {
  const std::shared_ptr<Handles>* const handles = Handles::Of(env);
  if (handles == nullptr) return Status(ErrorCode::kClosed, "the environment is closing");
  auto handle = std::make_unique<Handle<T>>(std::move(target), *handles);
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_external(
      env, handle.get(),
      []([[maybe_unused]] napi_env finalizer_env, void* data, void*) {
        const std::unique_ptr<Handle<T>> owned(static_cast<Handle<T>*>(data));
        if constexpr (requires { owned->target->Collected(finalizer_env); }) {
          owned->target->Collected(finalizer_env);
        }
      },
      nullptr, &value));
  static_cast<void>(handle.release());
  return value;
}

// What `value` stands for; null when it is something else. Valid while `value` is.
template <typename T>
const std::shared_ptr<T>* PeekHandle(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  const std::shared_ptr<Handles>* const handles = Handles::Of(env);
  if (handles == nullptr || !(**handles).Has(data, Handle<T>::Kind())) return nullptr;
  return &static_cast<const Handle<T>*>(data)->target;
}

template <typename T>
Result<const std::shared_ptr<T>*> ReadHandle(napi_env env, napi_value value) {
  const std::shared_ptr<T>* const handle = PeekHandle<T>(env, value);
  if (handle != nullptr) return handle;
  return Status(ErrorCode::kArgument,
                "expected " + std::string(T::kTypeName) + ", not " + Describe(env, value));
}

}  // namespace vitrine
