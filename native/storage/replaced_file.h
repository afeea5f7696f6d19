#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "storage/file_system.h"

namespace vitrine {

// A file that takes the place of another one in one step, or not at all: it is written under a
// name of its own in the same folder, `<path>.tmp-<process>-<n>`, and that file is removed again
// when this object goes without a `Commit` that succeeded.
class ReplacedFile {
 public:
  // `files` outlives the object.
  static Result<std::unique_ptr<ReplacedFile>> Create(FileSystem& files, std::string path);
  ReplacedFile(const ReplacedFile&) = delete;
  ReplacedFile& operator=(const ReplacedFile&) = delete;
  ~ReplacedFile();

  // Open for writing until Close.
  File& file() { return *file_; }
  // Brings what was written to the device and closes the file.
  Status SyncAndClose();
  // What the device holds now. REQUIRES: SyncAndClose succeeded
  Result<std::unique_ptr<File>> Reopen() const;
  // Puts the file in the place of `path`. When it fails `path` is as it was, unless the rename was
  // done and only its way to the device failed: the message says which.
  // REQUIRES: SyncAndClose succeeded; at most once
  Status Commit();

 private:
  ReplacedFile(FileSystem& files, std::string path);
  Status CreateTemporary();

  FileSystem& files_;
  const std::string path_;
  std::string temporary_;
  std::unique_ptr<File> file_;
  bool must_remove_ = false;
};

}  // namespace vitrine
