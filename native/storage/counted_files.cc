#include "storage/counted_files.h"

#include <utility>

namespace vitrine {

class CountedFiles::CountedFile final : public File {
 public:
  CountedFile(std::unique_ptr<File> file, std::shared_ptr<Totals> totals)
      : file_(std::move(file)), totals_(std::move(totals)) {}

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    return totals_->read.Count(file_->ReadAt(offset, out), out.size());
  }
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    return totals_->written.Count(file_->WriteAt(offset, bytes), bytes.size());
  }
  Status Sync() override { return file_->Sync(); }
  Status SyncData() override { return file_->SyncData(); }
  Result<uint64_t> Size() const override { return file_->Size(); }
  Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
    return file_->Map(bytes);
  }
  Status Close() override { return file_->Close(); }

 private:
  const std::unique_ptr<File> file_;
  const std::shared_ptr<Totals> totals_;
};

IoCounts CountedFiles::counts() const {
  const auto of = [](const std::atomic<uint64_t>& total) {
    return total.load(std::memory_order_relaxed);
  };
  return {.reads = of(totals_->read.calls),
          .read_bytes = of(totals_->read.bytes),
          .writes = of(totals_->written.calls),
          .written_bytes = of(totals_->written.bytes)};
}

Result<std::unique_ptr<File>> CountedFiles::Counted(Result<std::unique_ptr<File>> file) const {
  if (!file.ok()) return file.status();
  return std::unique_ptr<File>(std::make_unique<CountedFile>(std::move(*file), totals_));
}

Result<std::unique_ptr<File>> CountedFiles::OpenForReading(const std::string& path, Cache cache) {
  return Counted(files_.OpenForReading(path, cache));
}
Result<std::unique_ptr<File>> CountedFiles::Create(const std::string& path) {
  return Counted(files_.Create(path));
}
Result<std::unique_ptr<File>> CountedFiles::OpenForWriting(const std::string& path) {
  return Counted(files_.OpenForWriting(path));
}

}  // namespace vitrine
