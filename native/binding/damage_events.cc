#include "binding/damage_events.h"

#include <utility>

#include "binding/guard.h"

namespace vitrine {

Result<std::shared_ptr<DamageEvents>> DamageEvents::Create(napi_env env, napi_value callback) {
  auto events = std::make_shared<DamageEvents>();
  const Result<napi_value> name = MakeString(env, "vitrine damage");
  if (!name.ok()) return name.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_create_threadsafe_function(
      env, callback, nullptr, *name, 0, 1, nullptr, nullptr, nullptr, Call, &events->function_));
  VITRINE_RETURN_IF_JS_ERROR(napi_unref_threadsafe_function(env, events->function_));
  return events;
}

void DamageEvents::Found(const Damage& damage) {
  // Where memory runs out the event is lost; what was found is counted all the same.
  (void)Guard([&] {
    auto copy = std::make_unique<Damage>(damage);
    const std::lock_guard lock(mutex_);
    if (function_ != nullptr &&
        napi_call_threadsafe_function(function_, copy.get(), napi_tsfn_nonblocking) == napi_ok) {
      static_cast<void>(copy.release());
    }
    return Status();
  }).ok();
}

void DamageEvents::Close() {
  const std::lock_guard lock(mutex_);
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(std::exchange(function_, nullptr), napi_tsfn_abort);
}

void DamageEvents::Call(napi_env env, napi_value callback, void* /*context*/, void* data) {
  const std::unique_ptr<Damage> damage(static_cast<Damage*>(data));
  // Without an environment the function is being torn down.
  if (env == nullptr || callback == nullptr) return;
  const Result<napi_value> path = MakeString(env, damage->path);
  const Result<napi_value> what = MakeString(env, damage->what);
  napi_value receiver = nullptr;
  if (!path.ok() || !what.ok() || napi_get_undefined(env, &receiver) != napi_ok) return;
  const napi_value arguments[] = {*path, *what};
  napi_value ignored = nullptr;
  if (napi_call_function(env, receiver, callback, 2, arguments, &ignored) == napi_ok) return;
  // lib/ lets nothing through.
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown) {
    napi_get_and_clear_last_exception(env, &ignored);
  }
}

}  // namespace vitrine
