// Databases: opening, what they tell of themselves, and what is done to a database as a whole.

#include <iterator>
#include <utility>

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

constexpr std::string_view kDurabilityNames[] = {"commit", "interval", "none"};

template <size_t count>
Result<size_t> ReadWord(napi_env env, napi_value value, const char* name,
                        const std::string_view (&words)[count]) {
  const Result<std::string> word = ReadString(env, value, name);
  if (!word.ok()) return word.status();
  for (size_t i = 0; i < count; ++i) {
    if (words[i] == *word) return i;
  }
  return Status(ErrorCode::kOption, std::string(name) + " must not be '" + *word + "'");
}

// Work for a thread of the pool that ends without a value, or with one that `resolve` makes.
class DatabaseWork final : public Operation {
 public:
  using Work = std::function<Status()>;
  using Resolver = std::function<Result<napi_value>(napi_env env)>;

  DatabaseWork(Work work, Resolver resolve)
      : Operation(Lane::kBulk, nullptr), work_(std::move(work)), resolve_(std::move(resolve)) {}

  Result<napi_value> Resolve(napi_env env, std::span<const napi_value>) override {
    return resolve_ ? resolve_(env) : Undefined();
  }

 private:
  Status Execute() override { return work_(); }
  void ReleaseInputs() override { work_ = nullptr; }

  Work work_;
  const Resolver resolve_;
};

Result<napi_value> StartWork(Call& call, DatabaseWork::Work work,
                             DatabaseWork::Resolver resolve = nullptr) {
  return call.addon.Start(std::make_shared<DatabaseWork>(std::move(work), std::move(resolve)));
}

// Work on a database that is open.
Result<napi_value> StartOnDatabase(Call& call, std::function<Status(Database&)> work) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  return StartWork(
      call, [database = (*handle)->database, work = std::move(work)] { return work(**database); });
}

Result<napi_value> MakeBigInt(napi_env env, uint64_t number) {
  napi_value value;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_bigint_uint64(env, number, &value));
  return value;
}

Status SetProperty(napi_env env, napi_value object, const char* name,
                   const Result<napi_value>& value) {
  if (!value.ok()) return value.status();
  VITRINE_RETURN_IF_JS_ERROR(napi_set_named_property(env, object, name, *value));
  return {};
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
//   maxDiskBytes: number | undefined, threads: number | undefined, creator: string):
//   Promise<DatabaseHandle>
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
      call,
      [options = std::move(options), opened]() -> Status {
        Result<std::shared_ptr<SharedDatabase>> database = SharedDatabase::Open(options);
        if (!database.ok()) return database.status();
        *opened = std::move(*database);
        return {};
      },
      [opened](napi_env env) -> Result<napi_value> {
        const auto handle = std::make_shared<DatabaseHandle>();
        handle->database = *opened;
        if (Addon* const addon = Addon::Of(env)) addon->Own(handle);
        return WrapHandle(env, handle);
      });
}

// closeDatabase(database: DatabaseHandle): Promise<void>
//
// From now on every other call fails with ERR_CLOSED; what was queued before is done.
Result<napi_value> CloseDatabase(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  (*handle)->closing = true;
  return StartWork(call, [database = (*handle)->database] { return database->Close(); });
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

// databaseUsage(database: DatabaseHandle): { vectors: number, graph: number, ids: number,
//   payloads: number, fields: number, other: number, log: number, checkpoint: number, previous:
//   number }
//
// Bytes: the first six of memory, the others of disk.
Result<napi_value> DatabaseUsage(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  const Database& database = **(*handle)->database;
  CollectionMemory sum;
  for (const auto& collection : database.Collections()) {
    const CollectionMemory memory = collection->memory();
    sum.table.vectors += memory.table.vectors;
    sum.table.graph += memory.table.graph;
    sum.table.ids += memory.table.ids;
    sum.table.other += memory.table.other;
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
                                      {"ids", static_cast<double>(sum.table.ids + sum.keys)},
                                      {"payloads", static_cast<double>(sum.payloads)},
                                      {"fields", static_cast<double>(sum.fields)},
                                      {"other", static_cast<double>(sum.table.other)},
                                      {"log", static_cast<double>(disk.log)},
                                      {"checkpoint", static_cast<double>(disk.checkpoint)},
                                      {"previous", static_cast<double>(disk.previous)}}));
  return usage;
}

