#ifdef _WIN32

#include <windows.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "storage/file_system.h"
#include "storage/windows_path.h"

namespace vitrine {
namespace {

constexpr size_t kMaxTransfer = size_t{1} << 30;
// Others may read, rename and remove the file meanwhile, as they may on POSIX: a segment of a log
// gets its name while it is open, and is read while it is written.
constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
// Of FILE_INFO_BY_HANDLE_CLASS and FILE_RENAME_INFO, by number: headers show them only to programs
// that are for Windows 10 alone.
constexpr auto kRenameInfoEx = static_cast<FILE_INFO_BY_HANDLE_CLASS>(22);
constexpr DWORD kReplaceAsPosix = 0x1 | 0x2;

Status IoError(const char* what, const std::string& path, DWORD error) {
  Status status(ErrorCode::kIo, std::string(what) + " " + path + ": " +
                                    std::system_category().message(static_cast<int>(error)));
  status.AddDetail("path", path);
  status.AddDetail("errno", uint64_t{error});
  return status;
}

std::string Narrow(const wchar_t* wide) {
  const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, -1, nullptr, 0, nullptr, nullptr);
  std::string narrow(static_cast<size_t>(std::max(bytes, 1)), '\0');
  WideCharToMultiByte(CP_UTF8, 0, wide, -1, narrow.data(), bytes, nullptr, nullptr);
  narrow.pop_back();  // the terminator
  return narrow;
}

// The place of a read or write of a synchronous handle.
OVERLAPPED At(uint64_t offset) {
  OVERLAPPED place = {};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return place;
}

// Puts `from` in the place of `to`, even while somebody has that open, and brings the change to the
// device. Windows 10 and later, on NTFS; 0, or why not.
DWORD RenameAsPosix(const std::wstring& from, const std::wstring& to) {
  const HANDLE handle = CreateFileW(from.c_str(), GENERIC_WRITE | DELETE, kShared, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return GetLastError();
  const size_t name_bytes = to.size() * sizeof(wchar_t);
  std::vector<uint64_t> buffer((sizeof(FILE_RENAME_INFO) + name_bytes) / sizeof(uint64_t) + 1);
  auto* const info = reinterpret_cast<FILE_RENAME_INFO*>(buffer.data());
  std::memcpy(buffer.data(), &kReplaceAsPosix, sizeof(kReplaceAsPosix));
  info->FileNameLength = static_cast<DWORD>(name_bytes);
  std::memcpy(info->FileName, to.data(), name_bytes);
  DWORD error = 0;
  if (!SetFileInformationByHandle(handle, kRenameInfoEx, info,
                                  static_cast<DWORD>(buffer.size() * sizeof(uint64_t))) ||
      !FlushFileBuffers(handle)) {
    error = GetLastError();
  }
  CloseHandle(handle);
  return error;
}

class WindowsMapping final : public FileMapping {
 public:
  explicit WindowsMapping(void* data) : data_(data) {}
  ~WindowsMapping() override { UnmapViewOfFile(data_); }

  const std::byte* data() const override { return static_cast<const std::byte*>(data_); }

 private:
  void* const data_;
};

class WindowsFile final : public File {
 public:
  WindowsFile(HANDLE handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  WindowsFile(const WindowsFile&) = delete;
  WindowsFile& operator=(const WindowsFile&) = delete;
  ~WindowsFile() override {
    if (handle_ != INVALID_HANDLE_VALUE) CloseHandle(handle_);
  }

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      OVERLAPPED place = At(offset);
      DWORD read = 0;
      const DWORD wanted = static_cast<DWORD>(std::min(out.size(), kMaxTransfer));
      if (!ReadFile(handle_, out.data(), wanted, &read, &place)) {
        const DWORD error = GetLastError();
        if (error != ERROR_HANDLE_EOF) return IoError("cannot read", path_, error);
        read = 0;
      }
      if (read == 0) {
        Status status(ErrorCode::kCorrupt,
                      path_ + " ends at byte " + std::to_string(offset) + ", too early");
        status.AddDetail("path", path_);
        status.AddDetail("offset", offset);
        return status;
      }
      out = out.subspan(read);
      offset += read;
    }
    return {};
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      OVERLAPPED place = At(offset);
      DWORD written = 0;
      const DWORD wanted = static_cast<DWORD>(std::min(bytes.size(), kMaxTransfer));
      if (!WriteFile(handle_, bytes.data(), wanted, &written, &place)) {
        return IoError("cannot write", path_, GetLastError());
      }
      if (written == 0) return IoError("cannot write", path_, ERROR_DISK_FULL);
      bytes = bytes.subspan(written);
      offset += written;
    }
    return {};
  }

  Status Sync() override {
    if (!FlushFileBuffers(handle_)) return IoError("cannot flush", path_, GetLastError());
    return {};
  }

  Status SyncData() override { return Sync(); }

