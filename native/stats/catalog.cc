#include "stats/catalog.h"

namespace vitrine {

Outcome OutcomeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kTimeout:
      return Outcome::kTimeout;
    case ErrorCode::kCancelled:
    case ErrorCode::kClosed:
      return Outcome::kCancelled;
    case ErrorCode::kOverloaded:
      return Outcome::kRejected;
    default:
      return Outcome::kError;
  }
}

std::optional<CpuPool> CpuPoolOf(CountedOperation operation) {
  switch (operation) {
    case CountedOperation::kSearch:
    case CountedOperation::kGet:
    case CountedOperation::kCount:
    case CountedOperation::kScan:
      return CpuPool::kQuery;
    default:
      return std::nullopt;
  }
}

}  // namespace vitrine
