// Opening a folder: the lock, a manifest, the parts that it names, and what the log has beyond.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/seeded_defect.h"
#include "engine/database.h"
#include "engine/write_group.h"
#include "storage/file_checks.h"
#include "storage/log_reader.h"

namespace vitrine {
namespace {

// Replayed transactions that are linked together.
constexpr size_t kReplayOperations = 4096;
constexpr size_t kReplayBytes = size_t{16} << 20;

bool IsMissing(const Status& status) {
  return std::any_of(status.details().begin(), status.details().end(), [](const ErrorDetail& one) {
    return one.name == "errno" &&
           one.value == std::variant<uint64_t, std::string>(uint64_t{ENOENT});
  });
}

}  // namespace

struct Database::Recovery {
  // The checkpoint that was found holds everything up to these numbers.
  std::map<uint32_t, uint64_t> covered;
  uint64_t window_covered = 0;
  uint64_t configuration_covered = 0;
  uint64_t least_covered = UINT64_MAX;

  // What was read from the log and is not applied.
  struct Waiting {
    uint64_t lsn;
    std::vector<std::byte> bytes;
  };
  std::vector<Waiting> waiting;
  size_t waiting_bytes = 0;
  size_t waiting_operations = 0;

  void Cover(uint32_t collection, uint64_t lsn) {
    covered[collection] = lsn;
    least_covered = std::min(least_covered, lsn);
  }
};

Status Database::Lock() {
  // Files of a test have no descriptors to lock; readers take what they find.
  if (options_.files != nullptr || options_.read_only) return {};
  Result<LockAttempt> attempt = TryLock(options_.folder + "/LOCK");
  if (!attempt.ok()) return attempt.status();
  if (attempt->lock == nullptr) {
    return {ErrorCode::kLocked,
            options_.folder + " is open for writing already, by " + attempt->holder};
  }
  lock_ = std::move(attempt->lock);
  return {};
}

Status Database::OpenFolder() {
  const bool writes = !options_.read_only;
  if (writes && options_.create) VITRINE_RETURN_IF_ERROR(files_->CreateFolder(options_.folder));
  Result<std::vector<std::string>> names = files_->List(options_.folder);
  if (!names.ok() && IsMissing(names.status())) {
    return {ErrorCode::kNotFound, "there is no database in " + options_.folder};
  }
  if (!names.ok()) return names.status();
  VITRINE_RETURN_IF_ERROR(Lock());
  // Once more: until now another process may have written.
  names = files_->List(options_.folder);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!writes || !IsUnfinishedFile(name)) continue;
    VITRINE_RETURN_IF_ERROR(files_->Remove(options_.folder + "/" + name));
  }
  VITRINE_RETURN_IF_ERROR(ChooseManifest(*names));
  Recovery recovery;
  VITRINE_RETURN_IF_ERROR(LoadCollections(recovery));
  return Replay(recovery, writes ? LogReader::Purpose::kRecover : LogReader::Purpose::kInspect);
}

Status Database::Quarantine(const std::string& name) {
  degraded_.store(true, std::memory_order_release);
  if (options_.read_only) return {};
  const Result<std::vector<std::string>> names = files_->List(options_.folder);
  if (!names.ok()) return names.status();
  if (!std::binary_search(names->begin(), names->end(), name)) return {};
  {
    const std::lock_guard lock(counts_mutex_);
    ++counts_.quarantined;
  }
  if (SeededDefect("quarantine-deletes")) return files_->Remove(options_.folder + "/" + name);
  return files_->Rename(options_.folder + "/" + name,
                        options_.folder + "/" + QuarantinedName(name));
}

