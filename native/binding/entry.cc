#include "binding/entry.h"

#include "binding/guard.h"
#include "binding/js_value.h"

namespace vitrine {

napi_value RunEntry(napi_env env, napi_callback_info info, Function function) noexcept {
  Addon* const addon = Addon::Of(env);
  if (addon == nullptr) return nullptr;
  Call call{env, *addon};
  napi_value value = nullptr;
  const Status status = Guard([&]() -> Status {
    size_t count = Call::kMaxArguments;
    VITRINE_RETURN_IF_JS_ERROR(
        napi_get_cb_info(env, info, &count, call.arguments, nullptr, nullptr));
    Result<napi_value> result = function(call);
    if (!result.ok()) return result.status();
    value = *result;
    return {};
  });
  if (status.ok()) return value;
  // What JavaScript threw itself comes first; and an environment that is being terminated takes no
  // exception at all.
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) != napi_ok || thrown) return nullptr;
  napi_value error = addon->MakeError(status);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

}  // namespace vitrine
