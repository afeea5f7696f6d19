#pragma once

#include <node_api.h>

#include <cstddef>

#include "base/status.h"
#include "binding/addon.h"

namespace vitrine {

// A call of one of our functions from JavaScript. Arguments that were not given are `undefined`.
struct Call {
  static constexpr size_t kMaxArguments = 12;

  napi_env env;
  Addon& addon;
  napi_value arguments[kMaxArguments] = {};

  napi_value operator[](size_t i) const { return arguments[i]; }
};

// What a function of the binding is: it returns a value (null for `undefined`), or why there is
// none. It checks every argument itself.
using Function = Result<napi_value> (*)(Call& call);

// Calls `function` and throws the VitrineError of its failure.
napi_value RunEntry(napi_env env, napi_callback_info info, Function function) noexcept;

template <Function function>
napi_value Entry(napi_env env, napi_callback_info info) {
  return RunEntry(env, info, function);
}

inline Result<napi_value> Undefined() { return static_cast<napi_value>(nullptr); }

}  // namespace vitrine
