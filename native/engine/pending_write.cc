#include "engine/pending_write.h"

#include <string>

namespace vitrine {
namespace {

bool HasOutcome(const Status& status) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.name == "outcome") return true;
  }
  return false;
}

Status WithOutcome(Status why, const char* outcome) {
  if (!HasOutcome(why)) why.AddDetail("outcome", std::string(outcome));
  return why;
}

}  // namespace

Status NotApplied(Status why) { return WithOutcome(std::move(why), "not_applied"); }
Status UnknownOutcome(Status why) { return WithOutcome(std::move(why), "unknown"); }

bool IsNotApplied(const Status& status) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.name != "outcome") continue;
    return detail.value == std::variant<uint64_t, std::string>(std::string("not_applied"));
  }
  return false;
}

Result<WriteResult> PendingWrite::TakeOutcome() {
  // Where memory ran out there was none to say so either: it is said here.
  const Status no_memory(ErrorCode::kOutOfMemory, "memory ran out before the write was done");
  if (state_ == State::kNoMemory) return NotApplied(no_memory);
  if (state_ == State::kNoMemoryInFlight) return UnknownOutcome(no_memory);
  return std::move(outcome_);
}

}  // namespace vitrine
