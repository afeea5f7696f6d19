#include "binding/process_databases.h"

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "base/await.h"

namespace vitrine {
namespace {

struct Engine;

struct OpenFolder {
  std::weak_ptr<Database> database;  // none while it is being opened or closed
  const Engine* engine = nullptr;    // of that, to tell it from one that comes after
  size_t shares = 0;
};

// Beside the pool the one thing that environments share: a folder has one writer in a process.
//
// Nobody opens or closes an engine with the mutex held: that waits for threads of the pool, and one
// of those may be about to end another engine.
struct Registry {
  std::mutex mutex;
  std::condition_variable changed;  // an engine has been opened, or is gone
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

// An engine while somebody has it. Its folder stays registered until it is free: an environment
// that was terminated closes nothing, and whoever opens the folder next must not find it locked.
struct Engine {
  explicit Engine(std::string its_key) : key(std::move(its_key)) {}
  ~Engine() {
    database.reset();
    if (key.empty()) return;
    Registry& registry = ProcessRegistry();
    const std::lock_guard lock(registry.mutex);
    const auto found = registry.folders.find(key);
    if (found == registry.folders.end() || found->second.engine != this) return;
    registry.folders.erase(found);
    registry.changed.notify_all();
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const std::string key;
  std::unique_ptr<Database> database;
};

// While somebody opens a folder or closes it: others who want it wait.
class BusyFolder {
 public:
  // REQUIRES: the registry's mutex is held
  explicit BusyFolder(const std::string& key) : key_(key) { ProcessRegistry().folders[key_] = {}; }
  ~BusyFolder() {
    Registry& registry = ProcessRegistry();
    const std::lock_guard lock(registry.mutex);
    if (!kept_) registry.folders.erase(key_);
    registry.changed.notify_all();
  }
  BusyFolder(const BusyFolder&) = delete;
  BusyFolder& operator=(const BusyFolder&) = delete;

  // It is open now, for one.
  void Keep(const std::shared_ptr<Database>& database, const Engine* engine) {
    const std::lock_guard lock(ProcessRegistry().mutex);
    ProcessRegistry().folders[key_] = {database, engine, 1};
    kept_ = true;
  }

 private:
  const std::string key_;
  bool kept_ = false;
};

// The engine that has the folder open, if there is one; waits for one that begins or ends.
std::shared_ptr<Database> FindOpen(Registry& registry, const std::string& key,
                                   std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<Database> database;
  Await(registry.changed, lock, [&] {
    const auto found = registry.folders.find(key);
    if (found == registry.folders.end()) return true;
    database = found->second.database.lock();
    return database != nullptr;
  });
  return database;
}

// Whether somebody may share the engine who asks for it with `options`: what is left open is as it
// is.
Status CheckSame(const DatabaseOptions& open, const DatabaseOptions& options) {
  const DatabaseOptions usual;
  const char* other = nullptr;
  const auto check = [&](const char* name, auto member) {
    if (options.*member != usual.*member && options.*member != open.*member) other = name;
  };
  if (open.durability != options.durability) other = "durability";
  check("intervalMs", &DatabaseOptions::interval);
  check("maxMemoryBytes", &DatabaseOptions::max_memory_bytes);
  check("maxDiskBytes", &DatabaseOptions::max_disk_bytes);
  check("scrubBytesPerSecond", &DatabaseOptions::scrub_bytes_per_second);
  if (other == nullptr) return {};
  return {ErrorCode::kOption, options.folder + " is open in this process with another " + other};
}

}  // namespace

Result<std::shared_ptr<SharedDatabase>> SharedDatabase::Open(DatabaseOptions options) {
  const std::string key = KeyOf(options);
  Registry& registry = ProcessRegistry();
  // Both are let go after the lock, which the end of an engine takes.
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Database> database;
  std::unique_lock<std::mutex> lock;
  if (!key.empty()) {
    lock = std::unique_lock(registry.mutex);
    database = FindOpen(registry, key, lock);
    if (database != nullptr) {
      if (options.error_if_exists) {
        return Status(ErrorCode::kExists, "there is a database in " + options.folder);
      }
      VITRINE_RETURN_IF_ERROR(CheckSame(database->options(), options));
      std::shared_ptr<SharedDatabase> share(new SharedDatabase(key, database));
      ++registry.folders[key].shares;
      return share;
    }
  }
  engine = std::make_shared<Engine>(key);
  std::optional<BusyFolder> busy;
  if (!key.empty()) {
    busy.emplace(key);
    lock.unlock();
  }
  Result<std::unique_ptr<Database>> opened = Database::Open(std::move(options));
  if (!opened.ok()) return opened.status();
  engine->database = std::move(*opened);
  database = std::shared_ptr<Database>(engine, engine->database.get());
  std::shared_ptr<SharedDatabase> share(new SharedDatabase(key, database));
  if (busy) busy->Keep(database, engine.get());
  return share;
}

SharedDatabase::~SharedDatabase() {
  if (closed_ || key_.empty()) return;
  Registry& registry = ProcessRegistry();
  const std::lock_guard lock(registry.mutex);
  const auto found = registry.folders.find(key_);
  if (found != registry.folders.end()) --found->second.shares;
}

Status SharedDatabase::Close() {
  std::optional<BusyFolder> busy;
  if (!key_.empty()) {
    const std::lock_guard lock(ProcessRegistry().mutex);
    // Who closes twice waits as well, unless others still have it.
    if (std::exchange(closed_, true) && !ends_) return {};
    if (!ends_) {
      const auto found = ProcessRegistry().folders.find(key_);
      if (found != ProcessRegistry().folders.end() && --found->second.shares > 0) return {};
      busy.emplace(key_);
      ends_ = true;
    }
  }
  return database_->Close();
}

}  // namespace vitrine
