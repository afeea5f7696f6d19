#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace vitrine {

// The bytes of a file as memory, for reading. They stay those of this file whatever takes its name.
//
// Memory has no way to fail: who reads what the file no longer has, or what the device cannot give,
// is ended by the operating system. So ReadAt comes first, which fails as it should.
class FileMapping {
 public:
  FileMapping() = default;
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  virtual ~FileMapping() = default;

  virtual const std::byte* data() const = 0;
};

// An open file. Reads and writes name their place, so that there is no position to share.
//
// Failures are kIo, with what the operating system said and the path; reading beyond the end is
// kCorrupt, for readers ask for what the file itself says is there.
// Thread safety: ReadAt may run on many threads at once; the others not.
class File {
 public:
  // Closes the file; an error that shows only then is lost, so whoever wrote calls Close.
  virtual ~File() = default;

  // Fills `out` from `offset` on. Interrupted and partial reads are continued.
  virtual Status ReadAt(uint64_t offset, std::span<std::byte> out) const = 0;
  // Writes all of `bytes` at `offset`. Interrupted and partial writes are continued.
  virtual Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Returns when everything written is on the device. After a failure nothing is known about what
  // was written, and a second call proves nothing: the file must be given up.
  virtual Status Sync() = 0;
  // The same for the bytes alone, which is cheaper where nothing about the file itself, such as its
  // length, has changed since it was flushed.
  virtual Status SyncData() = 0;
  virtual Result<uint64_t> Size() const = 0;
  // The first `bytes` of the file as memory that is read here and there; may outlive the file.
  // kOutOfMemory where there is no room for the addresses.
  // REQUIRES: bytes > 0, and the file is that long
  virtual Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const = 0;
  // REQUIRES: called at most once, and nothing else afterwards
  virtual Status Close() = 0;
};

// The operations on files that vitrine uses; tests put one in between that fails on purpose.
// Paths are UTF-8. Thread safety: all functions may be called from any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class Cache : unsigned char {
    kUse,
    kDrop,  // read what the device holds, where the system allows, rather than what memory holds
  };

  // Only regular files: a pipe would block, a device has no length.
  virtual Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) = 0;
  // A new, empty file for writing; kExists when there is something at `path`.
  virtual Result<std::unique_ptr<File>> Create(const std::string& path) = 0;
  // A regular file that exists, for reading and writing. For one that is written page by page and
  // flushed each time: whole pages go past the system's memory where that is possible, which takes
  // a tenth off the time until they are on the device.
  virtual Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) = 0;
  // Puts `from` in the place of `to`, which may or may not exist, in one step.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Returns when creations, renames and removals in the folder of `path` are on the device.
  virtual Status SyncFolderOf(const std::string& path) = 0;
  // The names of everything in `folder`, in ascending order of their bytes.
  virtual Result<std::vector<std::string>> List(const std::string& folder) = 0;
  // Makes `folder`, whose parent exists, and brings it to the device; nothing when it is there.
  // Where folders are no more than parts of names there is nothing to do.
  virtual Status CreateFolder(const std::string&) { return {}; }
  // Bytes that this process may still write to the device that holds `folder`. Fails where that is
  // not known.
  virtual Result<uint64_t> FreeBytes(const std::string& folder) {
    return Status(ErrorCode::kIo, "it is not known what device holds " + folder);
  }
};

// The operating system's files.
std::unique_ptr<FileSystem> SystemFiles();

// A number that no other running process has.
uint64_t ProcessId();

}  // namespace vitrine
