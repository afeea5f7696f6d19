#include "storage/replaced_file.h"

#include <utility>

#include "base/seeded_defect.h"

namespace vitrine {
namespace {

// Names that saves of the same path may hold at once, or that killed processes left behind.
constexpr int kMaxNames = 1000;

}  // namespace

ReplacedFile::ReplacedFile(FileSystem& files, std::string path)
    : files_(files), path_(std::move(path)) {}

Result<std::unique_ptr<ReplacedFile>> ReplacedFile::Create(FileSystem& files, std::string path) {
  // The object first: it removes what it creates whatever happens then.
  std::unique_ptr<ReplacedFile> replaced(new ReplacedFile(files, std::move(path)));
  VITRINE_RETURN_IF_ERROR(replaced->CreateTemporary());
  return replaced;
}

Status ReplacedFile::CreateTemporary() {
  const std::string prefix = path_ + ".tmp-" + std::to_string(ProcessId()) + "-";
  for (int n = 0; n < kMaxNames; ++n) {
    temporary_ = prefix + std::to_string(n);
    Result<std::unique_ptr<File>> file = files_.Create(temporary_);
    if (file.ok()) {
      file_ = std::move(*file);
      must_remove_ = true;
      return {};
    }
    if (file.status().code() != ErrorCode::kExists) return file.status();
  }
  Status status(ErrorCode::kIo,
                "cannot create " + prefix + "0: that name and those after it are taken");
  status.AddDetail("path", prefix + "0");
  return status;
}

ReplacedFile::~ReplacedFile() {
  if (!must_remove_) return;
  file_.reset();  // where open files cannot be removed
  // Nothing is left to try when this fails: the name says that the file can be deleted.
  (void)files_.Remove(temporary_).ok();
}

Status ReplacedFile::SyncAndClose() {
  if (!SeededDefect("renamed-before-flushed")) VITRINE_RETURN_IF_ERROR(file_->Sync());
  Status closed = file_->Close();
  file_.reset();
  return closed;
}

Result<std::unique_ptr<File>> ReplacedFile::Reopen() const {
  return files_.OpenForReading(temporary_, FileSystem::Cache::kDrop);
}

Status ReplacedFile::Commit() {
  VITRINE_RETURN_IF_ERROR(files_.Rename(temporary_, path_));
  must_remove_ = false;
  const Status synced =
      SeededDefect("new-name-not-flushed") ? Status() : files_.SyncFolderOf(path_);
  if (synced.ok()) return {};
  Status status(synced.code(),
                path_ + " was replaced, but a power cut may still undo that: " + synced.message());
  for (const ErrorDetail& detail : synced.details()) status.AddDetail(detail.name, detail.value);
  return status;
}

}  // namespace vitrine
