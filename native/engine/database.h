#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/collection.h"
#include "engine/collection_checkpoint.h"
#include "engine/collection_config.h"
#include "engine/commit_queue.h"
#include "engine/database_counts.h"
#include "engine/idempotency_window.h"
#include "engine/pending_write.h"
#include "stats/lazy_statistics.h"
#include "storage/counted_files.h"
#include "storage/file_lock.h"
#include "storage/file_system.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"
#include "storage/manifest.h"
#include "storage/paced_files.h"

namespace vitrine {

// When a write is acknowledged.
enum class Durability : uint8_t {
  kCommit,    // when the log has it on the device
  kInterval,  // when the log has it in a file; the device gets it within an interval
  kNone,      // at once: there is no log, and checkpoints alone keep anything
};

struct DatabaseOptions {
  // Where it is; empty: in memory alone.
  std::string folder;
  Durability durability = Durability::kCommit;
  std::chrono::milliseconds interval{1000};
  bool read_only = false;
  bool create = true;
  bool error_if_exists = false;
  uint64_t max_memory_bytes = UINT64_MAX;
  uint64_t max_disk_bytes = UINT64_MAX;
  // How fast files that nobody reads are looked at in the background; 0: not at all. So long is
  // waited between two passes.
  uint64_t scrub_bytes_per_second = 8'000'000;
  std::chrono::milliseconds scrub_pause = std::chrono::hours(1);
  // A checkpoint is due when the log holds more than this, and than a quarter of the data.
  uint64_t checkpoint_bytes = uint64_t{256} << 20;

  const KernelTable* kernels = nullptr;
  ThreadPool* pool = nullptr;  // null: the calling thread does all
  size_t threads = 1;          // of the pool, for one write
  std::string creator = "vitrine";

  // For tests: other files than the system's, without a lock; nobody who calls Maintain; the
  // log's segments; the time, in milliseconds since 1970.
  FileSystem* files = nullptr;
  bool background = true;
  SegmentSupply::Lengths segment_bytes = {uint64_t{4} << 20, uint64_t{64} << 20};
  std::function<uint64_t()> clock_ms;
  // Calls what the database's own thread does, and stops exceptions, for nobody is above that
  // thread; null where there are none.
  std::function<void(const std::function<void()>&)> shield;
};

struct DatabaseMemory {
  size_t collections = 0;
  size_t other = 0;  // idempotency keys
  size_t total() const { return collections + other; }
};

struct DatabaseDisk {
  uint64_t log = 0;                 // segments in use, and one that is prepared
  uint64_t checkpoint = 0;          // the newest
  uint64_t previous = 0;            // the one before, without the files that both have
  uint64_t checkpoint_index = 0;    // of the newest: graphs and codes
  uint64_t checkpoint_records = 0;  // of the newest: keys and payloads
  uint64_t segment_bytes = 0;       // of the log, without the prepared one
  uint64_t segment_files = 0;
  uint64_t checkpoint_files = 0;
  uint64_t previous_files = 0;  // that the newest does not have
  uint64_t total() const { return log + checkpoint + previous; }
};

// What verification found.
struct Damage {
  std::string path;
  std::string what;
};

// Somebody who wants to hear of damage when it is found.
class DamageListener {
 public:
  virtual ~DamageListener() = default;
  // On the thread that found it; returns soon, does not throw.
  virtual void Found(const Damage& damage) = 0;
};

// A folder of collections that never loses a write it acknowledged: every write goes to the log
// first, becomes visible when the log has it, and is acknowledged then. Checkpoints bound the log.
// See docs/formats/manifest.md, log.md and collection-checkpoint.md.
//
// Every write that fails says in its details what became of it: "outcome" is "not_applied", to try
// again is safe, or "unknown": the device failed while it was in flight. After that nothing is
// written any more until a checkpoint to new files succeeds; reads go on.
//
// Thread safety: every function may be called from any thread at any time.
class Database {
 public:
  // kLocked, kNotFound, kExists, kCorrupt, kFormat, kIo, kOption, kOutOfMemory. After a crash
  // nothing needs to be repaired: what was acknowledged is there.
  static Result<std::unique_ptr<Database>> Open(DatabaseOptions options);
  // Without Close this is like the end of the process. REQUIRES: no other call runs
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Finishes what was queued, attests the log and gives the folder free. Later calls return the
  // same; every other call fails with kClosed.
  Status Close();

