#include "binding/guard.h"

#include <string>

namespace vitrine {

namespace {

Status Failure(ErrorCode code, const char* prefix, const char* what) noexcept {
  try {
    return {code, std::string(prefix) + what};
  } catch (...) {
    return Status::OutOfMemory();
  }
}

}  // namespace

Status ThreadFailure(const char* what) noexcept {
  return Failure(ErrorCode::kOutOfMemory, "no more threads: ", what);
}

Status UnexpectedFailure(const char* what) noexcept {
  return Failure(ErrorCode::kInternal, "unexpected failure: ", what);
}

}  // namespace vitrine
