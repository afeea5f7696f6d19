#pragma once

#include <node_api.h>

#include <memory>
#include <string_view>

#include "stats/statistics.h"

namespace vitrine {

// A stats snapshot of which JavaScript holds the figures, and which later ones may be compared
// with.
struct StatsSnapshotHandle {
  static constexpr napi_type_tag kTypeTag = {0x6be17c05f2a94d38, 0xad52c8e3914f706b};
  static constexpr std::string_view kTypeName = "a stats snapshot";

  std::weak_ptr<Statistics> owner;
  StatsSnapshot snapshot;
};

}  // namespace vitrine
