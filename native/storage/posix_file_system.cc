#ifndef _WIN32

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/seeded_defect.h"
#include "storage/file_system.h"

namespace vitrine {
namespace {

// One call moves at most this much: Linux caps at 2 GiB - 4 KiB, macOS refuses more than 2 GiB.
constexpr size_t kMaxTransfer = size_t{1} << 30;

Status IoError(const char* what, const std::string& path, int error) {
  Status status(ErrorCode::kIo,
                std::string(what) + " " + path + ": " + std::generic_category().message(error));
  status.AddDetail("path", path);
  status.AddDetail("errno", static_cast<uint64_t>(error));
  return status;
}

// Calls `call` until it is not interrupted.
template <typename Call>
auto Uninterrupted(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

class PosixMapping final : public FileMapping {
 public:
  PosixMapping(void* data, size_t bytes) : data_(data), bytes_(bytes) {}
  ~PosixMapping() override { (void)munmap(data_, bytes_); }

  const std::byte* data() const override { return static_cast<const std::byte*>(data_); }

 private:
  void* const data_;
  const size_t bytes_;
};

// A descriptor by which a file is written past the system's memory, or none. Every device takes
// whole pages from whole pages of memory; where the file system does not, the descriptor goes.
class DirectWrites {
 public:
  DirectWrites() = default;
  DirectWrites(const DirectWrites&) = delete;
  DirectWrites& operator=(const DirectWrites&) = delete;
  ~DirectWrites() { Close(); }

  void Open([[maybe_unused]] const std::string& path) {
#if defined(O_DIRECT)
    descriptor_ =
        Uninterrupted([&] { return open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); });
#endif
  }
  void Close() {
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
  }
  // By which `bytes` can be written at `offset`; -1: not by this one.
  int DescriptorFor(uint64_t offset, std::span<const std::byte> bytes) const {
    const uint64_t all = offset | bytes.size() | std::bit_cast<uintptr_t>(bytes.data());
    return all % kPage == 0 ? descriptor_ : -1;
  }

 private:
  static constexpr uint64_t kPage = 4096;

  int descriptor_ = -1;
};

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override {
    if (descriptor_ >= 0) close(descriptor_);
  }

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t read = Uninterrupted([&] {
        return pread(descriptor_, out.data(), std::min(out.size(), kMaxTransfer),
                     static_cast<off_t>(offset));
      });
      if (read < 0) return IoError("cannot read", path_, errno);
      if (read == 0) {
        Status status(ErrorCode::kCorrupt,
                      path_ + " ends at byte " + std::to_string(offset) + ", too early");
        status.AddDetail("path", path_);
        status.AddDetail("offset", offset);
        return status;
      }
      out = out.subspan(static_cast<size_t>(read));
      offset += static_cast<uint64_t>(read);
    }
    return {};
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const int direct = direct_.DescriptorFor(offset, bytes);
      const ssize_t written = Uninterrupted([&] {
        return pwrite(direct >= 0 ? direct : descriptor_, bytes.data(),
                      std::min(bytes.size(), kMaxTransfer), static_cast<off_t>(offset));
      });
      if (written < 0 && direct >= 0 && errno == EINVAL) {
        direct_.Close();
        continue;
      }
      if (written < 0) return IoError("cannot write", path_, errno);
      // POSIX allows it for a full device; without progress there must be no loop.
      if (written == 0) return IoError("cannot write", path_, ENOSPC);
      if (SeededDefect("short-write-ignored")) return {};
      bytes = bytes.subspan(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Status Sync() override {
#if defined(F_FULLFSYNC)
    // macOS: fsync leaves data in the device's own cache. Some file systems know only fsync.
    if (Uninterrupted([&] { return fcntl(descriptor_, F_FULLFSYNC); }) == 0) return {};
    if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY) {
      return IoError("cannot flush", path_, errno);
    }
#endif
    if (Uninterrupted([&] { return fsync(descriptor_); }) != 0) {
      return IoError("cannot flush", path_, errno);
    }
    return {};
  }

  Status SyncData() override {
#if defined(__linux__)
    if (Uninterrupted([&] { return fdatasync(descriptor_); }) != 0) {
      return IoError("cannot flush", path_, errno);
    }
    return {};
#else
    return Sync();
#endif
  }

