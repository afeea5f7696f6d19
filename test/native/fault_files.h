#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace vitrine {

// One folder of files in memory that fails as real ones do. It keeps apart what the page cache
// holds, which outlives a process, and what the device holds, which alone outlives a power cut; and
// it counts operations, so that any one of them can fail or be the last one of the process.
// Everything random comes from one seed: the same calls give the same result.
//
// EINTR and short writes do not show here: the interface's implementations continue them.
// Thread safety: all functions may be called from any thread.
class FaultFiles final : public FileSystem {
 public:
  using Bytes = std::vector<std::byte>;

  enum class Operation : uint8_t {
    kOpen,
    kOpenForWriting,
    kCreate,
    kRename,
    kRemove,
    kSyncFolder,
    kList,
    kFreeBytes,
    kRead,
    kWrite,
    kSync,
    kSyncData,
    kSize,
    kMap,
    kClose,
  };
  // An operation that was called. `offset` and `size` are those of reads and writes; of a rename
  // `path` is the new name.
  struct Call {
    Operation operation;
    std::string path;
    uint64_t offset;
    uint64_t size;
    bool ok;
  };

  // What a power cut leaves of bytes that were not flushed.
  enum class Keep : uint8_t {
    kNothing,
    kEverything,
    kPages,    // each page of 4,096 bytes of each write or not
    kSectors,  // each sector of 512 bytes: pages are torn
    kBytes,    // of each write a part up to any byte
    kLengths,  // nothing, but files are as long as they were, with zeros
  };
  // What it leaves of creations, renames and removals whose folder was not flushed. A rename is the
  // new name and the removal of the old one, which may come apart.
  enum class Names : uint8_t { kAsFlushed, kAsNow, kSome };
  struct PowerCutModel {
    Keep bytes;
    Names names;
  };

  explicit FaultFiles(uint64_t seed) : random_(seed) {}

  // Operation `at` (the next one is operations()) fails with this errno. A write does a part of its
  // work first. A flush loses what it should have written, as Linux does: some pages are on the
  // device, none is written again, and the cache may or may not still show the rest.
  enum class Lasting : uint8_t { kOnce, kFromThenOn };
  void FailAt(uint64_t at, int error, Lasting lasting = Lasting::kOnce);
  // The process dies in operation `at`: a write does a part of its work, and nothing after it
  // happens.
  void KillAt(uint64_t at);
  // Takes so long for every flush of bytes, beside whatever else is called.
  void SetFlushTime(std::chrono::microseconds time) { flush_time_ = time; }
  // Bytes that fit into all files together; a write beyond does a part of its work and fails.
  void SetCapacity(uint64_t bytes);

  // Another process, with what the cache holds. Files that are open can no longer be used; faults
  // are gone.
  void Restart();
  // Restart after a power cut.
  void PowerCut(PowerCutModel model);

  uint64_t operations() const;
  // All calls since the beginning or the last `Restart`.
  std::vector<Call> trace() const;
  // Files that this process has open.
  size_t open_files() const;

  // The names that are there, without a call being counted.
  std::vector<std::string> names() const;
  // The bytes of a file, which exists, without a call being counted.
  Bytes Get(const std::string& path) const;
  // Puts a file there, on the device too.
  void Put(const std::string& path, Bytes bytes);
  // Damages a byte of a file, on the device too, for who has it open as well.
  void Damage(const std::string& path, size_t at);

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache cache) override;
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override;
  Result<std::unique_ptr<File>> Create(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncFolderOf(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder) override;
  Result<uint64_t> FreeBytes(const std::string& folder) override;

 private:
  struct Write {
    uint64_t offset;
    Bytes bytes;
  };
  struct Node {
    Bytes cached;
    Bytes device;
    std::vector<Write> unflushed;  // in the order of the calls
  };
  struct NameChange {
    std::string path;
    std::shared_ptr<Node> node;  // null: removed
  };
  class OpenFile;

  // The functions below expect `mutex_` to be held.
  struct Outcome {
    Status status;
    bool partly = false;  // a part of the work is done nevertheless
  };
  Outcome Begin(Operation operation, const std::string& path, uint64_t offset, uint64_t size);
  uint64_t Random(uint64_t below) { return below == 0 ? 0 : random_() % below; }
  Result<std::unique_ptr<File>> Open(const std::string& path);
  Status WriteTo(Node& node, const std::string& path, uint64_t offset,
                 std::span<const std::byte> bytes);
  Status Flush(Node& node, const std::string& path, Operation operation);
  // The bytes of `node` on the device after what was not flushed got there as `keep` says.
  Bytes Settle(const Node& node, Keep keep);
  void Forget();

  static Status Refused(const std::string& path, int error);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, std::shared_ptr<Node>> names_;
  std::map<std::string, std::shared_ptr<Node>> flushed_names_;
  std::vector<NameChange> unflushed_names_;
  std::vector<Call> trace_;
  uint64_t capacity_ = UINT64_MAX;
  std::atomic<std::chrono::microseconds> flush_time_{};  // relaxed: for calls from then on
  uint64_t process_ = 0;                                 // open files belong to one
  size_t open_files_ = 0;
  uint64_t fail_at_ = UINT64_MAX;
  int error_ = 0;
  Lasting lasting_ = Lasting::kOnce;
  uint64_t kill_at_ = UINT64_MAX;
};

}  // namespace vitrine
