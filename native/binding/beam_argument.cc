#include "binding/beam_argument.h"

#include "binding/js_value.h"

namespace vitrine {

Status ReadBeam(napi_env env, napi_value value, SearchParameters& parameters) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok && number > 0 && number < 1) {
    parameters.recall = number;
    return {};
  }
  const Result<uint64_t> ef = ReadIntegerOr(env, value, {"ef", 1, kMaxEf}, 0);
  if (!ef.ok()) return ef.status();
  parameters.ef = *ef;
  return {};
}

}  // namespace vitrine
