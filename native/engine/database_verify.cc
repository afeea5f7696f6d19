// Looking at files that nobody reads: verification says what is damaged; scrubbing heals it, which
// costs a checkpoint and nothing else while memory still has everything.

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "base/elapsed.h"
#include "base/seeded_defect.h"
#include "base/thread_priority.h"
#include "engine/database.h"
#include "stats/cpu_stretch.h"
#include "storage/file_checks.h"
#include "storage/log_reader.h"
#include "storage/paced_files.h"

namespace vitrine {
namespace {

// Whether the device does not have what was written; other failures may pass.
bool IsDamage(const Status& status) {
  if (status.code() == ErrorCode::kCorrupt || status.code() == ErrorCode::kFormat) return true;
  return std::any_of(status.details().begin(), status.details().end(), [](const ErrorDetail& one) {
    return one.name == "errno" && one.value == std::variant<uint64_t, std::string>(uint64_t{EIO});
  });
}

}  // namespace

// What a pass looks at, as of its beginning.
struct Database::ScrubTarget {
  std::string name;  // of the file; empty for the log
  // Reads it all.
  std::function<Status(FileSystem&)> check;
  std::optional<uint32_t> collection = {};  // whose points are in it
};

std::vector<Database::ScrubTarget> Database::ScrubTargets() const {
  const std::lock_guard checkpoint(checkpoint_mutex_);
  std::vector<ScrubTarget> targets;
  std::vector<const Manifest::Generation*> generations = {&manifest_.newest};
  if (manifest_.previous) generations.push_back(&*manifest_.previous);
  for (const Manifest::Generation* const generation : generations) {
    targets.push_back({ManifestName(generation->epoch),
                       [folder = options_.folder, epoch = generation->epoch](FileSystem& files) {
                         const Result<Manifest> read = ReadManifest(files, folder, epoch);
                         return read.ok() ? Status() : read.status();
                       }});
    for (const CheckpointFile& file : FilesOf(*generation)) {
      std::string name = CheckpointName(file.epoch, file.collection, file.file);
      const auto same = [&](const ScrubTarget& one) { return one.name == name; };
      if (std::any_of(targets.begin(), targets.end(), same)) continue;
      targets.push_back({std::move(name), [place = Place(), file](FileSystem& files) {
                           CheckpointPlace where = place;
                           where.files = &files;
                           const auto reader = OpenCheckpointFile(where, file);
                           return reader.ok() ? (*reader)->VerifyAll() : reader.status();
                         }});
      if (file.file == PartFile::kPrimary) targets.back().collection = file.collection;
    }
  }
  const uint64_t covered = generations.back()->covered_lsn;
  targets.push_back({"", [this, database = manifest_.database, covered](FileSystem& files) {
                       return ScrubLog(files, database, covered);
                     }});
  return targets;
}

// Segments that are not written any more.
Status Database::ScrubLog(FileSystem& files, const DatabaseId& database, uint64_t covered) const {
  if (Log() == nullptr) return {};
  const auto reader = LogReader::Open(
      files, options_.folder,
      {.database = database, .covered_lsn = covered, .segments = LogReader::Segments::kClosed});
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) return {};
  }
}

// A reader stays at the moment at which it opened the folder. The files of that are gone once a
// writer has made checkpoints since.
Status Database::CheckNotBehind() const {
  if (!options_.read_only) return {};
  const Result<std::vector<std::string>> names = files_->List(options_.folder);
  if (!names.ok()) return names.status();
  const bool behind = std::any_of(names->begin(), names->end(), [&](const std::string& name) {
    return ManifestEpoch(name).value_or(0) > last_epoch_;
  });
  if (!behind) return {};
  return {ErrorCode::kReadOnly,
          options_.folder +
              " was written to since it was opened for reading only, and files of "
              "that moment are gone: open it again, or verify it where it is written"};
}