  // A collection of that name and configuration, new or not; kExists when its configuration is
  // another one, or the name is an alias. kOption for a name that is none.
  Result<std::shared_ptr<Collection>> CreateCollection(const std::string& name,
                                                       const CollectionConfig& config);
  // By name or alias; kNotFound.
  Result<std::shared_ptr<Collection>> FindCollection(const std::string& name) const;
  std::vector<std::shared_ptr<Collection>> Collections() const;
  Status DropCollection(const std::string& name);
  // Declares a field of a collection that has points; nothing happens when it has it already. Reads
  // all payloads: other writes wait, readers do not. kExists when it has it with another type,
  // kPayload when a point has a value of another type, kOption.
  Status AddField(const std::string& collection, const Field& field);
  // Lets `alias` stand for a collection, in one step when it stood for another one.
  Status SetAlias(const std::string& alias, const std::string& name);
  Status DropAlias(const std::string& alias);
  std::map<std::string, std::string> Aliases() const;

  // The same for PendingWrite, which does not wait.
  static ConfigurationChange CreateChange(const std::string& name, const CollectionConfig& config,
                                          LeftOpen left_open = {});
  static ConfigurationChange AddFieldChange(uint32_t collection, Field field);
  Result<ConfigurationChange> DropChange(const std::string& name) const;
  Result<ConfigurationChange> AliasChange(const std::string& alias, const std::string& name) const;
  static ConfigurationChange DropAliasChange(const std::string& alias);

  // Does a transaction: whole, and visible, durable as the options say; or not at all.
  Result<WriteResult> Write(Transaction transaction);
  // The same without waiting: `write` hears of it. Whether the caller must now call Drain, on a
  // thread that may take its time: nobody else does.
  [[nodiscard]] bool Enqueue(const std::shared_ptr<PendingWrite>& write);
  // Does everything that is queued. All that waits shares one flush of the log.
  void Drain();
  // The same on the database's own thread, for a caller who may not take the time and has nobody
  // else to do it. REQUIRES: DatabaseOptions::background
  void DrainInBackground();

  // Returns when every write that was acknowledged before is on the device.
  Status Flush();
  // Writes the state to new files and forgets the log before. Brings a database back to life whose
  // log had failed.
  Status Checkpoint();
  // Writes the state as a database of its own into `folder`, which is empty or not there.
  Status Backup(const std::string& folder);
  // Reads every byte of every file that counts, and every link.
  Result<std::vector<Damage>> Verify();
  // Reads what nobody reads, as the device holds it: both generations, and the segments of the log
  // that are full. What is damaged is put aside and written anew from memory, which has it all.
  // The database does this by itself too, at its own pace.
  //   returns  what was damaged; when this returns it is not any more
  Result<std::vector<Damage>> Scrub();
  // Lets `listener` hear of damage that scrubbing finds, as long as it lives.
  void Watch(std::weak_ptr<DamageListener> listener);
  // What is due. The database's own threads call it, one for each half: what the log needs must not
  // wait for the other, which may take long. One call of each at a time.
  //   returns  whether something is left to do soon
  bool Maintain();
  // Seals, flushes, prepared segments.
  bool MaintainLog();
  // What opening left in files, lost graphs, checkpoints.
  bool MaintainData();

  uint64_t last_lsn() const { return last_lsn_.load(std::memory_order_acquire); }
  uint64_t durable_lsn() const;
  bool read_only() const { return options_.read_only; }
  // Whether a damaged file was replaced by another one, or by computing it anew, and that is not
  // done yet: searches may be exact, and slower.
  bool degraded() const;
  // Why nothing can be written; ok when it can.
  Status WriteFailure() const;
  DatabaseMemory memory() const;
  DatabaseDisk disk() const;
  // What is left of the device of its folder; a call of the operating system. REQUIRES: it has one
  Result<uint64_t> FreeBytes() const { return files_->FreeBytes(options_.folder); }
  DatabaseCounts counts() const;
  // How often the indexes of collections were maintained, those that were dropped included.
  MaintenanceTotals maintenance() const;
  // Of all that is done to the database, whoever does it.
  LazyStatistics& statistics() { return statistics_; }
  const DatabaseOptions& options() const { return options_; }

