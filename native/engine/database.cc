#include "engine/database.h"

#include <algorithm>
#include <utility>

#include "base/await.h"
#include "base/elapsed.h"
#include "stats/cpu_stretch.h"

namespace vitrine {
namespace {

// How long nothing must be written before the last group is attested, and how often the thread
// looks while there is something to do.
constexpr std::chrono::milliseconds kTick{50};
// Between steps of linking, which writers wait for: long enough that one of them gets its turn.
constexpr std::chrono::milliseconds kTurn{1};
// A damaged file that could not be replaced waits so long for the next attempt.
constexpr uint64_t kHealAgainMs = 60'000;
// Vectors that are brought from files in one step: writes wait for so much at most.
constexpr size_t kSettleBytes = size_t{16} << 20;

}  // namespace

Database::Database(DatabaseOptions options)
    : options_(std::move(options)), flushed_at_(std::chrono::steady_clock::now()) {
  if (options_.files == nullptr) system_files_ = SystemFiles();
  files_ =
      std::make_unique<CountedFiles>(options_.files == nullptr ? *system_files_ : *options_.files);
}

Database::~Database() { StopBackground(); }

Result<std::unique_ptr<Database>> Database::Open(DatabaseOptions options) {
  // No log, and nothing to keep it in.
  if (options.folder.empty()) options.durability = Durability::kNone;
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Database> database(new Database(std::move(options)));
  if (!database->options_.folder.empty()) VITRINE_RETURN_IF_ERROR(database->OpenFolder());
  database->counts_.open_ns = NanosecondsSince(start);
  if (database->options_.background) {
    database->Start(database->log_keeper_, &Database::MaintainLog);
    database->Start(database->data_keeper_, &Database::MaintainData);
    const DatabaseOptions& all = database->options_;
    if (all.scrub_bytes_per_second > 0 && !all.folder.empty() && !all.read_only) {
      database->scrubber_ = std::thread([&scrubbed = *database] { scrubbed.RunScrubber(); });
    }
  }
  return database;
}

CheckpointPlace Database::Place() const {
  return {files_.get(), options_.folder, manifest_.database, options_.creator};
}

uint64_t Database::NowMs() const {
  if (options_.clock_ms) return options_.clock_ms();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

std::shared_ptr<LogWriter> Database::Log() const {
  const std::lock_guard lock(log_mutex_);
  return log_;
}

Status Database::Close() {
  const std::lock_guard closing(close_mutex_);
  if (std::exchange(closed_, true)) return closed_with_;
  queue_.Close();
  // Whoever was to do it may wait for the thread that this one is.
  Drain();
  StopBackground();
  const std::lock_guard scrub(scrub_mutex_);
  const std::lock_guard checkpoint(checkpoint_mutex_);
  // Without a log a checkpoint is all that keeps what was written.
  const bool only_copy = unlogged_.load(std::memory_order_relaxed) && !options_.folder.empty();
  if (only_copy) closed_with_ = CheckpointLocked();
  const std::lock_guard commit(commit_mutex_);
  shut_.store(true, std::memory_order_release);
  const std::shared_ptr<LogWriter> log = Log();
  if (log != nullptr) {
    const Status sealed = log->Close();
    if (closed_with_.ok()) closed_with_ = sealed;
  }
  {
    const std::lock_guard lock(log_mutex_);
    log_.reset();
  }
  lock_.reset();
  return closed_with_;
}

ConfigurationChange Database::CreateChange(const std::string& name, const CollectionConfig& config,
                                           LeftOpen left_open) {
  return {ConfigurationChange::Kind::kCreate, 0, name, config, {}, left_open};
}

Result<ConfigurationChange> Database::DropChange(const std::string& name) const {
  const Result<std::shared_ptr<Collection>> collection = FindCollection(name);
  if (!collection.ok()) return NotApplied(collection.status());
  if ((*collection)->name() != name) {
    return NotApplied({ErrorCode::kNotFound, '"' + name + "\" is an alias of a collection"});
  }
  return ConfigurationChange{ConfigurationChange::Kind::kDrop, (*collection)->id(), {}, {}, {}};
}

Result<ConfigurationChange> Database::AliasChange(const std::string& alias,
                                                  const std::string& name) const {
  const Result<std::shared_ptr<Collection>> collection = FindCollection(name);
  if (!collection.ok()) return NotApplied(collection.status());
  return ConfigurationChange{
      ConfigurationChange::Kind::kSetAlias, (*collection)->id(), alias, {}, {}};
}

ConfigurationChange Database::DropAliasChange(const std::string& alias) {
  return {ConfigurationChange::Kind::kDropAlias, 0, alias, {}, {}};
}

Result<std::shared_ptr<Collection>> Database::CreateCollection(const std::string& name,
                                                               const CollectionConfig& config) {
  const Result<WriteResult> created = WriteChange(CreateChange(name, config));
  if (!created.ok()) return created.status();
  return FindCollection(name);
}

Result<std::shared_ptr<Collection>> Database::FindCollection(const std::string& name) const {
  const std::shared_lock lock(catalog_mutex_);
  const auto collection = catalog_.by_name.find(name);
  if (collection != catalog_.by_name.end()) return collection->second;
  const auto alias = catalog_.aliases.find(name);
  if (alias != catalog_.aliases.end()) return catalog_.by_id.at(alias->second);
  return Status(ErrorCode::kNotFound, "there is no collection \"" + name + '"');
}

std::vector<std::shared_ptr<Collection>> Database::Collections() const {
  const std::shared_lock lock(catalog_mutex_);
  std::vector<std::shared_ptr<Collection>> collections;
  collections.reserve(catalog_.by_name.size());
  for (const auto& [name, collection] : catalog_.by_name) collections.push_back(collection);
  return collections;
}

std::map<std::string, std::string> Database::Aliases() const {
  const std::shared_lock lock(catalog_mutex_);
  std::map<std::string, std::string> aliases;
  for (const auto& [alias, id] : catalog_.aliases) aliases[alias] = catalog_.by_id.at(id)->name();
  return aliases;
}

ConfigurationChange Database::AddFieldChange(uint32_t collection, Field field) {
  return {ConfigurationChange::Kind::kAddField, collection, {}, {}, std::move(field)};
}

Status Database::AddField(const std::string& collection, const Field& field) {
  const Result<std::shared_ptr<Collection>> found = FindCollection(collection);
  if (!found.ok()) return NotApplied(found.status());
  const Result<WriteResult> added = WriteChange(AddFieldChange((*found)->id(), field));
  return added.ok() ? Status() : added.status();
}

Status Database::DropCollection(const std::string& name) {
  Result<ConfigurationChange> change = DropChange(name);
  if (!change.ok()) return change.status();
  const Result<WriteResult> dropped = WriteChange(std::move(*change));
  return dropped.ok() ? Status() : dropped.status();
}

Status Database::SetAlias(const std::string& alias, const std::string& name) {
  Result<ConfigurationChange> change = AliasChange(alias, name);
  if (!change.ok()) return change.status();
  const Result<WriteResult> set = WriteChange(std::move(*change));
  return set.ok() ? Status() : set.status();
}

Status Database::DropAlias(const std::string& alias) {
  const Result<WriteResult> dropped = WriteChange(DropAliasChange(alias));
  return dropped.ok() ? Status() : dropped.status();
}

Status Database::Flush() {
  if (options_.read_only) return {};
  const std::shared_ptr<LogWriter> log = Log();
  if (log != nullptr) return log->Flush();
  return options_.folder.empty() ? Status() : Checkpoint();
}

uint64_t Database::durable_lsn() const {
  const std::shared_ptr<LogWriter> log = Log();
  return log == nullptr ? 0 : log->durable_lsn();
}

bool Database::degraded() const {
  if (degraded_.load(std::memory_order_acquire)) return true;
  const std::shared_lock lock(catalog_mutex_);
  return std::any_of(catalog_.by_id.begin(), catalog_.by_id.end(),
                     [](const auto& entry) { return !entry.second->linked(); });
}

DatabaseMemory Database::memory() const {
  DatabaseMemory memory;
  for (const auto& collection : Collections()) memory.collections += collection->memory().total();
  return memory;
}

DatabaseDisk Database::disk() const {
  DatabaseDisk disk;
  {
    const std::lock_guard lock(counts_mutex_);
    disk = disk_;
  }
  if (const std::shared_ptr<LogWriter> log = Log()) {
    const LogCounts counts = log->counts();
    disk.log = counts.segment_bytes + counts.spare_bytes;
    disk.segment_files = counts.segments;
    disk.segment_bytes = counts.segment_bytes;
  }
  return disk;
}

DatabaseCounts Database::counts() const {
  DatabaseCounts counts;
  {
    const std::lock_guard lock(counts_mutex_);
    counts = counts_;
    if (const std::shared_ptr<LogWriter> log = Log()) {
      counts.log = log->counts();
      counts.log.AddDone(counts_.log);
    }
  }
  counts.io = files_->counts();
  counts.pending_bytes = logged_bytes_.load(std::memory_order_relaxed);
  const CommitQueue::Counts queued = queue_.counts();
  counts.refused_for_concurrency = queued.refused;
  counts.queued_writes = queued.writes;
  counts.queued_bytes = queued.bytes;
  return counts;
}

MaintenanceTotals Database::maintenance() const {
  const std::shared_lock lock(catalog_mutex_);
  MaintenanceTotals totals = dropped_maintenance_;
  for (const auto& [id, collection] : catalog_.by_id) {
    totals.Add(collection->table().maintenance());
  }
  return totals;
}

bool Database::Maintain() {
  const bool more = MaintainLog();
  return MaintainData() || more;
}

bool Database::MaintainLog() {
  const CpuStretch cpu(statistics_, CpuPool::kBackground);
  if (drain_asked_.exchange(false, std::memory_order_relaxed)) Drain();
  bool more = false;
  const std::shared_ptr<LogWriter> log = Log();
  if (log != nullptr && !log->failed()) {
    const uint64_t writes = writes_.load(std::memory_order_relaxed);
    const auto now = std::chrono::steady_clock::now();
    if (options_.durability == Durability::kInterval && !sealed_ &&
        now - flushed_at_ >= options_.interval) {
      (void)log->Flush().ok();  // a failure is the log's, and every later write says so
      flushed_at_ = now;
    }
    if (writes != seen_writes_) {
      if (sealed_) flushed_at_ = now;
      seen_writes_ = writes;
      sealed_ = false;
      more = true;
      if (log->counts().spare_bytes == 0) {
        const bool missing = !PrepareSegment().ok();
        reserve_missing_.store(missing, std::memory_order_relaxed);
      }
    } else if (!sealed_ && options_.durability == Durability::kCommit) {
      (void)log->Seal().ok();
      sealed_ = true;
    } else if (!sealed_) {
      // Sealing flushes: it waits for the interval.
      sealed_ = now - flushed_at_ >= options_.interval && log->Seal().ok();
      more = !sealed_;
    }
  }
  return more;
}

// Whether there is more to bring soon. What cannot be read is told to whoever needs it.
bool Database::SettleSome() {
  bool more = false;
  for (const auto& collection : Collections()) {
    Table& table = collection->table();
    if (table.settled()) continue;
    const CpuStretch cpu(statistics_, CpuPool::kBackground);
    const Result<bool> left = table.SettleSome(kSettleBytes / table.vector_bytes() + 1);
    more = more || (left.ok() && *left);
  }
  return more;
}

// Memory of vectors that are in files: whether there is more to give back soon, or some that a
// reader still has in hand.
TableRemap::Outcome Database::GiveBackSome() {
  auto all = TableRemap::Outcome::kDone;
  for (const auto& collection : Collections()) {
    Table& table = collection->table();
    const size_t rows = kSettleBytes / table.vector_bytes() + 1;
    all = std::max(all, TableRemap(table).GiveBackSome(rows));
  }
  return all;
}

bool Database::MaintainData() {
  bool more = SettleSome();
  const TableRemap::Outcome giving_back = GiveBackSome();
  more = more || giving_back == TableRemap::Outcome::kMore;
  for (const auto& collection : Collections()) {
    if (collection->linked()) continue;
    const CpuStretch cpu(statistics_, CpuPool::kBackground);
    const auto start = std::chrono::steady_clock::now();
    const Result<bool> linked = collection->LinkSome(64);
    uint64_t& spent_ns = rebuild_ns_[collection->id()];
    spent_ns += NanosecondsSince(start);
    more = more || (linked.ok() && *linked);
    if (!linked.ok() || *linked) continue;
    if (Statistics* const counting = statistics_.counting()) {
      counting->Observe(Family::kIndexBuildDuration, SeriesOf(BuildCause::kRebuild), spent_ns);
    }
    rebuild_ns_.erase(collection->id());
  }
  data_keeper_.pause = more ? kTurn : kTick;
  if (CheckpointIsDue()) {
    const std::lock_guard checkpoint(checkpoint_mutex_);
    if (!CheckpointLocked().ok()) {
      next_attempt_bytes_ =
          logged_bytes_.load(std::memory_order_relaxed) + options_.checkpoint_bytes / 4;
      next_healing_ms_ = NowMs() + kHealAgainMs;
    }
  }
  return more || giving_back == TableRemap::Outcome::kWaits || HasToHeal();
}

void Database::Start(Keeper& keeper, bool (Database::*maintain)()) {
  keeper.pause = kTick;
  keeper.thread = std::thread([this, &keeper, maintain] { RunBackground(keeper, maintain); });
}

void Database::StopBackground() {
  {
    const std::lock_guard lock(background_mutex_);
    background_stop_ = true;
    background_wake_.notify_all();
  }
  scrub_pace_.Stop();
  for (std::thread* const thread : {&log_keeper_.thread, &data_keeper_.thread, &scrubber_}) {
    if (thread->joinable()) thread->join();
  }
}

void Database::WakeBackground() {
  const std::lock_guard lock(background_mutex_);
  // They look at it when their pause is over: waking them at each write would cost it more than
  // they do.
  if (log_keeper_.has_work && data_keeper_.has_work) return;
  log_keeper_.has_work = data_keeper_.has_work = true;
  background_wake_.notify_all();
}

void Database::RunBackground(Keeper& keeper, bool (Database::*maintain)()) {
  std::unique_lock lock(background_mutex_);
  while (!background_stop_) {
    Await(background_wake_, lock, [&] { return keeper.has_work || background_stop_; });
    if (background_stop_) return;
    keeper.has_work = false;
    lock.unlock();
    bool more = true;  // also where memory runs out: then it is tried again
    const std::function<void()> step = [&] { more = (this->*maintain)(); };
    if (options_.shield) {
      options_.shield(step);
    } else {
      step();
    }
    lock.lock();
    if (more) keeper.has_work = true;
    // At its own pace, however often it is woken.
    background_wake_.wait_for(lock, keeper.pause, [&] { return background_stop_; });
  }
}

}  // namespace vitrine
