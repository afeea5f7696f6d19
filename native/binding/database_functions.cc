// Databases: opening, what they tell of themselves, and what is done to a database as a whole.

#include <iterator>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/functions.h"
#include "binding/guard.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/option_rules.h"
#include "binding/process_pool.h"

namespace vitrine {
namespace {

constexpr IntegerRule kIntervalMs{"intervalMs", 1, 3'600'000};
constexpr IntegerRule kMaxMemoryBytes{"maxMemoryBytes", 1, kMaxSafeInteger};
constexpr IntegerRule kMaxDiskBytes{"maxDiskBytes", 1, kMaxSafeInteger};
constexpr IntegerRule kScrubBytesPerSecond{"scrubBytesPerSecond", 0, kMaxSafeInteger};

constexpr std::string_view kDurabilityNames[] = {"commit", "interval", "none"};

// Work for a thread of the pool that ends without a value, or with one that `resolve` makes.
class DatabaseWork : public Operation {
 public:
  using Work = std::function<Status()>;
  using Resolver = std::function<Result<napi_value>(napi_env env)>;

  DatabaseWork(Work work, Resolver resolve)
      : Operation(Lane::kBulk, nullptr), work_(std::move(work)), resolve_(std::move(resolve)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return resolve_ ? resolve_(env) : Undefined();
  }

 protected:
  Status Execute() override { return work_(); }
  void ReleaseInputs() override { work_ = nullptr; }

 private:
  Work work_;
  const Resolver resolve_;
};

//   token  the argument with the cancel token, or kNoToken
constexpr size_t kNoToken = SIZE_MAX;
Result<napi_value> StartWork(Call& call, size_t token, DatabaseWork::Work work,
                             DatabaseWork::Resolver resolve = nullptr) {
  StartOptions options;
  if (token != kNoToken) VITRINE_RETURN_IF_ERROR(ReadToken(call, token, options));
  return call.addon.Start(std::make_shared<DatabaseWork>(std::move(work), std::move(resolve)),
                          options);
}

// Work on a database that is open, which is counted.
//   make_work  () -> Result<std::function<Status(Database&)>>
template <typename MakeWork>
Result<napi_value> StartOnDatabase(Call& call, size_t token, MakeWork make_work,
                                   DatabaseWork::Resolver resolve = nullptr) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  MeasuredCall measured((**(*handle)->database).statistics(), CountedOperation::kMaintain);
  const auto start = [&]() -> Result<napi_value> {
    Result<std::function<Status(Database&)>> work = make_work();
    if (!work.ok()) return work.status();
    StartOptions options;
    VITRINE_RETURN_IF_ERROR(ReadToken(call, token, options));
    return call.addon.Start(
        MakeMeasured<DatabaseWork>(
            measured,
            [database = (*handle)->database, work = std::move(*work)] { return work(**database); },
            std::move(resolve)),
        options);
  };
  return measured.Started(start());
}

Result<napi_value> MakeBigInt(napi_env env, uint64_t number) {
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, number, &value));
  return value;
}

Result<napi_value> MakeBool(napi_env env, bool truth) {
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_boolean(env, truth, &value));
  return value;
}

}  // namespace

Result<std::shared_ptr<DatabaseHandle>> ReadOpenDatabase(Call& call, size_t argument) {
  const auto handle = ReadHandle<DatabaseHandle>(call.env, call[argument]);
  if (!handle.ok()) return handle.status();
  if ((**handle)->closing) return Status(ErrorCode::kClosed, "the database has been closed");
  return **handle;
}