  Result<uint64_t> Size() const override {
    struct stat status = {};
    if (fstat(descriptor_, &status) != 0) return IoError("cannot look at", path_, errno);
    return static_cast<uint64_t>(status.st_size);
  }

  Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
    if (bytes > SIZE_MAX) {
      return Status(ErrorCode::kOutOfMemory, path_ + " has more bytes than there are addresses");
    }
    const auto size = static_cast<size_t>(bytes);
    void* const data = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (data == MAP_FAILED && errno == ENOMEM) {
      return Status(ErrorCode::kOutOfMemory, "no room for the addresses of " + path_);
    }
    if (data == MAP_FAILED) return IoError("cannot map", path_, errno);
    // Advice: what lies around a row is not wanted as well.
    (void)madvise(data, size, MADV_RANDOM);
    return std::unique_ptr<FileMapping>(std::make_unique<PosixMapping>(data, size));
  }

  Status Close() override {
    direct_.Close();
    // Not repeated when interrupted: Linux has closed the descriptor by then, and its number may be
    // another file's already.
    const int result = close(std::exchange(descriptor_, -1));
    if (result != 0 && errno != EINTR) return IoError("cannot close", path_, errno);
    return {};
  }

  // Whole pages go to the device at once, rather than when the file is flushed.
  void WriteDirectly() { direct_.Open(path_); }

  // Files are read from one end to the other first, by threads that take turns: the system reads
  // further ahead of them (a database that was not in memory opened in 0.87 of the time).
  void ExpectSequentialReads() const {
#if defined(POSIX_FADV_SEQUENTIAL)
    (void)posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  }

  // Lets later reads come from the device where the system allows.
  void DropCache() const {
#if defined(POSIX_FADV_DONTNEED)
    (void)posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
#elif defined(F_NOCACHE)
    (void)fcntl(descriptor_, F_NOCACHE, 1);
#endif
  }

 private:
  int descriptor_;
  DirectWrites direct_;
  const std::string path_;
};

// Opens what is a regular file.
//   mode   O_RDONLY or O_RDWR
Result<std::unique_ptr<PosixFile>> OpenRegular(const std::string& path, int mode) {
  // Without O_NONBLOCK opening a pipe would wait for a writer; regular files do not mind.
  const int descriptor =
      Uninterrupted([&] { return open(path.c_str(), mode | O_CLOEXEC | O_NONBLOCK); });
  if (descriptor < 0) return IoError("cannot open", path, errno);
  auto file = std::make_unique<PosixFile>(descriptor, path);
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) return IoError("cannot look at", path, errno);
  if (S_ISDIR(status.st_mode)) return IoError("cannot read", path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    return Status(ErrorCode::kIo, "cannot read " + path + ": it is not a regular file");
  }
  return file;
}

struct CloseFolder {
  void operator()(DIR* folder) const { (void)closedir(folder); }
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override {
    Result<std::unique_ptr<PosixFile>> file = OpenRegular(path, O_RDONLY);
    if (!file.ok()) return file.status();
    if (cache == Cache::kDrop) (*file)->DropCache();
    (*file)->ExpectSequentialReads();
    return std::unique_ptr<File>(std::move(*file));
  }

  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    Result<std::unique_ptr<PosixFile>> file = OpenRegular(path, O_RDWR);
    if (!file.ok()) return file.status();
    (*file)->WriteDirectly();
    return std::unique_ptr<File>(std::move(*file));
  }

  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    const int descriptor = Uninterrupted(
        [&] { return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    if (descriptor < 0 && errno == EEXIST) {
      return Status(ErrorCode::kExists, path + " is there already");
    }
    if (descriptor < 0) return IoError("cannot create", path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return IoError("cannot replace", to, errno);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return IoError("cannot remove", path, errno);
    return {};
  }

  Status SyncFolderOf(const std::string& path) override {
    const size_t slash = path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
    const int descriptor =
        Uninterrupted([&] { return open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY); });
    if (descriptor < 0) return IoError("cannot open", folder, errno);
    PosixFile file(descriptor, folder);
    if (Uninterrupted([&] { return fsync(descriptor); }) == 0) return {};
    // Some network file systems have no such thing as flushing a folder.
    if (errno == EINVAL || errno == ENOTSUP) return {};
    return IoError("cannot flush", folder, errno);
  }

  Status CreateFolder(const std::string& folder) override {
    if (mkdir(folder.c_str(), 0777) != 0) {
      return errno == EEXIST ? Status() : IoError("cannot create", folder, errno);
    }
    return SyncFolderOf(folder);
  }

  Result<uint64_t> FreeBytes(const std::string& folder) override {
    struct statvfs status = {};
    if (Uninterrupted([&] { return statvfs(folder.c_str(), &status); }) != 0) {
      return IoError("cannot look at the device of", folder, errno);
    }
    // Without what is reserved for the superuser.
    return uint64_t{status.f_bavail} * uint64_t{status.f_frsize};
  }

  Result<std::vector<std::string>> List(const std::string& folder) override {
    const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
    if (open == nullptr) return IoError("cannot list", folder, errno);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = readdir(open.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) return IoError("cannot list", folder, errno);
    std::sort(names.begin(), names.end());
    return names;
  }
};

}  // namespace

std::unique_ptr<FileSystem> SystemFiles() { return std::make_unique<PosixFileSystem>(); }

uint64_t ProcessId() { return static_cast<uint64_t>(getpid()); }

}  // namespace vitrine

#endif  // !_WIN32
