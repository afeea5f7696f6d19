// Checkpoints: what is visible goes to new files, a manifest names them, and older ones go.

#include <algorithm>
#include <set>
#include <utility>

#include "base/byte_order.h"
#include "base/elapsed.h"
#include "base/probe.h"
#include "base/random.h"
#include "base/seeded_defect.h"
#include "engine/database.h"
#include "engine/mapped_collection.h"
#include "stats/cpu_stretch.h"
#include "storage/file_checks.h"
#include "storage/log_reader.h"

namespace vitrine {
namespace {

uint64_t BytesOf(const Manifest::Part& part) { return part.primary_bytes + part.graph_bytes; }

uint64_t Billionths(uint64_t part, uint64_t whole) {
  return static_cast<uint64_t>(1e9 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string FileNameOf(const CheckpointFile& file) {
  return CheckpointName(file.epoch, file.collection, file.file);
}

}  // namespace

std::vector<CheckpointFile> Database::FilesOf(const Manifest::Part& part) {
  std::vector<CheckpointFile> files = {{.epoch = part.epoch,
                                        .collection = part.collection,
                                        .bytes = part.primary_bytes,
                                        .root = part.primary_root}};
  if (part.graph_bytes != 0) {
    files.push_back({.epoch = part.epoch,
                     .collection = part.collection,
                     .file = PartFile::kGraph,
                     .bytes = part.graph_bytes,
                     .root = part.graph_root});
  }
  return files;
}

std::vector<CheckpointFile> Database::FilesOf(const Manifest::Generation& generation) {
  std::vector<CheckpointFile> all;
  for (const Manifest::Part& part : generation.parts) {
    for (CheckpointFile& file : FilesOf(part)) all.push_back(file);
  }
  return all;
}

// Of manifests and parts.
std::set<std::string> Database::NamesThatCount() const {
  std::set<std::string> names = {ManifestName(manifest_.epoch)};
  for (const CheckpointFile& file : FilesOf(manifest_.newest)) names.insert(FileNameOf(file));
  if (!manifest_.previous || SeededDefect("generation-before-removed")) return names;
  names.insert(ManifestName(manifest_.previous->epoch));
  for (const CheckpointFile& file : FilesOf(*manifest_.previous)) names.insert(FileNameOf(file));
  return names;
}

// The state at one moment, to be written while others go on writing.
struct Database::Capture {
  struct Item {
    std::shared_ptr<Collection> collection;
    std::unique_ptr<Collection::Image> image;  // null: an older part still holds
  };
  uint64_t covered_lsn = 0;
  uint32_t next_collection = 1;
  std::vector<Manifest::Collection> collections;
  std::vector<Manifest::Alias> aliases;
  std::vector<Item> items;
  IdempotencyWindow window;
  bool window_changed = false;
};

// The parts of the checkpoint before the newest whose files are whole: those that the next one may
// name again when nothing has changed since. So two files hold each part, that one and the
// newest's.
std::vector<uint32_t> Database::ReusableParts() {
  std::vector<uint32_t> whole;
  if (!manifest_.previous) return whole;
  Manifest::Generation& older = *manifest_.previous;
  std::map<uint32_t, uint64_t> last_lsns;
  for (const auto& collection : Collections()) {
    last_lsns[collection->id()] = collection->last_lsn();
  }
  const CheckpointPlace place = Place();
  for (Manifest::Part& part : older.parts) {
    const auto last = last_lsns.find(part.collection);
    if (last != last_lsns.end() && last->second > older.covered_lsn &&
        !SeededDefect("stale-part-named-again")) {
      continue;
    }
    bool is_whole = true;
    for (const CheckpointFile& file : FilesOf(part)) {
      const auto reader = OpenCheckpointFile(place, file);
      is_whole = is_whole && reader.ok() && (*reader)->VerifyAll().ok();
      if (is_whole && file.file == PartFile::kPrimary) part.record_bytes = RecordBytes(**reader);
    }
    if (is_whole) whole.push_back(part.collection);
  }
  return whole;
}

void Database::Take(Capture& capture, std::span<const uint32_t> reusable) {
  const std::lock_guard commit(commit_mutex_);
  capture.covered_lsn = last_lsn_.load(std::memory_order_relaxed);
  const std::shared_ptr<LogWriter> log = Log();
  if (log != nullptr && log->failed()) {
    // What was in flight when it failed is decided now: it was not done.
    capture.covered_lsn = std::max(capture.covered_lsn, log->last_lsn());
  }
  const Manifest::Generation older = manifest_.previous.value_or(Manifest::Generation{});
  const auto holds = [&](uint32_t part, uint64_t lsn) {
    return (lsn <= older.covered_lsn || SeededDefect("stale-part-named-again")) &&
           std::find(reusable.begin(), reusable.end(), part) != reusable.end();
  };
  capture.covered_lsn += SeededDefect("covers-one-too-many") ? 1 : 0;
  capture.window = window_;
  capture.window_changed = !holds(kDatabasePart, window_lsn_);
  const std::shared_lock lock(catalog_mutex_);
  capture.next_collection = catalog_.next;
  for (const auto& [id, collection] : catalog_.by_id) {
    capture.collections.push_back(
        {id, collection->name(), EncodeCollectionConfig(collection->config())});
    Capture::Item item{collection, nullptr};
    const bool graph_is_there =
        older.Find(id) != nullptr && (older.Find(id)->graph_bytes != 0 || !collection->linked());
    if (!graph_is_there || !holds(id, collection->last_lsn())) {
      item.image = std::make_unique<Collection::Image>(*collection, nullptr,
                                                       Collection::Image::Order::kNotYet);
    }
    capture.items.push_back(std::move(item));
  }
  if (SeededDefect("aliases-left-out")) return;
  for (const auto& [alias, id] : catalog_.aliases) capture.aliases.push_back({alias, id});
}

Result<Manifest> Database::WriteParts(const CheckpointPlace& place, uint64_t epoch,
                                      Capture& capture, const Manifest::Generation* reusable) {
  Manifest manifest;
  manifest.database = place.database;
  manifest.epoch = epoch;
  manifest.durable_lsn = capture.covered_lsn;
  manifest.next_collection = capture.next_collection;
  manifest.collections = capture.collections;
  manifest.aliases = capture.aliases;
  manifest.newest.epoch = epoch;
  manifest.newest.covered_lsn = capture.covered_lsn;
  std::vector<Manifest::Part>& parts = manifest.newest.parts;
  if (!capture.window_changed) {
    parts.push_back(*reusable->Find(kDatabasePart));
  } else if (capture.window.size() > 0 && !SeededDefect("window-left-out")) {
    Result<Manifest::Part> part = capture.window.Write(place, epoch);
    if (!part.ok()) return part.status();
    parts.push_back(*part);
  }
  for (Capture::Item& item : capture.items) {
    if (item.image == nullptr) {
      parts.push_back(*reusable->Find(item.collection->id()));
      continue;
    }
    item.image->Sort();
    Result<Manifest::Part> part = WriteCollection(place, epoch, *item.collection, *item.image);
    if (!part.ok()) return part.status();
    parts.push_back(*part);
    // What writers took away meanwhile can be used again, unless rows go over to the file.
    if (item.collection->config().vectors != VectorPlace::kMapped) item.image.reset();
  }
  return manifest;
}

// From here on the vectors of collections that leave them in files are read from the newest.
void Database::RemapVectors(Capture& capture) {
  for (Capture::Item& item : capture.items) {
    if (item.image == nullptr || item.image->size() == 0) continue;
    const Manifest::Part& part = *manifest_.newest.Find(item.collection->id());
    auto rows = MapCollection(Place(), part, *item.collection, *item.image);
    // What cannot be mapped now stays where it is until the next checkpoint.
    if (rows.ok()) (void)TableRemap(item.collection->table()).UseFile(std::move(*rows));
    item.image.reset();
    WakeBackground();
  }
}

Status Database::WriteGeneration() {
  const std::shared_ptr<LogWriter> log = Log();
  const bool whole = unlogged_.load(std::memory_order_relaxed) || (log != nullptr && log->failed());
  const uint64_t logged_before = logged_bytes_.load(std::memory_order_relaxed);
  // What an attempt left behind that ended for lack of memory.
  if (std::exchange(unfinished_, true)) RemoveOldFiles();
  Capture capture;
  Take(capture, whole ? std::vector<uint32_t>() : ReusableParts());
  const uint64_t epoch = ++last_epoch_;
  const std::optional<Manifest::Generation>& older = manifest_.previous;
  Result<Manifest> manifest = WriteParts(Place(), epoch, capture, older ? &*older : nullptr);
  if (!manifest.ok()) {
    RemoveOldFiles();  // a full disk needs the room
    return manifest.status();
  }
  manifest->previous = manifest_.newest;
  if (log != nullptr && !log->failed()) {
    // The log must lead from the checkpoint before to this one when the power fails and a file of
    // this one is damaged; what was written since the last flush is covered, too.
    if (Status flushed = log->Flush(); !flushed.ok()) {
      RemoveOldFiles();
      return flushed;
    }
    manifest->durable_lsn = std::max(manifest->durable_lsn, log->durable_lsn());
    manifest->log_segment = log->segment();
  }
  if (log != nullptr && SeededDefect("log-removed-before-manifest")) {
    (void)log->RemoveThrough(manifest->newest.covered_lsn).ok();
  }
  VITRINE_RETURN_IF_ERROR(WriteManifest(*files_, options_.folder, *manifest, options_.creator));
  manifest_ = std::move(*manifest);
  unfinished_ = false;
  uint64_t written = 0;
  {
    const std::lock_guard lock(counts_mutex_);
    ++counts_.checkpoints;
    counts_.checkpointed_log_bytes += logged_before;
    for (const Manifest::Part& part : manifest_.newest.parts) {
      const bool is_new = part.epoch == epoch;
      counts_.written_parts += is_new ? 1 : 0;
      counts_.kept_parts += is_new ? 0 : 1;
      counts_.written_files += is_new ? FilesOf(part).size() : 0;
      if (is_new) written += BytesOf(part);
    }
    counts_.checkpoint_written_bytes += written;
  }
  if (Statistics* const counting = statistics_.counting();
      counting != nullptr && logged_before > 0) {
    counting->Observe(Family::kWriteAmplification, 0, Billionths(written, logged_before));
  }
  logged_bytes_.fetch_sub(logged_before, std::memory_order_relaxed);
  next_attempt_bytes_ = 0;
  CountBytes();
  RemapVectors(capture);
  return {};
}

void Database::CountBytes() {
  DatabaseDisk disk;
  for (const Manifest::Part& part : manifest_.newest.parts) {
    disk.checkpoint += BytesOf(part);
    disk.checkpoint_index += part.graph_bytes;
    disk.checkpoint_records += part.record_bytes;
    disk.checkpoint_files += FilesOf(part).size();
  }
  if (manifest_.previous) {
    for (const Manifest::Part& part : manifest_.previous->parts) {
      const Manifest::Part* const same = manifest_.newest.Find(part.collection);
      if (same != nullptr && same->epoch == part.epoch) continue;
      disk.previous += BytesOf(part);
      disk.previous_files += FilesOf(part).size();
    }
  }
  const std::lock_guard lock(counts_mutex_);
  disk_ = disk;
}

// Everything that no manifest names which counts. Best effort: what stays is removed after the next
// checkpoint.
void Database::RemoveOldFiles() {
  const Result<std::vector<std::string>> names = files_->List(options_.folder);
  if (!names.ok()) return;
  const std::set<std::string> kept = NamesThatCount();
  // Manifests, then what they name.
  for (const bool manifests : {true, false}) {
    for (const std::string& name : *names) {
      const bool is_ours = manifests ? ManifestEpoch(name).has_value()
                                     : IsCheckpointName(name) || IsUnfinishedFile(name);
      if (!is_ours || kept.contains(name)) continue;
      RemoveOldFile(options_.folder + "/" + name);
    }
  }
}

void Database::RemoveOldFile(const std::string& path) {
  uint64_t bytes = 0;
  if (const auto file = files_->OpenForReading(path, FileSystem::Cache::kUse); file.ok()) {
    const Result<uint64_t> size = (*file)->Size();
    bytes = size.ok() ? *size : 0;
  }
  if (!files_->Remove(path).ok()) return;
  const std::lock_guard lock(counts_mutex_);
  ++counts_.removed_files;
  counts_.removed_bytes += bytes;
}

Status Database::CheckpointLocked() {
  VITRINE_PROBE(checkpoint__start);
  const auto start = std::chrono::steady_clock::now();
  Status status;
  {
    const CpuStretch cpu(statistics_, CpuPool::kCompaction);
    status = WriteCheckpoint();
  }
  const uint64_t spent_ns = NanosecondsSince(start);
  VITRINE_PROBE1(checkpoint__done, spent_ns);
  if (Statistics* const counting = statistics_.counting()) {
    counting->Observe(Family::kCompactionDuration, 0, spent_ns);
  }
  const std::lock_guard lock(counts_mutex_);
  counts_.failed_checkpoints += status.ok() ? 0 : 1;
  counts_.checkpoint_ns += spent_ns;
  return status;
}

Status Database::WriteCheckpoint() {
  if (options_.folder.empty()) return {};
  if (options_.read_only) {
    return {ErrorCode::kReadOnly, "the database was opened for reading only"};
  }
  const std::shared_ptr<LogWriter> log = Log();
  // So that the log, too, has what the checkpoint before needs behind it.
  if (log != nullptr && !log->failed()) (void)log->Flush().ok();
  const bool dead = log != nullptr && log->failed();
  const bool unlogged = unlogged_.load(std::memory_order_relaxed);
  VITRINE_RETURN_IF_ERROR(WriteGeneration());
  if ((dead || unlogged || heal_) && !SeededDefect("revived-with-one-generation")) {
    // The log does not lead from the checkpoint before to this one, or that one is damaged: both
    // must be of now.
    VITRINE_RETURN_IF_ERROR(WriteGeneration());
    unlogged_.store(log == nullptr && last_lsn() > manifest_.newest.covered_lsn,
                    std::memory_order_relaxed);
  }
  heal_ = false;
  degraded_.store(false, std::memory_order_release);
  Reclaim(dead ? nullptr : log.get());
  return dead ? ReviveLog() : Status();
}

// Removes what no checkpoint needs, in the log too, unless it is null.
void Database::Reclaim(LogWriter* log) {
  const auto start = std::chrono::steady_clock::now();
  const auto removed = [&] {
    const uint64_t segments = log == nullptr ? 0 : log->counts().removed_segments;
    const std::lock_guard lock(counts_mutex_);
    return counts_.removed_files + segments;
  };
  const uint64_t before = removed();
  RemoveOldFiles();
  if (log != nullptr && manifest_.previous) {
    // The next checkpoint removes what this time stays.
    const Manifest::Generation& oldest =
        SeededDefect("log-of-generation-before-removed") ? manifest_.newest : *manifest_.previous;
    (void)log->RemoveThrough(oldest.covered_lsn).ok();
  }
  if (removed() == before) return;
  if (Statistics* const counting = statistics_.counting()) {
    counting->Observe(Family::kReclaimDuration, 0, NanosecondsSince(start));
  }
  const std::lock_guard lock(counts_mutex_);
  ++counts_.reclaims;
}

Status Database::Checkpoint() {
  const std::lock_guard checkpoint(checkpoint_mutex_);
  if (queue_.closed()) return {ErrorCode::kClosed, "the database is closed"};
  return CheckpointLocked();
}

// As after a crash: the end of the log is found anew, and a new segment follows it.
Status Database::ReviveLog() {
  const std::lock_guard commit(commit_mutex_);
  std::shared_ptr<LogWriter> dead = Log();
  const uint64_t covered = manifest_.newest.covered_lsn;
  const Result<std::unique_ptr<LogReader>> reader =
      LogReader::Open(*files_, options_.folder,
                      {.purpose = LogReader::Purpose::kRecover,
                       .database = manifest_.database,
                       .covered_lsn = covered});
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) break;
    return {ErrorCode::kInternal, "the log has a record that the checkpoint does not cover"};
  }
  // What its last frames were does not matter any more: nothing needs to attest them.
  LogEnd end = (*reader)->end();
  end.sealed = true;
  end.truncated_from = 0;
  {
    // Nobody reads totals of which those of one log are missing.
    const std::lock_guard lock(counts_mutex_);
    VITRINE_RETURN_IF_ERROR(OpenLog(end));
    counts_.log.AddDone(dead->counts());
  }
  (void)Log()->RemoveThrough(covered).ok();
  last_lsn_.store(covered, std::memory_order_release);
  reserve_missing_.store(false, std::memory_order_relaxed);
  return {};
}

bool Database::CheckpointIsDue() const {
  if (options_.folder.empty() || options_.read_only) return false;
  const uint64_t logged = logged_bytes_.load(std::memory_order_relaxed);
  {
    const std::lock_guard checkpoint(checkpoint_mutex_);
    const bool may_be_tried = logged >= next_attempt_bytes_;
    // Also while nobody writes: until then a single damaged file may be one too many.
    if (heal_) return may_be_tried || NowMs() >= next_healing_ms_;
    if (!may_be_tried) return false;
  }
  // In time for two generations and a log to fit below the limit.
  if (options_.max_disk_bytes != UINT64_MAX && logged > options_.max_disk_bytes / 4) return true;
  return logged > std::max(options_.checkpoint_bytes, disk().checkpoint / 4);
}

bool Database::HasToHeal() const {
  const std::lock_guard checkpoint(checkpoint_mutex_);
  return heal_ && !options_.read_only;
}

Status Database::Backup(const std::string& folder) {
  const auto start = std::chrono::steady_clock::now();
  const std::lock_guard checkpoint(checkpoint_mutex_);
  VITRINE_RETURN_IF_ERROR(files_->CreateFolder(folder));
  const Result<std::vector<std::string>> names = files_->List(folder);
  if (!names.ok()) return names.status();
  if (!names->empty()) return {ErrorCode::kExists, folder + " is not empty"};
  Capture capture;
  Take(capture, {});
  CheckpointPlace place{files_.get(), folder, NewDatabaseId(), options_.creator};
  const Result<Manifest> manifest = WriteParts(place, 1, capture, nullptr);
  if (!manifest.ok()) return manifest.status();
  VITRINE_RETURN_IF_ERROR(WriteManifest(*files_, folder, *manifest, options_.creator));
  if (Statistics* const counting = statistics_.counting()) {
    counting->Observe(Family::kSnapshotDuration, SeriesOf(SnapshotPhase::kCreate),
                      NanosecondsSince(start));
  }
  const std::lock_guard lock(counts_mutex_);
  counts_.last_backup_ns = NowMs() * 1'000'000;
  return {};
}

DatabaseId Database::NewDatabaseId() {
  DatabaseId id{};
  static_assert(sizeof(id) == 2 * sizeof(uint64_t));
  StoreLittleEndian(id.data(), RandomWord());
  StoreLittleEndian(id.data() + sizeof(uint64_t), RandomWord());
  id[0] |= std::byte{1};  // never all zero
  return id;
}

Status RestoreDatabase(DatabaseOptions from, const std::string& to) {
  from.read_only = true;
  from.background = false;
  const Result<std::unique_ptr<Database>> database = Database::Open(std::move(from));
  if (!database.ok()) return database.status();
  return (*database)->Backup(to);
}

}  // namespace vitrine
