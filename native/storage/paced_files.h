#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace vitrine {

// How fast somebody may read who is in no hurry, and that he is to stop.
//
// Thread safety: all functions may be called from any thread.
class Pace {
 public:
  // Waits until so many more bytes may be read; kCancelled once stopped.
  Status Take(uint64_t bytes);
  // 0: as fast as it goes. For what is taken from now on.
  void SetRate(uint64_t bytes_per_second);
  // Ends what waits, and everything later.
  void Stop();
  // Waits without reading. Returns whether it was stopped.
  bool Sleep(std::chrono::milliseconds time);
  bool stopped() const;
  // Taken so far.
  uint64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  uint64_t rate_ = 0;
  uint64_t bytes_ = 0;
  std::chrono::steady_clock::time_point free_at_;  // when the next bytes may be read
};

// Files of which everything is read at a pace, and as the device holds it: what memory holds may
// hide that the device has lost it. Only for reading.
class PacedFiles final : public FileSystem {
 public:
  // Both outlive the object.
  PacedFiles(FileSystem& files, Pace& pace) : files_(files), pace_(pace) {}

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override;
  Result<std::vector<std::string>> List(const std::string& folder) override {
    return files_.List(folder);
  }
  Result<uint64_t> FreeBytes(const std::string& folder) override {
    return files_.FreeBytes(folder);
  }

  // These fail.
  Result<std::unique_ptr<File>> Create(const std::string& path) override;
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncFolderOf(const std::string& path) override;

 private:
  FileSystem& files_;
  Pace& pace_;
};

}  // namespace vitrine