 private:
  class Waiter;
  class Draining;
  struct Catalog {
    std::map<std::string, std::shared_ptr<Collection>, std::less<>> by_name;
    std::map<uint32_t, std::shared_ptr<Collection>> by_id;
    std::map<std::string, uint32_t, std::less<>> aliases;
    uint32_t next = 1;
  };
  struct Recovery;

  explicit Database(DatabaseOptions options);

  CheckpointPlace Place() const;
  uint64_t NowMs() const;
  std::shared_ptr<LogWriter> Log() const;

  // Opening: database_open.cc.
  Status OpenFolder();
  Status Lock();
  Status ChooseManifest(const std::vector<std::string>& names);
  Status CreateFiles();
  Status LoadCollections(Recovery& recovery);
  Status LoadCollection(const Manifest::Collection& entry, Recovery& recovery);
  Status LoadWindow(Recovery& recovery);
  Status Replay(Recovery& recovery, LogReader::Purpose purpose);
  Status ReplayFrames(Recovery& recovery, LogReader& reader);
  Status ReplayTransactions(Recovery& recovery);
  Status ReplayChange(std::span<const std::byte> payload, uint64_t lsn);
  Status OpenLog(const LogEnd& end);
  Status Quarantine(const std::string& name);

  // Writing: database_write.cc. `commit_mutex_` is held.
  void Commit(std::span<const std::shared_ptr<PendingWrite>> batch);
  void CommitTransactions(std::span<const std::shared_ptr<PendingWrite>> batch);
  bool ResolveFilters(PendingWrite& write);
  bool CommitGroup(std::span<const std::shared_ptr<PendingWrite>> batch);
  Result<uint64_t> Append(std::vector<LogRecord> records, bool& durable,
                          LogWriter::Listener* listener = nullptr);
  // Adds what became of a group.
  void Count(const DatabaseCounts& more);
  Status CheckLimits(uint64_t memory_bytes, uint64_t disk_bytes) const;
  Status CheckReserve();
  Status PrepareSegment();
  uint64_t DiskBytesFor(uint64_t record_bytes) const;
  Result<WriteResult> WriteChange(ConfigurationChange change);

  // Configuration: database_catalog.cc. `commit_mutex_` is held, but while it is opened.
  enum class Need : uint8_t { kChange, kNothing };
  void CommitChange(PendingWrite& write);
  Result<Need> CheckChange(ConfigurationChange& change) const;
  Result<Need> CheckNewField(const Field& field, uint32_t collection) const;
  Result<std::unique_ptr<FieldColumns>> ReadNewField(const ConfigurationChange& change) const;
  static void ChangeCatalog(Catalog& catalog, const ConfigurationChange& change,
                            std::shared_ptr<Collection> created);
  Result<std::shared_ptr<Collection>> MakeCollection(const ConfigurationChange& change) const;
  Result<std::shared_ptr<Collection>> FindCollection(uint32_t id) const;

  // Checkpoints: database_checkpoint.cc. `checkpoint_mutex_` is held.
  struct Capture;
  Status CheckpointLocked();
  Status WriteCheckpoint();
  std::vector<uint32_t> ReusableParts();
  void Take(Capture& capture, std::span<const uint32_t> reusable);
  Result<Manifest> WriteParts(const CheckpointPlace& place, uint64_t epoch, Capture& capture,
                              const Manifest::Generation* reusable);
  Status WriteGeneration();
  void RemoveOldFiles();
  void Reclaim(LogWriter* log);
  void RemoveOldFile(const std::string& path);
  Status ReviveLog();
  bool CheckpointIsDue() const;
  // Whether what is missing is so because a reader is behind its writer. `checkpoint_mutex_` is
  // held.
  Status CheckNotBehind() const;
  // Whether a damaged file waits to be replaced.
  bool HasToHeal() const;
  bool SettleSome();
  TableRemap::Outcome GiveBackSome();
  void RemapVectors(Capture& capture);
  void CountBytes();
  std::set<std::string> NamesThatCount() const;
  static std::vector<CheckpointFile> FilesOf(const Manifest::Part& part);
  static std::vector<CheckpointFile> FilesOf(const Manifest::Generation& generation);
  static DatabaseId NewDatabaseId();

