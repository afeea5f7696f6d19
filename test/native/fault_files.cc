#include "fault_files.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace vitrine {
namespace {

void Apply(std::vector<std::byte>& file, uint64_t offset, std::span<const std::byte> bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(offset));
}

class Mapping final : public FileMapping {
 public:
  explicit Mapping(FaultFiles::Bytes bytes) : bytes_(std::move(bytes)) {}
  const std::byte* data() const override { return bytes_.data(); }

 private:
  const FaultFiles::Bytes bytes_;
};

}  // namespace

class FaultFiles::OpenFile final : public File {
 public:
  // REQUIRES: the mutex of `files` is held
  OpenFile(FaultFiles& files, std::shared_ptr<Node> node, std::string path)
      : files_(files),
        node_(std::move(node)),
        path_(std::move(path)),
        process_(files.process_),
        open_(true) {
    ++files_.open_files_;
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() override {
    const std::lock_guard lock(files_.mutex_);
    Release();
  }

  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    VITRINE_RETURN_IF_ERROR(files_.Begin(Operation::kRead, path_, offset, out.size()).status);
    const Bytes& bytes = node_->cached;
    if (offset > bytes.size() || out.size() > bytes.size() - offset) {
      return {ErrorCode::kCorrupt, path_ + " ends too early"};
    }
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    return files_.WriteTo(*node_, path_, offset, bytes);
  }

  Status Sync() override { return Flush(Operation::kSync); }
  Status SyncData() override { return Flush(Operation::kSyncData); }

  Result<uint64_t> Size() const override {
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    VITRINE_RETURN_IF_ERROR(files_.Begin(Operation::kSize, path_, 0, 0).status);
    return static_cast<uint64_t>(node_->cached.size());
  }

  // As it is at this moment: these files may be written to while others read.
  Result<std::unique_ptr<FileMapping>> Map(uint64_t bytes) const override {
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    VITRINE_RETURN_IF_ERROR(files_.Begin(Operation::kMap, path_, 0, bytes).status);
    if (bytes > node_->cached.size()) return Refused(path_, EINVAL);
    return std::unique_ptr<FileMapping>(std::make_unique<Mapping>(node_->cached));
  }

  Status Close() override {
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    Release();
    return files_.Begin(Operation::kClose, path_, 0, 0).status;
  }

 private:
  Status Check() const { return process_ == files_.process_ ? Status() : Refused(path_, EBADF); }
  Status Flush(Operation operation) {
    const auto time = files_.flush_time_.load(std::memory_order_relaxed);
    if (time.count() > 0) std::this_thread::sleep_for(time);
    const std::lock_guard lock(files_.mutex_);
    VITRINE_RETURN_IF_ERROR(Check());
    return files_.Flush(*node_, path_, operation);
  }
  void Release() {
    if (std::exchange(open_, false) && process_ == files_.process_) --files_.open_files_;
  }

  FaultFiles& files_;
  const std::shared_ptr<Node> node_;
  const std::string path_;
  const uint64_t process_;
  bool open_;
};

Status FaultFiles::Refused(const std::string& path, int error) {
  Status status(ErrorCode::kIo, path + ": " + std::generic_category().message(error));
  status.AddDetail("path", path);
  status.AddDetail("errno", static_cast<uint64_t>(error));
  return status;
}

void FaultFiles::FailAt(uint64_t at, int error, Lasting lasting) {
  const std::lock_guard lock(mutex_);
  fail_at_ = at;
  error_ = error;
  lasting_ = lasting;
}

void FaultFiles::KillAt(uint64_t at) {
  const std::lock_guard lock(mutex_);
  kill_at_ = at;
}

void FaultFiles::SetCapacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void FaultFiles::Forget() {
  ++process_;
  open_files_ = 0;
  trace_.clear();
  fail_at_ = UINT64_MAX;
  kill_at_ = UINT64_MAX;
}

void FaultFiles::Restart() {
  const std::lock_guard lock(mutex_);
  Forget();
}

