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

}  // namespace vitrine