// openDatabase(path: string, durability: string, intervalMs: number | undefined, readOnly: boolean,
//   create: boolean, errorIfExists: boolean, maxMemoryBytes: number | undefined,
//   maxDiskBytes: number | undefined, threads: number | undefined, creator: string,
//   scrubBytesPerSecond: number | undefined): Promise<DatabaseHandle>
//
// An empty path: in memory alone.
Result<napi_value> OpenDatabase(Call& call) {
  DatabaseOptions options;
  Result<std::string> path = ReadString(call.env, call[0], "path");
  if (path.ok() && !path->empty()) path = ReadPath(call.env, call[0]);
  if (!path.ok()) return path.status();
  options.folder = std::move(*path);
  const Result<size_t> durability = ReadWord(call.env, call[1], "durability", kDurabilityNames);
  if (!durability.ok()) return durability.status();
  options.durability = static_cast<Durability>(*durability);
  const Result<uint64_t> interval = ReadIntegerOr(call.env, call[2], kIntervalMs, 1000);
  if (!interval.ok()) return interval.status();
  options.interval = std::chrono::milliseconds(*interval);
  bool* const flags[] = {&options.read_only, &options.create, &options.error_if_exists};
  const char* const names[] = {"readOnly", "create", "errorIfExists"};
  for (size_t i = 0; i < std::size(flags); ++i) {
    const Result<bool> flag = ReadBool(call.env, call[3 + i], names[i]);
    if (!flag.ok()) return flag.status();
    *flags[i] = *flag;
  }
  const Result<uint64_t> memory = ReadIntegerOr(call.env, call[6], kMaxMemoryBytes, UINT64_MAX);
  if (!memory.ok()) return memory.status();
  options.max_memory_bytes = *memory;
  const Result<uint64_t> disk = ReadIntegerOr(call.env, call[7], kMaxDiskBytes, UINT64_MAX);
  if (!disk.ok()) return disk.status();
  options.max_disk_bytes = *disk;
  const Result<uint64_t> threads = ReadIntegerOr(call.env, call[8], kThreads, ProcessPoolThreads());
  if (!threads.ok()) return threads.status();
  options.threads = *threads;
  Result<std::string> creator = ReadString(call.env, call[9], "creator");
  if (!creator.ok()) return creator.status();
  options.creator = std::move(*creator);
  const Result<uint64_t> scrub =
      ReadIntegerOr(call.env, call[10], kScrubBytesPerSecond, options.scrub_bytes_per_second);
  if (!scrub.ok()) return scrub.status();
  options.scrub_bytes_per_second = *scrub;
  options.kernels = &call.addon.kernels();
  options.pool = &call.addon.pool();
  options.shield = [](const std::function<void()>& work) {
    (void)Guard([&] {
      work();
      return Status();
    }).ok();
  };
  const auto opened = std::make_shared<std::shared_ptr<SharedDatabase>>();
  return StartWork(
      call, kNoToken,
      [options = std::move(options), opened]() -> Status {
        Result<std::shared_ptr<SharedDatabase>> database = SharedDatabase::Open(options);
        if (!database.ok()) return database.status();
        *opened = std::move(*database);
        return {};
      },
      [opened](napi_env env) -> Result<napi_value> {
        const auto handle = std::make_shared<DatabaseHandle>();
        handle->database = *opened;
        Addon* const addon = Addon::Of(env);
        if (addon != nullptr) addon->Own(handle);
        return WrapHandle(env, handle);
      });
}

namespace {

class DropDatabase final : public Task {
 public:
  explicit DropDatabase(std::shared_ptr<SharedDatabase> database)
      : database_(std::move(database)) {}
  void Run() override { database_.reset(); }

 private:
  std::shared_ptr<SharedDatabase> database_;
};

}  // namespace

// closeDatabase(database: DatabaseHandle): Promise<void>
//
// From now on every other call fails with ERR_CLOSED; what was queued before is done.
Result<napi_value> CloseDatabase(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  (*handle)->closing = true;
  (*handle)->StopEvents();
  (*handle)->ReportMemory(call.env, 0);
  const auto close = [database = (*handle)->database]() mutable {
    Status closed = database->Close();
    database.reset();
    return closed;
  };
  // Not before: a call that is reading its arguments may have come here through one of them.
  const auto give_up = [handle = *handle, pool = &call.addon.pool()](napi_env) {
    // On another thread: giving back what a database takes may take long.
    (void)pool->Submit(std::make_unique<DropDatabase>(handle->GiveUp()),
                       ThreadPool::Priority::kBulk);
    return Undefined();
  };
  return StartWork(call, kNoToken, close, give_up);
}

// watchDatabase(database: DatabaseHandle, callback: (path: string, what: string) => void): void
//
// Calls it when scrubbing finds damage, until the database is closed. It must not hold the handle.
Result<napi_value> WatchDatabase(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  napi_valuetype type;
  VITRINE_RETURN_IF_JS_ERROR(napi_typeof(call.env, call[1], &type));
  if (type != napi_function) {
    return Status(ErrorCode::kArgument,
                  "callback must be a function, not " + Describe(call.env, call[1]));
  }
  Result<std::shared_ptr<DamageEvents>> events = DamageEvents::Create(call.env, call[1]);
  if (!events.ok()) return events.status();
  (*handle)->StopEvents();
  (*handle)->events = *events;
  (*(*handle)->database)->Watch(*events);
  return Undefined();
}

// databaseState(database: DatabaseHandle):
//   { readOnly: boolean, degraded: boolean, lastLsn: bigint, durableLsn: bigint }
Result<napi_value> DatabaseState(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  const Database& database = **(*handle)->database;
  napi_value state;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &state));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, state, "readOnly", MakeBool(call.env, database.read_only())));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, state, "degraded", MakeBool(call.env, database.degraded())));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, state, "lastLsn", MakeBigInt(call.env, database.last_lsn())));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(call.env, state, "durableLsn", MakeBigInt(call.env, database.durable_lsn())));
  return state;
}

