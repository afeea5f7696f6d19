#include "storage/paced_files.h"

#include <algorithm>
#include <utility>

namespace vitrine {
namespace {

// What is read at once: little enough that nobody who wants the device waits for long.
constexpr uint64_t kStep = uint64_t{64} << 10;

Status OnlyReading(const std::string& path) {
  return {ErrorCode::kReadOnly, path + ": these files are only for reading"};
}

class PacedFile final : public File {
 public:
  PacedFile(std::unique_ptr<File> file, std::string path, Pace& pace)
      : file_(std::move(file)), path_(std::move(path)), pace_(pace) {}

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const size_t size = static_cast<size_t>(std::min<uint64_t>(out.size(), kStep));
      VITRINE_RETURN_IF_ERROR(pace_.Take(size));
      VITRINE_RETURN_IF_ERROR(file_->ReadAt(offset, out.first(size)));
      out = out.subspan(size);
      offset += size;
    }
    return {};
  }
  Status WriteAt(uint64_t, std::span<const std::byte>) override { return OnlyReading(path_); }
  Status Sync() override { return OnlyReading(path_); }
  Status SyncData() override { return OnlyReading(path_); }
  Result<uint64_t> Size() const override { return file_->Size(); }
  // Nobody could pace what is read there.
  Result<std::unique_ptr<FileMapping>> Map(uint64_t) const override {
    return Status(ErrorCode::kIo, path_ + " is read at a pace, and cannot be mapped");
  }
  Status Close() override { return file_->Close(); }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  Pace& pace_;
};

}  // namespace

Status Pace::Take(uint64_t bytes) {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  bytes_ += bytes;
  if (rate_ > 0) {
    wake_.wait_until(lock, free_at_, [&] { return stopped_; });
    const std::chrono::duration<double> takes(static_cast<double>(bytes) /
                                              static_cast<double>(rate_));
    // Time in which nothing was read is not made up for.
    free_at_ =
        std::max(free_at_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(takes);
  }
  if (stopped_) return {ErrorCode::kCancelled, "reading was stopped"};
  return {};
}

void Pace::SetRate(uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  rate_ = bytes_per_second;
}

void Pace::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

bool Pace::Sleep(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [&] { return stopped_; });
}

bool Pace::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

uint64_t Pace::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

Result<std::unique_ptr<File>> PacedFiles::OpenForReading(const std::string& path, Cache) {
  Result<std::unique_ptr<File>> file = files_.OpenForReading(path, Cache::kDrop);
  if (!file.ok()) return file.status();
  return std::unique_ptr<File>(std::make_unique<PacedFile>(std::move(*file), path, pace_));
}

Result<std::unique_ptr<File>> PacedFiles::Create(const std::string& path) {
  return OnlyReading(path);
}
Result<std::unique_ptr<File>> PacedFiles::OpenForWriting(const std::string& path) {
  return OnlyReading(path);
}
Status PacedFiles::Rename(const std::string& from, const std::string&) { return OnlyReading(from); }
Status PacedFiles::Remove(const std::string& path) { return OnlyReading(path); }
Status PacedFiles::SyncFolderOf(const std::string& path) { return OnlyReading(path); }

}  // namespace vitrine