uint64_t FaultFiles::operations() const {
  const std::lock_guard lock(mutex_);
  return trace_.size();
}

std::vector<FaultFiles::Call> FaultFiles::trace() const {
  const std::lock_guard lock(mutex_);
  return trace_;
}

size_t FaultFiles::open_files() const {
  const std::lock_guard lock(mutex_);
  return open_files_;
}

std::vector<std::string> FaultFiles::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(names_.size());
  for (const auto& [name, node] : names_) names.push_back(name);
  return names;
}

FaultFiles::Bytes FaultFiles::Get(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.at(path)->cached;
}

void FaultFiles::Put(const std::string& path, Bytes bytes) {
  const std::lock_guard lock(mutex_);
  auto node = std::make_shared<Node>();
  node->device = bytes;
  node->cached = std::move(bytes);
  names_[path] = node;
  flushed_names_[path] = std::move(node);
}

void FaultFiles::Damage(const std::string& path, size_t at) {
  const std::lock_guard lock(mutex_);
  Node& node = *names_.at(path);
  for (Bytes* const bytes : {&node.cached, &node.device}) bytes->at(at) ^= std::byte{1};
}

FaultFiles::Outcome FaultFiles::Begin(Operation operation, const std::string& path, uint64_t offset,
                                      uint64_t size) {
  const uint64_t number = trace_.size();
  const bool killed = number >= kill_at_;
  const bool fails = lasting_ == Lasting::kOnce ? number == fail_at_ : number >= fail_at_;
  trace_.push_back({operation, path, offset, size, !killed && !fails});
  if (killed) return {Refused(path, EOWNERDEAD), number == kill_at_};
  if (fails) return {Refused(path, error_), true};
  return {};
}

Result<std::unique_ptr<File>> FaultFiles::Open(const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) return Refused(path, ENOENT);
  return std::unique_ptr<File>(std::make_unique<OpenFile>(*this, found->second, path));
}

Result<std::unique_ptr<File>> FaultFiles::OpenForReading(const std::string& path, Cache cache) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kOpen, path, 0, 0).status);
  const auto found = names_.find(path);
  // Pages that wait to be written stay.
  if (cache == Cache::kDrop && found != names_.end() && found->second->unflushed.empty()) {
    found->second->cached = found->second->device;
  }
  return Open(path);
}

Result<std::unique_ptr<File>> FaultFiles::OpenForWriting(const std::string& path) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kOpenForWriting, path, 0, 0).status);
  return Open(path);
}

Result<std::unique_ptr<File>> FaultFiles::Create(const std::string& path) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kCreate, path, 0, 0).status);
  if (names_.contains(path)) return Status(ErrorCode::kExists, path + " is there already");
  names_[path] = std::make_shared<Node>();
  unflushed_names_.push_back({path, names_[path]});
  return Open(path);
}

Status FaultFiles::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kRename, to, 0, 0).status);
  const auto found = names_.find(from);
  if (found == names_.end()) return Refused(from, ENOENT);
  const std::shared_ptr<Node> node = found->second;
  names_.erase(found);
  names_[to] = node;
  unflushed_names_.push_back({to, node});
  unflushed_names_.push_back({from, nullptr});
  return {};
}

Status FaultFiles::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kRemove, path, 0, 0).status);
  if (names_.erase(path) == 0) return Refused(path, ENOENT);
  unflushed_names_.push_back({path, nullptr});
  return {};
}

Status FaultFiles::SyncFolderOf(const std::string& path) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kSyncFolder, path, 0, 0).status);
  flushed_names_ = names_;
  unflushed_names_.clear();
  return {};
}

Result<std::vector<std::string>> FaultFiles::List(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kList, folder, 0, 0).status);
  std::vector<std::string> names;
  const std::string prefix = folder + "/";
  for (const auto& [name, node] : names_) {
    if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  }
  return names;
}

