#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <system_error>

#include "base/status.h"

namespace vitrine {

// The operating system refused a thread.
Status ThreadFailure(const char* what) noexcept;
// An exception of the standard library that is none of the expected ones, as a status.
Status UnexpectedFailure(const char* what) noexcept;

// Runs `body`, which returns a Status, and turns an exception into one: the place where exceptions
// end. Around every entry point and every task of the pool.
template <typename Body>
Status Guard(Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory();
  } catch (const std::length_error&) {  // a container beyond its greatest size
    return Status::OutOfMemory();
  } catch (const std::system_error& error) {
    return ThreadFailure(error.what());
  } catch (const std::exception& error) {
    return UnexpectedFailure(error.what());
  } catch (...) {
    return UnexpectedFailure("an unknown exception");
  }
}

}  // namespace vitrine
