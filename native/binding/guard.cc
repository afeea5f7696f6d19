#include "binding/guard.h"

#include <string>

namespace vitrine {

Status UnexpectedFailure(const char* what) noexcept {
  try {
    return {ErrorCode::kInternal, std::string("unexpected failure: ") + what};
  } catch (...) {
    return {ErrorCode::kInternal, "failure"};
  }
}

}  // namespace vitrine