  Result<uint64_t> Size() const override {
    LARGE_INTEGER size;
    if (!GetFileSizeEx(handle_, &size)) return IoError("cannot look at", path_, GetLastError());
    return static_cast<uint64_t>(size.QuadPart);
  }

  Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
    if (bytes > SIZE_MAX) {
      return Status(ErrorCode::kOutOfMemory, path_ + " has more bytes than there are addresses");
    }
    const HANDLE section = CreateFileMappingW(handle_, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (section == nullptr) return IoError("cannot map", path_, GetLastError());
    void* const data = MapViewOfFile(section, FILE_MAP_READ, 0, 0, static_cast<SIZE_T>(bytes));
    const DWORD error = GetLastError();
    CloseHandle(section);  // the view keeps what it needs
    if (data == nullptr) return IoError("cannot map", path_, error);
    return std::unique_ptr<FileMapping>(std::make_unique<WindowsMapping>(data));
  }

  Status Close() override {
    if (!CloseHandle(std::exchange(handle_, INVALID_HANDLE_VALUE))) {
      return IoError("cannot close", path_, GetLastError());
    }
    return {};
  }

 private:
  HANDLE handle_;
  const std::string path_;
};

Result<std::unique_ptr<File>> OpenRegular(const std::string& path, DWORD access) {
  const HANDLE handle = CreateFileW(WindowsPath(path).c_str(), access, kShared, nullptr,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return IoError("cannot open", path, GetLastError());
  auto file = std::make_unique<WindowsFile>(handle, path);
  if (GetFileType(handle) != FILE_TYPE_DISK) {
    return Status(ErrorCode::kIo, "cannot read " + path + ": it is not a regular file");
  }
  return std::unique_ptr<File>(std::move(file));
}

class WindowsFileSystem final : public FileSystem {
 public:
  // The cache stays in use: reading past it needs aligned buffers (FILE_FLAG_NO_BUFFERING).
  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache) override {
    return OpenRegular(path, GENERIC_READ);
  }

  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    return OpenRegular(path, GENERIC_READ | GENERIC_WRITE);
  }

  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    const HANDLE handle = CreateFileW(WindowsPath(path).c_str(), GENERIC_WRITE, kShared, nullptr,
                                      CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
      const DWORD error = GetLastError();
      if (error == ERROR_FILE_EXISTS || error == ERROR_ALREADY_EXISTS) {
        return Status(ErrorCode::kExists, path + " is there already");
      }
      return IoError("cannot create", path, error);
    }
    return std::unique_ptr<File>(std::make_unique<WindowsFile>(handle, path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    const std::wstring source = WindowsPath(from);
    const std::wstring target = WindowsPath(to);
    if (RenameAsPosix(source, target) == 0) return {};
    // Older systems and other file systems. Write-through: returns when the move itself is on the
    // device.
    if (!MoveFileExW(source.c_str(), target.c_str(),
                     MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
      return IoError("cannot replace", to, GetLastError());
    }
    return {};
  }

  Status Remove(const std::string& path) override {
    if (!DeleteFileW(WindowsPath(path).c_str()))
      return IoError("cannot remove", path, GetLastError());
    return {};
  }

  // A folder has no buffers to flush; see Rename.
  Status SyncFolderOf(const std::string&) override { return {}; }

  Status CreateFolder(const std::string& folder) override {
    if (CreateDirectoryW(WindowsPath(folder).c_str(), nullptr)) return {};
    const DWORD error = GetLastError();
    return error == ERROR_ALREADY_EXISTS ? Status() : IoError("cannot create", folder, error);
  }

  Result<uint64_t> FreeBytes(const std::string& folder) override {
    ULARGE_INTEGER available = {};
    if (!GetDiskFreeSpaceExW(WindowsPath(folder).c_str(), &available, nullptr, nullptr)) {
      return IoError("cannot look at the device of", folder, GetLastError());
    }
    return uint64_t{available.QuadPart};
  }

  Result<std::vector<std::string>> List(const std::string& folder) override {
    WIN32_FIND_DATAW entry = {};
    const HANDLE search = FindFirstFileW(WindowsPath(folder + "\\*").c_str(), &entry);
    if (search == INVALID_HANDLE_VALUE) return IoError("cannot list", folder, GetLastError());
    std::vector<std::string> names;
    do {
      std::string name = Narrow(entry.cFileName);
      if (name != "." && name != "..") names.push_back(std::move(name));
    } while (FindNextFileW(search, &entry));
    const DWORD error = GetLastError();
    FindClose(search);
    if (error != ERROR_NO_MORE_FILES) return IoError("cannot list", folder, error);
    std::sort(names.begin(), names.end());
    return names;
  }
};

}  // namespace

std::unique_ptr<FileSystem> SystemFiles() { return std::make_unique<WindowsFileSystem>(); }

uint64_t ProcessId() { return GetCurrentProcessId(); }

}  // namespace vitrine

#endif  // _WIN32
