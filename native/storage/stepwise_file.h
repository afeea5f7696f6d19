#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "storage/file_system.h"

namespace vitrine {

// A long file that is written beside others which are flushed all the time: what is written to it
// goes to the device every few megabytes. Else all of it waits in the system's memory for the flush
// at its end, and a flush of any other file on the device that comes by then waits for it too.
//
// Thread safety: as of a File.
class StepwiseFile final : public File {
 public:
  // `file` outlives the object.
  explicit StepwiseFile(File& file) : file_(file) {}

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    return file_.ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    VITRINE_RETURN_IF_ERROR(file_.WriteAt(offset, bytes));
    waiting_ += bytes.size();
    return waiting_ < kStep ? Status() : SyncData();
  }
  Status Sync() override {
    waiting_ = 0;
    return file_.Sync();
  }
  Status SyncData() override {
    waiting_ = 0;
    return file_.SyncData();
  }
  Result<uint64_t> Size() const override { return file_.Size(); }
  Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
    return file_.Map(bytes);
  }
  Status Close() override { return file_.Close(); }

 private:
  // Small enough to be there in the time of a few flushes, large enough to make few of them.
  static constexpr uint64_t kStep = uint64_t{2} << 20;

  File& file_;
  uint64_t waiting_ = 0;  // bytes that were written since the last flush
};

}  // namespace vitrine