  // Verification and scrubbing: database_verify.cc.
  Status VerifyParts(std::vector<Damage>& damages);
  Status VerifyLog(std::vector<Damage>& damages);
  Status ReadWholeLog(uint64_t durable_lsn) const;
  struct ScrubTarget;
  std::vector<ScrubTarget> ScrubTargets() const;
  Status ScrubLog(FileSystem& files, const DatabaseId& database, uint64_t covered) const;
  Status ConfirmDamage(const ScrubTarget& target, std::vector<Damage>& damages);
  Result<std::vector<Damage>> ScrubPass(Pace& pace);
  void Tell(const Damage& damage);
  void RunScrubber();

  // The first pass comes no later than this after opening.
  static constexpr std::chrono::milliseconds kFirstScrub = std::chrono::minutes(1);

  struct Keeper {
    std::thread thread;
    bool has_work = true;
    std::chrono::milliseconds pause{};  // before its next step; its thread's own
  };
  void Start(Keeper& keeper, bool (Database::*maintain)());
  void RunBackground(Keeper& keeper, bool (Database::*maintain)());
  void StopBackground();
  void WakeBackground();

  LazyStatistics statistics_;
  DatabaseOptions options_;
  std::unique_ptr<FileSystem> system_files_;
  // All that is read and written goes through it.
  std::unique_ptr<CountedFiles> files_;
  std::unique_ptr<FileLock> lock_;

  mutable std::shared_mutex catalog_mutex_;
  Catalog catalog_;
  MaintenanceTotals dropped_maintenance_;  // of collections that are not in it any more

  CommitQueue queue_;

  // Held by who writes; taken before every other one but checkpoint_mutex_.
  std::mutex commit_mutex_;
  std::chrono::nanoseconds flush_time_{};  // how long the log took lately, until it was durable
  IdempotencyWindow window_;
  std::atomic<bool> shut_{false};  // release by Close, acquire by who writes: no more
  uint64_t window_lsn_ = 0;        // of the newest write in it
  // The last attempt to prepare a segment failed; relaxed, a hint.
  std::atomic<bool> reserve_missing_{false};
  std::atomic<uint64_t> last_lsn_{0};  // release by the writer; what is up to it is visible
  // Bytes of records since the newest checkpoint, and whether some were not logged; relaxed, for
  // who decides whether one is due.
  std::atomic<uint64_t> logged_bytes_{0};
  std::atomic<bool> unlogged_{false};
  std::atomic<uint64_t> writes_{0};

  mutable std::mutex log_mutex_;
  std::shared_ptr<LogWriter> log_;  // null in memory, without a log and when read only

  mutable std::mutex checkpoint_mutex_;
  uint64_t last_epoch_ = 0;  // that a file may have
  Manifest manifest_;        // the newest that is installed
  bool unfinished_ = false;  // the last attempt ended before its manifest was there
  bool heal_ = false;        // a damaged file was found: two checkpoints are due
  std::atomic<bool> degraded_{false};
  uint64_t next_attempt_bytes_ = 0;  // after a failure: not before the log has so much
  uint64_t next_healing_ms_ = 0;     // or, where a damaged file waits, this is the time

  mutable std::mutex counts_mutex_;
  DatabaseCounts counts_;  // without those of the log in use, and what is so now
  DatabaseDisk disk_;      // without the log

  // Held by a pass; taken before every other one but close_mutex_.
  std::mutex scrub_mutex_;
  Pace scrub_pace_;
  std::thread scrubber_;
  std::mutex listeners_mutex_;
  std::vector<std::weak_ptr<DamageListener>> listeners_;

  std::mutex close_mutex_;
  bool closed_ = false;
  Status closed_with_;

  std::mutex background_mutex_;
  std::condition_variable background_wake_;
  bool background_stop_ = false;
  // Relaxed: the queue's mutex orders what is drained.
  std::atomic<bool> drain_asked_{false};
  Keeper log_keeper_;
  Keeper data_keeper_;
  // Of the thread that calls MaintainData: what it has spent on graphs that were lost, by
  // collection.
  std::map<uint32_t, uint64_t> rebuild_ns_;
  // Of the thread that calls MaintainLog.
  uint64_t seen_writes_ = 0;
  bool sealed_ = true;
  std::chrono::steady_clock::time_point flushed_at_;
};

// Makes a database in `to`, which is empty or not there, of the one in `from`, such as a backup.
Status RestoreDatabase(DatabaseOptions from, const std::string& to);

}  // namespace vitrine
