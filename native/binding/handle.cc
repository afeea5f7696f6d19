#include "binding/handle.h"

#include "binding/addon.h"

namespace vitrine {

const std::shared_ptr<Handles>* Handles::Of(napi_env env) {
  const Addon* const addon = Addon::Of(env);
  return addon == nullptr ? nullptr : &addon->handles();
}

}  // namespace vitrine
