#pragma once

#include <vector>

#include "engine/pending_write.h"
#include "storage/log_writer.h"

namespace vitrine {

// The writes of a group that want to know how far it is.
class WatchedWrites final : public LogWriter::Listener {
 public:
  // May throw std::bad_alloc.
  void AddIfWatched(PendingWrite& write) {
    if (write.is_watched()) writes_.push_back(&write);
  }
  void Enter(WritePhase phase) {
    for (PendingWrite* const write : writes_) write->Enter(phase);
  }
  void Flushing() override { Enter(WritePhase::kFlush); }

 private:
  std::vector<PendingWrite*> writes_;
};

}  // namespace vitrine
