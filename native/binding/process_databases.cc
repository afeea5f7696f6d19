#include "binding/process_databases.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

namespace vitrine {
namespace {

struct OpenFolder {
  std::weak_ptr<Database> database;
  size_t shares = 0;
};

// Beside the pool the one thing that environments share: a folder has one writer in a process.
struct Registry {
  std::mutex mutex;
  std::map<std::string, OpenFolder> folders;
};

Registry& ProcessRegistry() {
  static Registry registry;
  return registry;
}

// By what folders are told apart: where the path leads. Readers are apart from the writer.
std::string KeyOf(const DatabaseOptions& options) {
  if (options.folder.empty() || options.read_only) return {};
  std::error_code error;
  const std::filesystem::path path = std::filesystem::weakly_canonical(options.folder, error);
  return error ? options.folder : path.string();
}

}  // namespace

Result<std::shared_ptr<SharedDatabase>> SharedDatabase::Open(DatabaseOptions options) {
  const std::string key = KeyOf(options);
  std::unique_lock<std::mutex> lock;
  if (!key.empty()) {
    lock = std::unique_lock(ProcessRegistry().mutex);
    const auto found = ProcessRegistry().folders.find(key);
    if (found != ProcessRegistry().folders.end()) {
      std::shared_ptr<Database> database = found->second.database.lock();
      if (database != nullptr) {
        if (options.error_if_exists) {
          return Status(ErrorCode::kExists, "there is a database in " + options.folder);
        }
        if (database->options().durability != options.durability) {
          return Status(ErrorCode::kOption,
                        options.folder + " is open in this process with another durability");
        }
        std::shared_ptr<SharedDatabase> share(new SharedDatabase(key, std::move(database)));
        ++found->second.shares;
        return share;
      }
    }
  }
  Result<std::unique_ptr<Database>> opened = Database::Open(std::move(options));
  if (!opened.ok()) return opened.status();
  std::shared_ptr<Database> database(std::move(*opened));
  std::shared_ptr<SharedDatabase> share(new SharedDatabase(key, database));
  if (!key.empty()) ProcessRegistry().folders[key] = {database, 1};
  return share;
}

SharedDatabase::~SharedDatabase() {
  if (closed_ || key_.empty()) return;
  Registry& registry = ProcessRegistry();
  const std::lock_guard lock(registry.mutex);
  const auto found = registry.folders.find(key_);
  if (found != registry.folders.end() && --found->second.shares == 0) {
    registry.folders.erase(found);
  }
}

Status SharedDatabase::Close() {
  std::unique_lock<std::mutex> lock;
  if (!key_.empty()) {
    lock = std::unique_lock(ProcessRegistry().mutex);
    if (std::exchange(closed_, true)) return {};
    const auto found = ProcessRegistry().folders.find(key_);
    if (found != ProcessRegistry().folders.end() && --found->second.shares > 0) return {};
    if (found != ProcessRegistry().folders.end()) ProcessRegistry().folders.erase(found);
  }
  // Under the lock: whoever opens it next waits until the folder is free.
  return database_->Close();
}

}  // namespace vitrine