Status Database::ChooseManifest(const std::vector<std::string>& names) {
  std::vector<uint64_t> epochs;
  bool has_data = false;
  for (const std::string& name : names) {
    if (const auto epoch = ManifestEpoch(name)) epochs.push_back(*epoch);
    has_data = has_data || IsCheckpointName(name) || SegmentNumber(name).has_value() ||
               name.starts_with(QuarantinedName(""));
  }
  if (!epochs.empty() && options_.error_if_exists) {
    return {ErrorCode::kExists, "there is a database in " + options_.folder + " already"};
  }
  std::vector<std::string> damaged;
  Status first_damage;
  for (const uint64_t epoch : std::vector(epochs.rbegin(), epochs.rend())) {
    last_epoch_ = std::max(last_epoch_, epoch);
    Result<Manifest> manifest = ReadManifest(*files_, options_.folder, epoch);
    if (manifest.ok()) {
      manifest_ = std::move(*manifest);
      for (const std::string& name : damaged) VITRINE_RETURN_IF_ERROR(Quarantine(name));
      // Two whole manifests are wanted: the next checkpoint writes one.
      heal_ = !damaged.empty();
      return {};
    }
    // One that cannot be read, or that a newer version wrote, may hold more than those before.
    if (manifest.status().code() != ErrorCode::kCorrupt) return manifest.status();
    if (first_damage.ok()) first_damage = manifest.status();
    damaged.push_back(ManifestName(epoch));
  }
  if (!first_damage.ok()) return first_damage;
  if (has_data) {
    return CorruptFile(options_.folder, "manifest", 0, "there are files, but no manifest");
  }
  if (options_.read_only || !options_.create) {
    return {ErrorCode::kNotFound, "there is no database in " + options_.folder};
  }
  return CreateFiles();
}

// Two manifests, so that no single damaged file is one too many.
Status Database::CreateFiles() {
  manifest_.database = NewDatabaseId();
  for (uint64_t epoch = 1; epoch <= 2; ++epoch) {
    if (epoch > 1) manifest_.previous = manifest_.newest;
    manifest_.epoch = manifest_.newest.epoch = last_epoch_ = epoch;
    VITRINE_RETURN_IF_ERROR(WriteManifest(*files_, options_.folder, manifest_, options_.creator));
  }
  return {};
}

Status Database::LoadCollections(Recovery& recovery) {
  recovery.configuration_covered = manifest_.newest.covered_lsn;
  recovery.least_covered = manifest_.newest.covered_lsn;
  catalog_.next = manifest_.next_collection;
  for (const Manifest::Collection& entry : manifest_.collections) {
    VITRINE_RETURN_IF_ERROR(LoadCollection(entry, recovery));
  }
  for (const Manifest::Alias& alias : manifest_.aliases) {
    catalog_.aliases[alias.name] = alias.collection;
  }
  CountBytes();
  return LoadWindow(recovery);
}

Status Database::LoadCollection(const Manifest::Collection& entry, Recovery& recovery) {
  const CheckpointPlace place = Place();
  const Result<CollectionConfig> config = DecodeCollectionConfig(entry.config, entry.name);
  if (!config.ok()) return config.status();
  const CollectionSource source{entry.id,         entry.name,    *config,
                                options_.kernels, options_.pool, options_.threads};
  Result<LoadedCollection> loaded = LoadedCollection{};
  uint64_t covered = manifest_.newest.covered_lsn;
  Manifest::Part* part = manifest_.newest.Find(entry.id);
  if (part != nullptr) loaded = ReadCollection(place, *part, source);
  if (part != nullptr && !loaded.ok() && loaded.status().code() == ErrorCode::kCorrupt &&
      manifest_.previous) {
    // The checkpoint before, or nothing when the collection is younger; the log has the rest.
    VITRINE_RETURN_IF_ERROR(Quarantine(CheckpointName(part->epoch, entry.id, PartFile::kPrimary)));
    heal_ = true;
    covered = manifest_.previous->covered_lsn;
    part = manifest_.previous->Find(entry.id);
    loaded = LoadedCollection{};
    if (part != nullptr) loaded = ReadCollection(place, *part, source);
  }
  if (!loaded.ok()) return loaded.status();
  if (part != nullptr) part->record_bytes = loaded->record_bytes;
  if (!loaded->graph.ok()) {
    VITRINE_RETURN_IF_ERROR(Quarantine(CheckpointName(part->epoch, entry.id, PartFile::kGraph)));
    heal_ = true;
  }
  std::shared_ptr<Collection> collection = std::move(loaded->collection);
  if (collection == nullptr) {
    Result<std::shared_ptr<Collection>> made =
        MakeCollection({ConfigurationChange::Kind::kCreate, entry.id, entry.name, *config, {}});
    if (!made.ok()) return made.status();
    collection = std::move(*made);
  }
  recovery.Cover(entry.id, covered);
  catalog_.by_name[entry.name] = collection;
  catalog_.by_id[entry.id] = std::move(collection);
  return {};
}

