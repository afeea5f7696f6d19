#pragma once

#include <node_api.h>

#include <cstdint>
#include <string_view>

#include "stats/call_times.h"
#include "stats/tick_clock.h"

namespace vitrine {

// What a call from JavaScript spends its time on: all asynchronous operations and searches that
// begin while it is set, put together. On the JS thread only.
struct CallWatch {
  static constexpr std::string_view kTypeName = "a watch";

  const uint64_t began = TickClock::Process().Now();  // ticks
  CallTimes times;
};

}  // namespace vitrine