// A file that looks damaged may have been replaced meanwhile, or have been read wrong: it is read
// once more while no checkpoint is written.
Status Database::ConfirmDamage(const ScrubTarget& target, std::vector<Damage>& damages) {
  const std::lock_guard checkpoint(checkpoint_mutex_);
  if (shut_.load(std::memory_order_acquire)) return {ErrorCode::kClosed, "the database is closed"};
  if (!target.name.empty() && !NamesThatCount().contains(target.name)) return {};
  Pace pace;
  PacedFiles files(*files_, pace);
  // A checkpoint that has ended since the pass began may have dropped segments it counted on.
  const auto& oldest = manifest_.previous ? *manifest_.previous : manifest_.newest;
  Status status = target.name.empty() ? ScrubLog(files, manifest_.database, oldest.covered_lsn)
                                      : target.check(files);
  if (status.ok()) return {};
  if (!IsDamage(status)) return status;
  VITRINE_RETURN_IF_ERROR(CheckNotBehind());
  // Some of what memory has of the collection may be this file.
  if (target.collection && !SeededDefect("damaged-rows-trusted")) {
    const auto collection = FindCollection(*target.collection);
    if (collection.ok()) TableRemap((*collection)->table()).Distrust();
  }
  const std::string path = options_.folder + (target.name.empty() ? "" : "/" + target.name);
  damages.push_back({path, status.message()});
  {
    const std::lock_guard lock(counts_mutex_);
    ++counts_.damages;
  }
  degraded_.store(true, std::memory_order_release);
  if (!options_.read_only && !SeededDefect("scrub-does-not-heal")) heal_ = true;
  // A segment stays where it is until the log does not need it any more.
  if (target.name.empty()) return {};
  return Quarantine(target.name);
}

Result<std::vector<Damage>> Database::ScrubPass(Pace& pace) {
  const std::lock_guard pass(scrub_mutex_);
  std::vector<Damage> damages;
  if (options_.folder.empty()) return damages;
  if (shut_.load(std::memory_order_acquire)) {
    return Status(ErrorCode::kClosed, "the database is closed");
  }
  PacedFiles files(*files_, pace);
  const uint64_t before = pace.bytes();
  Status failure;
  for (const ScrubTarget& target : ScrubTargets()) {
    const size_t found = damages.size();
    Status status = target.check(files);
    if (!status.ok() && IsDamage(status)) status = ConfirmDamage(target, damages);
    if (damages.size() > found) Tell(damages.back());
    if (status.ok()) continue;
    const bool stops =
        status.code() == ErrorCode::kCancelled || status.code() == ErrorCode::kClosed;
    // What one file refuses another may give.
    if (failure.ok()) failure = std::move(status);
    if (stops) break;
  }
  if (!failure.ok()) {
    const std::lock_guard checkpoint(checkpoint_mutex_);
    VITRINE_RETURN_IF_ERROR(CheckNotBehind());
  }
  const std::lock_guard lock(counts_mutex_);
  counts_.scrubbed_bytes += pace.bytes() - before;
  counts_.scrub_passes += failure.ok() ? 1 : 0;
  if (!failure.ok() && damages.empty()) return failure;
  return damages;
}

Result<std::vector<Damage>> Database::Scrub() {
  Pace pace;
  Result<std::vector<Damage>> damages = ScrubPass(pace);
  if (!damages.ok() || damages->empty() || options_.read_only) return damages;
  VITRINE_RETURN_IF_ERROR(Checkpoint());
  return damages;
}

void Database::Watch(std::weak_ptr<DamageListener> listener) {
  const std::lock_guard lock(listeners_mutex_);
  std::erase_if(listeners_, [](const auto& one) { return one.expired(); });
  listeners_.push_back(std::move(listener));
}

void Database::Tell(const Damage& damage) {
  std::vector<std::shared_ptr<DamageListener>> listeners;
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& weak : listeners_) {
      if (auto listener = weak.lock()) listeners.push_back(std::move(listener));
    }
  }
  for (const auto& listener : listeners) listener->Found(damage);
}

void Database::RunScrubber() {
  MakeThreadIdle();
  scrub_pace_.SetRate(options_.scrub_bytes_per_second);
  // Opening has just read most of it.
  std::chrono::milliseconds wait = std::min(options_.scrub_pause, kFirstScrub);
  while (!scrub_pace_.Sleep(wait)) {
    const std::function<void()> pass = [&] {
      const CpuStretch cpu(statistics_, CpuPool::kBackground);
      const Result<std::vector<Damage>> damages = ScrubPass(scrub_pace_);
      // This thread may be held up: another one heals.
      if (damages.ok() && !damages->empty()) WakeBackground();
    };
    if (options_.shield) {
      options_.shield(pass);
    } else {
      pass();
    }
    wait = options_.scrub_pause;
  }
}

