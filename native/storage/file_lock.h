#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace vitrine {

// The right to write to a folder: an exclusive lock on a file in it. The file is created when it is
// missing and never removed. The operating system releases the lock when its holder ends, however
// it ends, so a stale one cannot exist; what the file says about its holder is for messages only.
//
// The lock belongs to the object, not to the process: another object of the same process is refused
// as another process is. After a `fork` parent and child hold it together.
class FileLock {
 public:
  virtual ~FileLock() = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 protected:
  FileLock() = default;
};

struct LockAttempt {
  // Null when somebody else holds it.
  std::unique_ptr<FileLock> lock;
  // Who does, as far as is known: "process 4711".
  std::string holder;
};

// Does not wait. kIo when the file cannot be opened or its file system knows no locks.
Result<LockAttempt> TryLock(const std::string& path);

}  // namespace vitrine