// databaseUsage(database: DatabaseHandle): { vectors: number, graph: number, codes: number,
//   ids: number, payloads: number, fields: number, other: number, log: number,
//   checkpoint: number, previous: number }
//
// Bytes: the first seven of memory, the others of disk.
Result<napi_value> DatabaseUsage(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  Database& database = **(*handle)->database;
  CollectionMemory sum;
  sum.table.other = database.memory().other + database.statistics().memory_bytes();
  for (const auto& collection : database.Collections()) {
    const CollectionMemory memory = collection->memory();
    sum.table.vectors += memory.table.vectors;
    sum.table.graph += memory.table.graph;
    sum.table.codes += memory.table.codes;
    sum.table.ids += memory.table.ids;
    sum.table.other += memory.table.other + memory.table.buffers + memory.filters +
                       collection->statistics().memory_bytes();
    sum.payloads += memory.payloads;
    sum.keys += memory.keys;
    sum.fields += memory.fields;
  }
  const DatabaseDisk disk = database.disk();
  napi_value usage;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &usage));
  VITRINE_RETURN_IF_ERROR(SetNumbers(call.env, usage,
                                     {{"vectors", static_cast<double>(sum.table.vectors)},
                                      {"graph", static_cast<double>(sum.table.graph)},
                                      {"codes", static_cast<double>(sum.table.codes)},
                                      {"ids", static_cast<double>(sum.table.ids + sum.keys)},
                                      {"payloads", static_cast<double>(sum.payloads)},
                                      {"fields", static_cast<double>(sum.fields)},
                                      {"other", static_cast<double>(sum.table.other)},
                                      {"log", static_cast<double>(disk.log)},
                                      {"checkpoint", static_cast<double>(disk.checkpoint)},
                                      {"previous", static_cast<double>(disk.previous)}}));
  return usage;
}

using OnDatabase = std::function<Status(Database&)>;

// flushDatabase(database: DatabaseHandle, token: CancelToken | undefined): Promise<void>
Result<napi_value> FlushDatabase(Call& call) {
  return StartOnDatabase(call, 1, [] {
    return Result<OnDatabase>([](Database& database) { return database.Flush(); });
  });
}

// checkpointDatabase(database: DatabaseHandle, token: CancelToken | undefined): Promise<void>
Result<napi_value> CheckpointDatabase(Call& call) {
  return StartOnDatabase(call, 1, [] {
    return Result<OnDatabase>([](Database& database) { return database.Checkpoint(); });
  });
}

// backupDatabase(database: DatabaseHandle, folder: string, token: CancelToken | undefined):
//   Promise<void>
Result<napi_value> BackupDatabase(Call& call) {
  return StartOnDatabase(call, 2, [&]() -> Result<OnDatabase> {
    Result<std::string> folder = ReadPath(call.env, call[1]);
    if (!folder.ok()) return folder.status();
    return OnDatabase(
        [folder = std::move(*folder)](Database& database) { return database.Backup(folder); });
  });
}

namespace {

// { path: string, what: string }[]
Result<napi_value> StartReport(Call& call, Result<std::vector<Damage>> (Database::*look)()) {
  const auto damages = std::make_shared<std::vector<Damage>>();
  const OnDatabase work = [damages, look](Database& database) -> Status {
    Result<std::vector<Damage>> found = (database.*look)();
    if (!found.ok()) return found.status();
    *damages = std::move(*found);
    return {};
  };
  const auto resolve = [damages](napi_env env) -> Result<napi_value> {
    napi_value list;
    VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env, damages->size(), &list));
    for (size_t i = 0; i < damages->size(); ++i) {
      napi_value damage;
      VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &damage));
      VITRINE_RETURN_IF_ERROR(
          SetProperty(env, damage, "path", MakeString(env, (*damages)[i].path)));
      VITRINE_RETURN_IF_ERROR(
          SetProperty(env, damage, "what", MakeString(env, (*damages)[i].what)));
      VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env, list, static_cast<uint32_t>(i), damage));
    }
    return list;
  };
  return StartOnDatabase(
      call, 1, [&] { return Result<OnDatabase>(work); }, resolve);
}

}  // namespace

// verifyDatabase(database: DatabaseHandle, token: CancelToken | undefined):
//   Promise<{ path: string, what: string }[]>
Result<napi_value> VerifyDatabase(Call& call) { return StartReport(call, &Database::Verify); }

// scrubDatabase(database: DatabaseHandle, token: CancelToken | undefined):
//   Promise<{ path: string, what: string }[]>
Result<napi_value> ScrubDatabase(Call& call) { return StartReport(call, &Database::Scrub); }

// restoreBackup(from: string, to: string, creator: string, token: CancelToken | undefined):
//   Promise<void>
Result<napi_value> RestoreBackup(Call& call) {
  DatabaseOptions options;
  Result<std::string> from = ReadPath(call.env, call[0]);
  if (!from.ok()) return from.status();
  Result<std::string> to = ReadPath(call.env, call[1]);
  if (!to.ok()) return to.status();
  Result<std::string> creator = ReadString(call.env, call[2], "creator");
  if (!creator.ok()) return creator.status();
  options.folder = std::move(*from);
  options.creator = std::move(*creator);
  options.kernels = &call.addon.kernels();
  options.pool = &call.addon.pool();
  options.threads = ProcessPoolThreads();
  return StartWork(call, 3, [options = std::move(options), to = std::move(*to)] {
    return RestoreDatabase(options, to);
  });
}

}  // namespace vitrine