Status Database::LoadWindow(Recovery& recovery) {
  recovery.window_covered = manifest_.newest.covered_lsn;
  const Manifest::Part* part = manifest_.newest.Find(kDatabasePart);
  if (part == nullptr) return {};
  Result<IdempotencyWindow> window = IdempotencyWindow::Read(Place(), *part);
  if (!window.ok() && window.status().code() == ErrorCode::kCorrupt && manifest_.previous) {
    VITRINE_RETURN_IF_ERROR(
        Quarantine(CheckpointName(part->epoch, kDatabasePart, PartFile::kPrimary)));
    heal_ = true;
    part = manifest_.previous->Find(kDatabasePart);
    recovery.window_covered = manifest_.previous->covered_lsn;
    recovery.least_covered = std::min(recovery.least_covered, recovery.window_covered);
    if (part == nullptr) return {};
    window = IdempotencyWindow::Read(Place(), *part);
  }
  if (!window.ok()) return window.status();
  window_ = std::move(*window);
  return {};
}

Status Database::Replay(Recovery& recovery, LogReader::Purpose purpose) {
  const Result<std::unique_ptr<LogReader>> reader =
      LogReader::Open(*files_, options_.folder,
                      {.purpose = purpose,
                       .database = manifest_.database,
                       .covered_lsn = recovery.least_covered,
                       .durable_lsn = manifest_.durable_lsn});
  if (!reader.ok()) return reader.status();
  last_lsn_.store(manifest_.newest.covered_lsn, std::memory_order_release);
  VITRINE_RETURN_IF_ERROR(ReplayFrames(recovery, **reader));
  const LogEnd& end = (*reader)->end();
  const bool is_there =
      std::any_of(end.segments.begin(), end.segments.end(),
                  [&](const LogEnd::Segment& one) { return one.number >= manifest_.log_segment; });
  if (manifest_.log_segment != 0 && !is_there) {
    return CorruptFile(options_.folder + "/" + SegmentName(manifest_.log_segment), "log", 0,
                       "it is missing");
  }
  // Where it does not lead from the checkpoint before to the newest, both must be of now.
  if (manifest_.previous && manifest_.previous->covered_lsn < manifest_.newest.covered_lsn &&
      end.read_lsn < manifest_.newest.covered_lsn) {
    heal_ = true;
  }
  if (end.last_lsn < manifest_.newest.covered_lsn) {
    LogEnd covered = end;
    covered.last_lsn = manifest_.newest.covered_lsn;
    return options_.read_only ? Status() : OpenLog(covered);
  }
  last_lsn_.store(end.last_lsn, std::memory_order_release);
  return options_.read_only ? Status() : OpenLog(end);
}

Status Database::ReplayFrames(Recovery& recovery, LogReader& reader) {
  for (;;) {
    const auto frame = reader.Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) {
      if (!recovery.waiting.empty() && SeededDefect("replay-ends-early")) {
        recovery.waiting.pop_back();
      }
      return ReplayTransactions(recovery);
    }
    const LogFrame& record = **frame;
    logged_bytes_.fetch_add(FrameBytes(record.payload.size()), std::memory_order_relaxed);
    ++counts_.replayed_records;
    counts_.replayed_bytes += record.payload.size();
    if (record.kind == FrameKind::kConfiguration) {
      VITRINE_RETURN_IF_ERROR(ReplayTransactions(recovery));
      if (record.lsn <= recovery.configuration_covered) continue;
      if (SeededDefect("configuration-not-replayed")) continue;
      VITRINE_RETURN_IF_ERROR(ReplayChange(record.payload, record.lsn));
    } else if (record.kind == FrameKind::kTransaction) {
      recovery.waiting.push_back(
          {record.lsn, std::vector<std::byte>(record.payload.begin(), record.payload.end())});
      recovery.waiting_bytes += record.payload.size();
      recovery.waiting_operations += record.operations;
      if (recovery.waiting_bytes > kReplayBytes ||
          recovery.waiting_operations > kReplayOperations) {
        VITRINE_RETURN_IF_ERROR(ReplayTransactions(recovery));
      }
    } else {
      return {ErrorCode::kFormat, options_.folder + " has a log with records of kind " +
                                      std::to_string(static_cast<int>(record.kind)) +
                                      ", which this version does not know"};
    }
  }
}