Result<uint64_t> FaultFiles::FreeBytes(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  VITRINE_RETURN_IF_ERROR(Begin(Operation::kFreeBytes, folder, 0, 0).status);
  uint64_t used = 0;
  for (const auto& [name, node] : names_) used += node->cached.size();
  return capacity_ - std::min(capacity_, used);
}

Status FaultFiles::WriteTo(Node& node, const std::string& path, uint64_t offset,
                           std::span<const std::byte> bytes) {
  Outcome outcome = Begin(Operation::kWrite, path, offset, bytes.size());
  size_t done = bytes.size();
  if (!outcome.status.ok()) {
    done = outcome.partly ? static_cast<size_t>(Random(bytes.size() + 1)) : 0;
  } else {
    uint64_t others = 0;
    for (const auto& [name, other] : names_) {
      if (other.get() != &node) others += other->cached.size();
    }
    const uint64_t room = capacity_ > others ? capacity_ - others : 0;
    const uint64_t end = std::max<uint64_t>(node.cached.size(), room);
    if (offset + bytes.size() > end) {
      done = static_cast<size_t>(end > offset ? end - offset : 0);
      outcome.status = Refused(path, ENOSPC);
      trace_.back().ok = false;
    }
  }
  const auto written = bytes.first(done);
  if (done > 0) {
    Apply(node.cached, offset, written);
    node.unflushed.push_back({offset, Bytes(written.begin(), written.end())});
  }
  return outcome.status;
}

Status FaultFiles::Flush(Node& node, const std::string& path, Operation operation) {
  Outcome outcome = Begin(operation, path, 0, 0);
  if (outcome.status.ok()) {
    for (const Write& write : node.unflushed) Apply(node.device, write.offset, write.bytes);
    node.unflushed.clear();
  } else if (outcome.partly && kill_at_ == UINT64_MAX) {
    node.device = Settle(node, Keep::kPages);
    node.unflushed.clear();
    if (Random(2) == 0) {
      const size_t length = node.cached.size();
      node.cached = node.device;
      node.cached.resize(length);
    }
  }
  return outcome.status;
}

FaultFiles::Bytes FaultFiles::Settle(const Node& node, Keep keep) {
  Bytes bytes = node.device;
  for (const Write& write : node.unflushed) {
    const std::span<const std::byte> written(write.bytes);
    // Metadata and data go separate ways: a file may have grown without what belongs there.
    const bool grows = keep == Keep::kLengths ||
                       ((keep == Keep::kPages || keep == Keep::kSectors) && Random(2) == 0);
    if (grows && bytes.size() < write.offset + written.size()) {
      bytes.resize(write.offset + written.size());
    }
    switch (keep) {
      case Keep::kNothing:
      case Keep::kLengths:
        break;
      case Keep::kEverything:
        Apply(bytes, write.offset, written);
        break;
      case Keep::kBytes:
        Apply(bytes, write.offset, written.first(Random(written.size() + 1)));
        break;
      case Keep::kPages:
      case Keep::kSectors: {
        const uint64_t unit = keep == Keep::kPages ? 4096 : 512;
        for (uint64_t at = 0; at < written.size();) {
          const uint64_t size =
              std::min<uint64_t>(written.size() - at, unit - (write.offset + at) % unit);
          if (Random(2) == 0) Apply(bytes, write.offset + at, written.subspan(at, size));
          at += size;
        }
        break;
      }
    }
  }
  return bytes;
}

void FaultFiles::PowerCut(PowerCutModel model) {
  const std::lock_guard lock(mutex_);
  if (model.names != Names::kAsFlushed) {
    for (const NameChange& change : unflushed_names_) {
      if (model.names == Names::kSome && Random(2) == 0) continue;
      if (change.node == nullptr) {
        flushed_names_.erase(change.path);
      } else {
        flushed_names_[change.path] = change.node;
      }
    }
  }
  unflushed_names_.clear();
  names_ = flushed_names_;
  for (const auto& [name, node] : names_) {
    node->device = Settle(*node, model.bytes);
    node->cached = node->device;
    node->unflushed.clear();
  }
  Forget();
}

}  // namespace vitrine
