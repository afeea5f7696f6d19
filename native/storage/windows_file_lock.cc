#ifdef _WIN32

#include <windows.h>

#include <system_error>
#include <utility>

#include "storage/file_lock.h"
#include "storage/windows_path.h"

namespace vitrine {
namespace {

Status LockError(const std::string& path, DWORD error) {
  Status status(ErrorCode::kIo, "cannot lock " + path + ": " +
                                    std::system_category().message(static_cast<int>(error)));
  status.AddDetail("path", path);
  status.AddDetail("errno", uint64_t{error});
  return status;
}

class WindowsFileLock final : public FileLock {
 public:
  explicit WindowsFileLock(HANDLE handle) : handle_(handle) {}
  ~WindowsFileLock() override { CloseHandle(handle_); }

 private:
  const HANDLE handle_;
};

}  // namespace

// A file that is open and shared with nobody is locked, and cannot be put aside.
Result<LockAttempt> TryLock(const std::string& path) {
  const HANDLE handle = CreateFileW(WindowsPath(path).c_str(), GENERIC_READ | GENERIC_WRITE, 0,
                                    nullptr, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle != INVALID_HANDLE_VALUE) {
    return LockAttempt{std::make_unique<WindowsFileLock>(handle), {}};
  }
  const DWORD error = GetLastError();
  if (error == ERROR_SHARING_VIOLATION) return LockAttempt{nullptr, "another process"};
  return LockError(path, error);
}

}  // namespace vitrine

#endif  // _WIN32
