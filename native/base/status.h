#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vitrine {

// Every way in which an engine call can fail. The names that users see ("ERR_EXISTS") are in
// `kErrorCodeNames`, in this order; `lib/errors.ts` and `docs/errors.md` list the same set, and a
// test holds the three together.
enum class ErrorCode : unsigned char {
  kArgument,     // an argument of the wrong type or shape
  kOption,       // an option that is unknown, misspelled or out of its range
  kDimension,    // a vector array whose length is not a multiple of the dimension
  kVector,       // a component that is not finite
  kId,           // an id that is not an integer of the index's id type
  kExists,       // an id that is there already
  kNotFound,     // an id that is not there
  kClosed,       // the handle has been closed
  kCancelled,    // the caller's cancel flag was raised
  kTimeout,      // the caller's deadline passed
  kOverloaded,   // the queue is full; try again later
  kTooLarge,     // more than a documented limit allows
  kOutOfMemory,  // an allocation failed; nothing was changed
  kIo,           // the operating system refused a file operation
  kCorrupt,      // a file's bytes contradict themselves
  kFormat,       // a file is whole but of a kind or version that this build cannot read
  kLocked,       // somebody else has the folder open for writing
  kReadOnly,     // a write to what was opened for reading only
  kConflict,     // what a write relied on was written meanwhile
  kPayload,      // a payload whose declared field has another type
  kFilter,       // a filter that makes no sense
  kNoBinary,     // no native binary for this platform (raised by the loader in lib/)
  kInternal,     // an invariant of ours does not hold: a defect in vitrine
};

inline constexpr std::string_view kErrorCodeNames[] = {
    "ERR_ARGUMENT",   "ERR_OPTION",    "ERR_DIMENSION",     "ERR_VECTOR",    "ERR_ID",
    "ERR_EXISTS",     "ERR_NOT_FOUND", "ERR_CLOSED",        "ERR_CANCELLED", "ERR_TIMEOUT",
    "ERR_OVERLOADED", "ERR_TOO_LARGE", "ERR_OUT_OF_MEMORY", "ERR_IO",        "ERR_CORRUPT",
    "ERR_FORMAT",     "ERR_LOCKED",    "ERR_READ_ONLY",     "ERR_CONFLICT",  "ERR_PAYLOAD",
    "ERR_FILTER",     "ERR_NO_BINARY", "ERR_INTERNAL",
};

constexpr std::string_view ErrorCodeName(ErrorCode code) {
  return kErrorCodeNames[static_cast<size_t>(code)];
}

// One fact about a failure, for programs: "path", "errno", "section", "offset".
struct ErrorDetail {
  std::string name;
  std::variant<uint64_t, std::string> value;
};

// Success, or a code with a sentence for a person. Success is one null pointer's worth of work; a
// failure is a block of its own, so that the many functions that only pass one on stay small.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code, std::string message);
  Status(const Status& other);
  Status(Status&& other) noexcept = default;
  Status& operator=(const Status& other);
  Status& operator=(Status&& other) noexcept = default;
  ~Status() = default;
  // kOutOfMemory, made without memory.
  static Status OutOfMemory() noexcept;

  bool ok() const { return error_ == nullptr; }
  // REQUIRES: !ok()
  ErrorCode code() const;
  // REQUIRES: !ok()
  const std::string& message() const;
  // What the message says, in parts. REQUIRES: !ok()
  const std::vector<ErrorDetail>& details() const;
  // REQUIRES: !ok(); no detail has that name yet
  void AddDetail(std::string name, std::variant<uint64_t, std::string> value);

 private:
  struct Error;
  struct Release {
    void operator()(Error* error) const noexcept;
  };
  using OwnedError = std::unique_ptr<Error, Release>;

  static OwnedError Copy(const Error* error);

  OwnedError error_;
};

// A value, or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                  // NOLINT
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  // REQUIRES: !ok()
  const Status& status() const { return status_; }
  // REQUIRES: ok()
  T& value() { return value_.value(); }
  const T& value() const { return value_.value(); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

// Leaves the enclosing function with the status of `expression` when that is a failure.
#define VITRINE_RETURN_IF_ERROR(expression)            \
  do {                                                 \
    ::vitrine::Status vitrine_status_ = (expression);  \
    if (!vitrine_status_.ok()) return vitrine_status_; \
  } while (false)

}  // namespace vitrine
