#pragma once

#include <node_api.h>

#include <memory>
#include <string_view>

#include "stats/statistics.h"

namespace vitrine {

// A stats snapshot of which JavaScript holds the figures, and which later ones may be compared
// with.
struct StatsSnapshotHandle {
  static constexpr std::string_view kTypeName = "a stats snapshot";

  std::weak_ptr<Statistics> owner;
  StatsSnapshot snapshot;
};

}  // namespace vitrine
