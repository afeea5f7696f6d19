#ifndef _WIN32

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/seeded_defect.h"
#include "storage/file_lock.h"
#include "storage/file_system.h"

namespace vitrine {
namespace {

// How often the file may be exchanged while it is being locked.
constexpr int kAttempts = 100;
constexpr size_t kHolderBytes = 64;

Status LockError(const std::string& path, int error) {
  Status status(ErrorCode::kIo,
                "cannot lock " + path + ": " + std::generic_category().message(error));
  status.AddDetail("path", path);
  status.AddDetail("errno", static_cast<uint64_t>(error));
  return status;
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(int descriptor) : descriptor_(descriptor) {}
  ~PosixFileLock() override { (void)close(descriptor_); }

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

// 0, or why not. Locks of the open file, not of the process: those would end when any descriptor of
// the same file is closed, and would not exclude other threads.
int Acquire(int descriptor) {
#if defined(F_OFD_SETLK)
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return fcntl(descriptor, F_OFD_SETLK, &whole) == 0 ? 0 : errno;
#else
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
#endif
}

// Whether `path` still names the file that is open: somebody may have put another in its place, and
// a lock on what is gone excludes nobody.
bool IsStillAt(const std::string& path, int descriptor) {
  struct stat open = {};
  struct stat named = {};
  return fstat(descriptor, &open) == 0 && stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

std::string ReadHolder(int descriptor) {
  char text[kHolderBytes];
  const ssize_t bytes = pread(descriptor, text, sizeof(text), 0);
  std::string holder;
  for (ssize_t i = 0; i < bytes && text[i] >= ' ' && text[i] < 0x7f; ++i) holder += text[i];
  return holder.empty() ? "another process" : holder;
}

// For messages only: nothing depends on it, not even that it is written.
void WriteHolder(int descriptor) {
  const std::string holder = "process " + std::to_string(ProcessId()) + "\n";
  if (pwrite(descriptor, holder.data(), holder.size(), 0) < 0) return;
  // Giving a block back takes longer than all else of a lock, and is rarely needed: the holder
  // before wrote as many characters.
  struct stat file = {};
  const auto end = static_cast<off_t>(holder.size());
  if (fstat(descriptor, &file) == 0 && file.st_size > end) (void)!ftruncate(descriptor, end);
}

}  // namespace

Result<LockAttempt> TryLock(const std::string& path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor < 0 && errno == EINTR) continue;
    if (descriptor < 0) return LockError(path, errno);
    auto lock = std::make_unique<PosixFileLock>(descriptor);
    const int error = SeededDefect("lock-not-taken") ? 0 : Acquire(descriptor);
    if (error == EWOULDBLOCK || error == EACCES) {
      return LockAttempt{nullptr, ReadHolder(descriptor)};
    }
    if (error == EINTR) continue;
    if (error != 0) return LockError(path, error);
    if (!SeededDefect("lock-of-a-deleted-file") && !IsStillAt(path, descriptor)) continue;
    WriteHolder(descriptor);
    return LockAttempt{std::move(lock), {}};
  }
  return LockError(path, EBUSY);
}

}  // namespace vitrine

#endif  // !_WIN32