Result<std::vector<Damage>> Database::Verify() {
  std::vector<Damage> damages;
  if (options_.folder.empty()) return damages;
  const auto start = std::chrono::steady_clock::now();
  const std::lock_guard checkpoint(checkpoint_mutex_);
  Status status = VerifyParts(damages);
  if (status.ok()) status = VerifyLog(damages);
  if (!status.ok() || !damages.empty()) VITRINE_RETURN_IF_ERROR(CheckNotBehind());
  if (!status.ok()) return status;
  if (Statistics* const counting = statistics_.counting()) {
    counting->Observe(Family::kSnapshotDuration, SeriesOf(SnapshotPhase::kVerify),
                      NanosecondsSince(start));
  }
  return damages;
}

namespace {

// Damage is what verification is for; another failure ends it.
Status Note(const Status& status, const std::string& path, std::vector<Damage>& damages) {
  if (status.ok()) return {};
  if (status.code() != ErrorCode::kCorrupt && status.code() != ErrorCode::kFormat) return status;
  damages.push_back({path, status.message()});
  return {};
}

}  // namespace

Status Database::VerifyParts(std::vector<Damage>& damages) {
  const CheckpointPlace place = Place();
  std::vector<const Manifest::Generation*> generations = {&manifest_.newest};
  if (manifest_.previous) generations.push_back(&*manifest_.previous);
  std::set<std::string> done;
  for (const Manifest::Generation* generation : generations) {
    const Result<Manifest> read = ReadManifest(*files_, options_.folder, generation->epoch);
    // The older manifest may never have been written: a backup has one.
    const std::string path = options_.folder + "/" + ManifestName(generation->epoch);
    VITRINE_RETURN_IF_ERROR(Note(read.ok() ? Status() : read.status(), path, damages));
    for (const Manifest::Part& part : generation->parts) {
      bool whole = true;
      for (const CheckpointFile& file : FilesOf(part)) {
        if (!done.insert(PathOf(place, file)).second) continue;
        const auto reader = OpenCheckpointFile(place, file);
        const Status status = reader.ok() ? (*reader)->VerifyAll() : reader.status();
        whole = whole && status.ok();
        VITRINE_RETURN_IF_ERROR(Note(status, PathOf(place, file), damages));
      }
      if (!whole || part.collection == kDatabasePart) continue;
      // Structure: as a reader would take it, links included.
      const auto entry =
          std::find_if(manifest_.collections.begin(), manifest_.collections.end(),
                       [&](const auto& collection) { return collection.id == part.collection; });
      if (entry == manifest_.collections.end()) continue;
      const auto config = DecodeCollectionConfig(entry->config, entry->name);
      if (!config.ok()) return config.status();
      const Result<LoadedCollection> loaded = ReadCollection(place, part,
                                                             {.id = entry->id,
                                                              .name = entry->name,
                                                              .config = *config,
                                                              .kernels = options_.kernels,
                                                              .threads = 1});
      const Status status = loaded.ok() ? loaded->graph : loaded.status();
      VITRINE_RETURN_IF_ERROR(Note(status, PathOf(place, FilesOf(part).back()), damages));
    }
  }
  return {};
}

Status Database::VerifyLog(std::vector<Damage>& damages) {
  if (options_.durability == Durability::kNone && Log() == nullptr && !options_.read_only)
    return {};
  const uint64_t durable = std::max(manifest_.durable_lsn, durable_lsn());
  Status status = ReadWholeLog(durable);
  if (!status.ok()) {
    // A segment may have been read while it was written, an old page and then a new one.
    const std::lock_guard commit(commit_mutex_);
    status = ReadWholeLog(durable);
  }
  return Note(status, options_.folder, damages);
}

Status Database::ReadWholeLog(uint64_t durable_lsn) const {
  const uint64_t covered =
      manifest_.previous ? manifest_.previous->covered_lsn : manifest_.newest.covered_lsn;
  const auto reader = LogReader::Open(
      *files_, options_.folder,
      {.database = manifest_.database, .covered_lsn = covered, .durable_lsn = durable_lsn});
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) return {};
  }
}

}  // namespace vitrine
