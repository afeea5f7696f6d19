#include "base/status.h"

namespace vitrine {

struct Status::Error {
  ErrorCode code;
  std::string message;
  std::vector<ErrorDetail> details;

  // There when there is no memory for another. Its message needs none of its own.
  static Error& OutOfMemory() noexcept {
    static Error error{ErrorCode::kOutOfMemory, "out of memory", {}};
    return error;
  }
};

void Status::Release::operator()(Error* error) const noexcept {
  if (error != &Error::OutOfMemory()) delete error;
}

Status::OwnedError Status::Copy(const Error* error) {
  if (error == nullptr) return nullptr;
  if (error == &Error::OutOfMemory()) return OwnedError(&Error::OutOfMemory());
  return OwnedError(new Error(*error));
}

Status::Status(ErrorCode code, std::string message)
    : error_(new Error{code, std::move(message), {}}) {}

Status::Status(const Status& other) : error_(Copy(other.error_.get())) {}

Status& Status::operator=(const Status& other) {
  error_ = Copy(other.error_.get());
  return *this;
}

Status Status::OutOfMemory() noexcept {
  Status status;
  status.error_.reset(&Error::OutOfMemory());
  return status;
}

ErrorCode Status::code() const { return error_->code; }

const std::string& Status::message() const { return error_->message; }

const std::vector<ErrorDetail>& Status::details() const { return error_->details; }

void Status::AddDetail(std::string name, std::variant<uint64_t, std::string> value) {
  // One of its own: the one without memory is everybody's.
  if (error_.get() == &Error::OutOfMemory()) error_.reset(new Error(*error_));
  error_->details.push_back({std::move(name), std::move(value)});
}

}  // namespace vitrine