// listCollections(database: DatabaseHandle): string[]
Result<napi_value> ListCollections(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  const auto collections = (**(*handle)->database).Collections();
  napi_value names;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(call.env, collections.size(), &names));
  for (size_t i = 0; i < collections.size(); ++i) {
    const Result<napi_value> name = MakeString(call.env, collections[i]->name());
    if (!name.ok()) return name.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(call.env, names, static_cast<uint32_t>(i), *name));
  }
  return names;
}

// listAliases(database: DatabaseHandle): Record<string, string>
Result<napi_value> ListAliases(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  napi_value aliases;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(call.env, &aliases));
  for (const auto& [alias, name] : (**(*handle)->database).Aliases()) {
    VITRINE_RETURN_IF_ERROR(
        SetProperty(call.env, aliases, alias.c_str(), MakeString(call.env, name)));
  }
  return aliases;
}

namespace {

Result<FieldType> ReadFieldType(napi_env env, napi_value value) {
  const Result<size_t> type = ReadWord(env, value, "the type of a field", kFieldTypeNames);
  if (!type.ok()) return type.status();
  return static_cast<FieldType>(*type);
}

Status ReadFields(napi_env env, napi_value list, Fields& fields) {
  const Result<uint32_t> length = ReadArrayLength(env, list, "fields");
  if (!length.ok()) return length.status();
  if (*length % 2 != 0 || *length > 2 * kMaxFields) {
    return {ErrorCode::kOption,
            "fields must be at most " + std::to_string(kMaxFields) + " names, each with a type"};
  }
  for (uint32_t i = 0; i < *length; i += 2) {
    napi_value element;
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, list, i, &element));
    Result<std::string> name = ReadString(env, element, "the name of a field");
    if (!name.ok()) return name.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_get_element(env, list, i + 1, &element));
    const Result<FieldType> type = ReadFieldType(env, element);
    if (!type.ok()) return type.status();
    fields.push_back({std::move(*name), *type});
  }
  return {};
}

Result<napi_value> WrapCollection(napi_env env, const std::shared_ptr<DatabaseHandle>& owner,
                                  const std::string& name) {
  const Result<std::shared_ptr<Collection>> collection = (**owner->database).FindCollection(name);
  if (!collection.ok()) return collection.status();
  const auto handle = std::make_shared<CollectionHandle>();
  handle->owner = owner;
  handle->collection = *collection;
  return WrapHandle(env, handle);
}

}  // namespace

Result<napi_value> MakeFields(napi_env env, const Fields& fields) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  for (const Field& field : fields) {
    const Result<napi_value> name = MakeString(env, field.name);
    if (!name.ok()) return name.status();
    const Result<napi_value> type =
        MakeString(env, kFieldTypeNames[static_cast<size_t>(field.type)]);
    if (!type.ok()) return type.status();
    // Defined, not set: a field may be called __proto__.
    const napi_property_descriptor property = {
        nullptr, *name, nullptr, nullptr, nullptr, *type, napi_default_jsproperty, nullptr};
    VITRINE_RETURN_IF_JS_ERROR(napi_define_properties(env, object, 1, &property));
  }
  return object;
}

// createCollection(database: DatabaseHandle, name: string, dimension: number, metric: string,
//   m: number | undefined, efConstruction: number | undefined, fields: readonly string[]):
//   Promise<CollectionHandle>
//
// `fields` are names, each followed by its type.
Result<napi_value> CreateCollection(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  Result<std::string> name = ReadString(call.env, call[1], "name");
  if (!name.ok()) return name.status();
  CollectionConfig config;
  const Result<uint64_t> dimension = ReadInteger(call.env, call[2], kDimension);
  if (!dimension.ok()) return dimension.status();
  config.dimension = *dimension;
  const Result<size_t> metric = ReadWord(call.env, call[3], "metric", kMetricNames);
  if (!metric.ok()) return metric.status();
  config.metric = static_cast<Metric>(*metric);
  const Result<uint64_t> m = ReadIntegerOr(call.env, call[4], kM, config.m);
  if (!m.ok()) return m.status();
  config.m = *m;
  const Result<uint64_t> ef =
      ReadIntegerOr(call.env, call[5], kEfConstruction, config.ef_construction);
  if (!ef.ok()) return ef.status();
  config.ef_construction = *ef;
  VITRINE_RETURN_IF_ERROR(ReadFields(call.env, call[6], config.fields));
  return StartWrite(call, *owner, Database::CreateChange(*name, config),
                    [owner = *owner, name = *name](napi_env env, const WriteResult&) {
                      return WrapCollection(env, owner, name);
                    },
                    {});
}