Status Database::ReplayChange(std::span<const std::byte> payload, uint64_t lsn) {
  const std::string where = "log record " + std::to_string(lsn);
  Result<ConfigurationChange> change = DecodeChange(payload, where);
  if (!change.ok()) return change.status();
  const ConfigurationChange wanted = *change;
  const Result<Need> need = CheckChange(*change);
  if (!need.ok() || *need != Need::kChange || change->collection != wanted.collection) {
    return {ErrorCode::kCorrupt, where + " changes the configuration in a way that makes no sense"};
  }
  std::shared_ptr<Collection> created;
  if (change->kind == ConfigurationChange::Kind::kCreate) {
    Result<std::shared_ptr<Collection>> made = MakeCollection(*change);
    if (!made.ok()) return made.status();
    created = std::move(*made);
  }
  if (change->kind == ConfigurationChange::Kind::kAddField) {
    Collection& collection = *catalog_.by_id.at(change->collection);
    auto values = collection.ReadField(change->field, Collection::FieldSource::kReplayed);
    if (!values.ok()) return values.status();
    collection.AddField(std::move(*values));
  }
  ChangeCatalog(catalog_, *change, std::move(created));
  return {};
}

Status Database::ReplayTransactions(Recovery& recovery) {
  if (recovery.waiting.empty()) return {};
  WriteGroup group(
      [&](uint32_t id, uint64_t lsn) -> Result<std::shared_ptr<Collection>> {
        const auto found = catalog_.by_id.find(id);
        const auto covered = recovery.covered.find(id);
        if (found == catalog_.by_id.end()) {
          // Dropped before the checkpoint.
          if (lsn <= recovery.configuration_covered) return std::shared_ptr<Collection>();
          return Status(ErrorCode::kCorrupt, "the log writes to a collection that is not there");
        }
        if (covered != recovery.covered.end() && lsn <= covered->second) {
          return std::shared_ptr<Collection>();
        }
        return found->second;
      },
      CollectionWrite::Conditions::kHold);
  std::vector<uint64_t> lsns;
  for (const Recovery::Waiting& one : recovery.waiting) {
    const Result<uint64_t> added = group.Add(one.bytes, one.lsn);
    // A change of a payload reads the vector that is there, which may still be in a file.
    if (!added.ok() && added.status().code() == ErrorCode::kIo) return added.status();
    if (!added.ok()) {
      return {ErrorCode::kCorrupt, "log record " + std::to_string(one.lsn) +
                                       " makes no sense: " + added.status().message()};
    }
    lsns.push_back(one.lsn);
    const TransactionReader reader(one.bytes);
    if (SeededDefect("window-not-replayed")) continue;
    if (reader.has_idempotency_key() && one.lsn > recovery.window_covered &&
        window_.Find(reader.idempotency_key()) == nullptr) {
      window_.Begin(reader.idempotency_key());
      window_.Finish(reader.idempotency_key(), {one.lsn, reader.time_ms(), *added});
      window_lsn_ = one.lsn;
    }
  }
  VITRINE_RETURN_IF_ERROR(group.Prepare());
  group.Publish(lsns);
  group.Tidy();
  recovery.waiting.clear();
  recovery.waiting_bytes = 0;
  recovery.waiting_operations = 0;
  return {};
}

Status Database::OpenLog(const LogEnd& end) {
  if (options_.durability == Durability::kNone) return {};
  // Two segments must leave room for what they are about.
  SegmentSupply::Lengths lengths = options_.segment_bytes;
  const uint64_t fits = options_.max_disk_bytes / 8 / kPageBytes * kPageBytes;
  lengths.most = std::max(4 * kPageBytes, std::min(lengths.most, fits));
  lengths.first = std::min(lengths.first, lengths.most);
  Result<std::unique_ptr<LogWriter>> log =
      LogWriter::Open(*files_, options_.folder, end,
                      {.database = manifest_.database,
                       .creator = options_.creator,
                       .segment_bytes = lengths,
                       .on_flush = [this](uint64_t spent_ns) {
                         if (Statistics* const counting = statistics_.counting()) {
                           counting->Observe(Family::kFsyncDuration, 0, spent_ns);
                         }
                       }});
  if (!log.ok()) return log.status();
  const std::lock_guard lock(log_mutex_);
  log_ = std::move(*log);
  return {};
}

}  // namespace vitrine
