#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "binding/entry.h"
#include "binding/handle_stats.h"

namespace vitrine {

// What a stats snapshot is taken of: an index, a database or a collection, of which it has a share.
//
// Thread safety: all functions may be called from any thread.
class StatsReader {
 public:
  // Adds to a snapshot what it consists of now. Any thread.
  using AddState = std::function<void(StatsSnapshot& snapshot)>;

  // May throw std::bad_alloc.
  StatsReader(LazyStatistics& statistics, const HandleStats& stats, AddState add_state)
      : statistics_(statistics.Use()), peak_(stats.peak()), add_state_(std::move(add_state)) {}

  const std::shared_ptr<Statistics>& statistics() const { return statistics_; }
  // Everything that was counted before, and what it consists of. May throw std::bad_alloc.
  StatsSnapshot Take() const;

 private:
  std::shared_ptr<Statistics> statistics_;
  std::shared_ptr<PeakMemory> peak_;
  AddState add_state_;
};

// The same, with what its own thread alone looks at.
struct StatsTarget {
  LazyStatistics& statistics;
  HandleStats& stats;
  StatsReader reader;
};

// Whose statistics an argument means; ERR_CLOSED when it is closed.
Result<StatsTarget> ReadStatsTarget(Call& call, napi_value value);

// Adds to a snapshot what a collection consists of now. Any thread.
void AddCollectionState(Collection& collection, StatsSnapshot& snapshot);

}  // namespace vitrine
