#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace vitrine {

// What was read from files and written to them, in totals that only grow. Not what is read through
// a FileMapping, which the operating system does by itself.
struct IoCounts {
  uint64_t reads = 0;  // calls, those that failed among them
  uint64_t read_bytes = 0;
  uint64_t writes = 0;
  uint64_t written_bytes = 0;
};

// The same files as those of another FileSystem, with what goes through them counted. What it
// opens may outlive it, but not the other one.
class CountedFiles final : public FileSystem {
 public:
  explicit CountedFiles(FileSystem& files) : files_(files) {}

  IoCounts counts() const;

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override;
  Result<std::unique_ptr<File>> Create(const std::string& path) override;
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return files_.Remove(path); }
  Status SyncFolderOf(const std::string& path) override { return files_.SyncFolderOf(path); }
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return files_.List(folder);
  }
  Status CreateFolder(const std::string& folder) override { return files_.CreateFolder(folder); }
  Result<uint64_t> FreeBytes(const std::string& folder) override {
    return files_.FreeBytes(folder);
  }

 private:
  // Relaxed: each is a number of its own. All threads add to it, which is little beside a call of
  // the operating system.
  struct Direction {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> bytes{0};

    Status Count(Status status, uint64_t size) {
      calls.fetch_add(1, std::memory_order_relaxed);
      if (status.ok()) bytes.fetch_add(size, std::memory_order_relaxed);
      return status;
    }
  };
  struct Totals {
    Direction read;
    Direction written;
  };
  class CountedFile;

  Result<std::unique_ptr<File>> Counted(Result<std::unique_ptr<File>> file) const;

  FileSystem& files_;
  const std::shared_ptr<Totals> totals_ = std::make_shared<Totals>();
};

}  // namespace vitrine
