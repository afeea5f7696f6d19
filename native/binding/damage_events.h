#pragma once

#include <node_api.h>

#include <memory>
#include <mutex>

#include "binding/js_value.h"
#include "engine/database.h"

namespace vitrine {

// Brings what is found to be damaged to the JavaScript of one environment. It does not keep the
// process alive, and the callback must hold nothing that is to be collected.
class DamageEvents final : public DamageListener {
 public:
  //   callback  function (path: string, what: string)
  static Result<std::shared_ptr<DamageEvents>> Create(napi_env env, napi_value callback);
  // REQUIRES: Close was called, or its environment is gone
  ~DamageEvents() override = default;

  void Found(const Damage& damage) override;
  // Nothing is called from now on. On the JS thread, before the environment is gone.
  void Close();

 private:
  static void Call(napi_env env, napi_value callback, void* context, void* data);

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace vitrine