// openCollection(database: DatabaseHandle, name: string): CollectionHandle
Result<napi_value> OpenCollection(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const Result<std::string> name = ReadString(call.env, call[1], "name");
  if (!name.ok()) return name.status();
  return WrapCollection(call.env, *owner, *name);
}

namespace {

Result<napi_value> StartChange(Call& call, const std::shared_ptr<DatabaseHandle>& owner,
                               Result<ConfigurationChange> change) {
  if (!change.ok()) return change.status();
  return StartWrite(call, owner, std::move(*change),
                    [](napi_env, const WriteResult&) { return Undefined(); }, {});
}

}  // namespace

// dropCollection(database: DatabaseHandle, name: string): Promise<void>
Result<napi_value> DropCollection(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const Result<std::string> name = ReadString(call.env, call[1], "name");
  if (!name.ok()) return name.status();
  return StartChange(call, *owner, (**(*owner)->database).DropChange(*name));
}

// addField(collection: CollectionHandle, name: string, type: string): Promise<void>
Result<napi_value> AddField(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  Result<std::string> name = ReadString(call.env, call[1], "name");
  if (!name.ok()) return name.status();
  const Result<FieldType> type = ReadFieldType(call.env, call[2]);
  if (!type.ok()) return type.status();
  return StartChange(
      call, (*handle)->owner,
      Database::AddFieldChange((*handle)->collection->id(), {std::move(*name), *type}));
}

// setAlias(database: DatabaseHandle, alias: string, name: string): Promise<void>
Result<napi_value> SetAlias(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const Result<std::string> alias = ReadString(call.env, call[1], "alias");
  if (!alias.ok()) return alias.status();
  const Result<std::string> name = ReadString(call.env, call[2], "name");
  if (!name.ok()) return name.status();
  return StartChange(call, *owner, (**(*owner)->database).AliasChange(*alias, *name));
}

// dropAlias(database: DatabaseHandle, alias: string): Promise<void>
Result<napi_value> DropAlias(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const Result<std::string> alias = ReadString(call.env, call[1], "alias");
  if (!alias.ok()) return alias.status();
  return StartChange(call, *owner, Database::DropAliasChange(*alias));
}

// flushDatabase(database: DatabaseHandle): Promise<void>
Result<napi_value> FlushDatabase(Call& call) {
  return StartOnDatabase(call, [](Database& database) { return database.Flush(); });
}

// checkpointDatabase(database: DatabaseHandle): Promise<void>
Result<napi_value> CheckpointDatabase(Call& call) {
  return StartOnDatabase(call, [](Database& database) { return database.Checkpoint(); });
}

// backupDatabase(database: DatabaseHandle, folder: string): Promise<void>
Result<napi_value> BackupDatabase(Call& call) {
  Result<std::string> folder = ReadPath(call.env, call[1]);
  if (!folder.ok()) return folder.status();
  return StartOnDatabase(
      call, [folder = std::move(*folder)](Database& database) { return database.Backup(folder); });
}

// verifyDatabase(database: DatabaseHandle): Promise<{ path: string, what: string }[]>
Result<napi_value> VerifyDatabase(Call& call) {
  const auto handle = ReadOpenDatabase(call, 0);
  if (!handle.ok()) return handle.status();
  const auto damages = std::make_shared<std::vector<Damage>>();
  return StartWork(
      call,
      [database = (*handle)->database, damages]() -> Status {
        Result<std::vector<Damage>> found = (**database).Verify();
        if (!found.ok()) return found.status();
        *damages = std::move(*found);
        return {};
      },
      [damages](napi_env env) -> Result<napi_value> {
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
      });
}

// restoreBackup(from: string, to: string, creator: string): Promise<void>
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
  return StartWork(call, [options = std::move(options), to = std::move(*to)] {
    return RestoreDatabase(options, to);
  });
}

}  // namespace vitrine
