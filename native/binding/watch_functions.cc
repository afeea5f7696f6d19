// What a call spends its time on, for who asks.

#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"

namespace vitrine {

// createWatch(): WatchHandle
//
// Times are told from now on.
Result<napi_value> CreateWatch(Call& call) {
  return WrapHandle(call.env, std::make_shared<CallWatch>());
}

// setWatch(watch: WatchHandle | undefined): void
//
// It watches the asynchronous operations and synchronous searches that begin until it is set anew;
// undefined: nobody does.
Result<napi_value> SetWatch(Call& call) {
  if (IsUndefined(call.env, call[0])) {
    call.addon.SetWatch(nullptr);
    return Undefined();
  }
  const auto watch = ReadHandle<CallWatch>(call.env, call[0]);
  if (!watch.ok()) return watch.status();
  call.addon.SetWatch(**watch);
  return Undefined();
}

// readWatch(watch: WatchHandle): OperationPhase[]
//
// Of the operations that have been settled.
Result<napi_value> ReadWatch(Call& call) {
  const auto handle = ReadHandle<CallWatch>(call.env, call[0]);
  if (!handle.ok()) return handle.status();
  const CallWatch& watch = ***handle;
  const TickClock& clock = TickClock::Process();
  napi_value phases;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array(call.env, &phases));
  uint32_t count = 0;
  for (size_t i = 0; i < kCallPhases; ++i) {
    const PhaseStretch& stretch = watch.times.stretches()[i];
    if (stretch.times == 0) continue;
    napi_value phase;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &phase));
    VITRINE_RETURN_IF_ERROR(
        SetProperty(call.env, phase, "name", MakeString(call.env, kCallPhaseNames[i])));
    const auto nanoseconds = [&](uint64_t from, uint64_t to) {
      return static_cast<double>(clock.NanosecondsBetween(from, to));
    };
    VITRINE_RETURN_IF_ERROR(SetNumbers(call.env, phase,
                                       {{"begin", nanoseconds(watch.began, stretch.begin)},
                                        {"end", nanoseconds(watch.began, stretch.end)},
                                        {"nanoseconds", nanoseconds(0, stretch.ticks)},
                                        {"times", static_cast<double>(stretch.times)}}));
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(call.env, phases, count++, phase));
  }
  return phases;
}

}  // namespace vitrine
