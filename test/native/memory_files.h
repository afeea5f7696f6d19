#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/file_system.h"

namespace vitrine {

using Bytes = std::vector<std::byte>;

// Files in memory that know which of their bytes and names a device would hold, and calls that
// fail on purpose.
class MemoryFiles final : public FileSystem {
 public:
  // Called before each operation with its name ("create", "write", "sync", "close", "open", "size",
  // "read", "map", "rename", "sync folder", "list", "remove", "free bytes"); what it returns is
  // what happens.
  std::function<Status(const std::string& operation)> before = [](const auto&) { return Status(); };
  // Bytes that fit in all files together; a write beyond fills the device and fails.
  uint64_t capacity = UINT64_MAX;

  static Status Refused(const std::string& operation) {
    return {ErrorCode::kIo, "refused on purpose: " + operation};
  }

  // Puts a file there, on the device too.
  void Put(const std::string& path, Bytes bytes) {
    auto node = std::make_shared<Node>();
    node->synced = bytes;
    node->bytes = std::move(bytes);
    names_[path] = node;
    synced_names_[path] = std::move(node);
  }
  const Bytes& Get(const std::string& path) const { return names_.at(path)->bytes; }
  // The bytes themselves, to be damaged in place.
  Bytes& Edit(const std::string& path) { return names_.at(path)->bytes; }
  bool Has(const std::string& path) const { return names_.contains(path); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    names.reserve(names_.size());
    for (const auto& [name, node] : names_) names.push_back(name);
    return names;
  }
  // What a power cut now leaves: of each file what was flushed; of creations, renames and removals
  // since the folder was flushed either none or all.
  enum class Folder : uint8_t { kAsFlushed, kAsNow };
  std::unique_ptr<MemoryFiles> AfterPowerCut(Folder folder) const {
    auto files = std::make_unique<MemoryFiles>();
    for (const auto& [name, node] : folder == Folder::kAsNow ? names_ : synced_names_) {
      files->Put(name, node->synced);
    }
    return files;
  }

  Result<std::unique_ptr<File>> OpenForReading(const std::string& path, Cache) override {
    VITRINE_RETURN_IF_ERROR(before("open"));
    const auto found = names_.find(path);
    if (found == names_.end()) return Status(ErrorCode::kIo, path + " is not there");
    return std::unique_ptr<File>(std::make_unique<OpenFile>(*this, found->second));
  }
  Result<std::unique_ptr<File>> Create(const std::string& path) override {
    VITRINE_RETURN_IF_ERROR(before("create"));
    if (names_.contains(path)) return Status(ErrorCode::kExists, path + " is there already");
    const auto node = std::make_shared<Node>();
    names_[path] = node;
    return std::unique_ptr<File>(std::make_unique<OpenFile>(*this, node));
  }
  Result<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    return OpenForReading(path, Cache::kUse);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    VITRINE_RETURN_IF_ERROR(before("rename"));
    const auto found = names_.find(from);
    if (found == names_.end()) return {ErrorCode::kIo, from + " is not there"};
    const auto node = found->second;
    names_.erase(found);
    names_[to] = node;
    return {};
  }
  Status Remove(const std::string& path) override {
    VITRINE_RETURN_IF_ERROR(before("remove"));
    return names_.erase(path) == 1 ? Status() : Status(ErrorCode::kIo, path + " is not there");
  }
  Status SyncFolderOf(const std::string&) override {
    VITRINE_RETURN_IF_ERROR(before("sync folder"));
    synced_names_ = names_;
    return {};
  }
  Result<uint64_t> FreeBytes(const std::string&) override {
    VITRINE_RETURN_IF_ERROR(before("free bytes"));
    return Free();
  }
  // All files are in one folder, whatever its name is.
  Result<std::vector<std::string>> List(const std::string&) override {
    VITRINE_RETURN_IF_ERROR(before("list"));
    std::vector<std::string> names;
    names.reserve(names_.size());
    for (const std::string& path : Names()) names.push_back(path.substr(path.rfind('/') + 1));
    return names;
  }

 private:
  struct Node {
    Bytes bytes;
    Bytes synced;
  };

  uint64_t Free() const {
    uint64_t used = 0;
    for (const auto& [name, node] : names_) used += node->bytes.size();
    return capacity - std::min(capacity, used);
  }

  // Shows what is edited later, as long as the file keeps its length.
  class Mapping final : public FileMapping {
   public:
    explicit Mapping(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
    const std::byte* data() const override { return node_->bytes.data(); }

   private:
    const std::shared_ptr<const Node> node_;
  };

  class OpenFile final : public File {
   public:
    OpenFile(MemoryFiles& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)) {}

    Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
      {
        const std::lock_guard lock(files_.reading_);
        VITRINE_RETURN_IF_ERROR(files_.before("read"));
      }
      const Bytes& bytes = node_->bytes;
      if (offset > bytes.size() || out.size() > bytes.size() - offset) {
        return {ErrorCode::kCorrupt, "the file ends too early"};
      }
      if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
      return {};
    }
    Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
      VITRINE_RETURN_IF_ERROR(files_.before("write"));
      const size_t fits = static_cast<size_t>(std::min<uint64_t>(bytes.size(), files_.Free()));
      if (node_->bytes.size() < offset + fits) node_->bytes.resize(offset + fits);
      std::copy_n(bytes.begin(), fits, node_->bytes.begin() + static_cast<ptrdiff_t>(offset));
      if (fits < bytes.size()) return {ErrorCode::kIo, "cannot write: no space left on device"};
      return {};
    }
    Status Sync() override {
      VITRINE_RETURN_IF_ERROR(files_.before("sync"));
      node_->synced = node_->bytes;
      return {};
    }
    Status SyncData() override { return Sync(); }
    Result<uint64_t> Size() const override {
      VITRINE_RETURN_IF_ERROR(files_.before("size"));
      return static_cast<uint64_t>(node_->bytes.size());
    }
    Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
      VITRINE_RETURN_IF_ERROR(files_.before("map"));
      if (bytes > node_->bytes.size()) return Status(ErrorCode::kIo, "the file is not that long");
      return std::unique_ptr<FileMapping>(std::make_unique<Mapping>(node_));
    }
    Status Close() override { return files_.before("close"); }

   private:
    MemoryFiles& files_;
    const std::shared_ptr<Node> node_;
  };

  std::map<std::string, std::shared_ptr<Node>> names_;
  std::map<std::string, std::shared_ptr<Node>> synced_names_;
  std::mutex reading_;  // files are read on several threads
};

}  // namespace vitrine
