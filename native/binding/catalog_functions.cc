// Which collections, fields and aliases a database has.

#include <span>
#include <utility>

#include "binding/counted_operation.h"
#include "binding/database_write.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/js_value.h"
#include "binding/measured_call.h"
#include "binding/option_rules.h"

namespace vitrine {

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

// Starts a change of what a database consists of, which resolves as `resolve` says, and is counted
// where `measured` is.
Result<napi_value> StartChange(Call& call, const std::shared_ptr<DatabaseHandle>& database,
                               ConfigurationChange change, ResolveWrite resolve,
                               const StartOptions& options, const MeasuredCall& measured) {
  return call.addon.Start(
      MakeMeasured<DatabaseWrite>(measured, database->database, std::move(change),
                                  std::move(resolve), std::chrono::milliseconds(0)),
      options);
}

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
                                  std::shared_ptr<Collection> collection) {
  if (owner->closing) return Status(ErrorCode::kClosed, "the database has been closed");
  const auto handle = std::make_shared<CollectionHandle>();
  handle->owner = owner;
  handle->collection = std::move(collection);
  std::erase_if(owner->collections, [](const auto& one) { return one.expired(); });
  owner->collections.push_back(handle);
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

namespace {

Result<napi_value> StartCreation(Call& call, const std::shared_ptr<DatabaseHandle>& owner,
                                 const MeasuredCall& measured) {
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
  const LeftOpen left_open{.m = IsUndefined(call.env, call[4]),
                           .ef_construction = IsUndefined(call.env, call[5]),
                           .quantization = IsUndefined(call.env, call[7]),
                           .vectors = IsUndefined(call.env, call[9])};
  if (!left_open.quantization) {
    const Result<size_t> quantization =
        ReadWord(call.env, call[7], "quantization", kQuantizationNames);
    if (!quantization.ok()) return quantization.status();
    config.quantization = static_cast<Quantization>(*quantization);
  }
  const Result<VectorType> type = ReadVectorType(call.env, call[8]);
  if (!type.ok()) return type.status();
  config.type = *type;
  if (!left_open.vectors) {
    const Result<size_t> vectors = ReadWord(call.env, call[9], "vectors", kVectorPlaceNames);
    if (!vectors.ok()) return vectors.status();
    config.vectors = static_cast<VectorPlace>(*vectors);
  }
  StartOptions options;
  VITRINE_RETURN_IF_ERROR(ReadToken(call, 10, options));
  return StartChange(
      call, owner, Database::CreateChange(*name, config, left_open),
      [owner](napi_env env, const WriteResult& result) {
        // By name it might be another one by now.
        return WrapCollection(env, owner, result.collection);
      },
      options, measured);
}

}  // namespace

// createCollection(database: DatabaseHandle, name: string, dimension: number, metric: string,
//   m: number | undefined, efConstruction: number | undefined, fields: readonly string[],
//   quantization: string | undefined, type: string, vectors: string | undefined,
//   token: CancelToken | undefined): Promise<CollectionHandle>
//
// `fields` are names, each followed by its type.
Result<napi_value> CreateCollection(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  MeasuredCall measured((**(*owner)->database).statistics(), CountedOperation::kConfigure);
  return measured.Started(StartCreation(call, *owner, measured));
}

// openCollection(database: DatabaseHandle, name: string): CollectionHandle
Result<napi_value> OpenCollection(Call& call) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  const Result<std::string> name = ReadString(call.env, call[1], "name");
  if (!name.ok()) return name.status();
  Result<std::shared_ptr<Collection>> collection = (**(*owner)->database).FindCollection(*name);
  if (!collection.ok()) return collection.status();
  return WrapCollection(call.env, *owner, std::move(*collection));
}

namespace {

// A change that resolves without a value.
//   places  where it is counted
//   change  () -> Result<ConfigurationChange>
//   token   the argument with the cancel token
template <typename MakeChange>
Result<napi_value> Configure(Call& call, const std::shared_ptr<DatabaseHandle>& owner,
                             std::span<LazyStatistics* const> places, size_t token,
                             MakeChange make_change) {
  MeasuredCall measured(places, CountedOperation::kConfigure);
  const auto start = [&]() -> Result<napi_value> {
    Result<ConfigurationChange> change = make_change();
    if (!change.ok()) return change.status();
    StartOptions options;
    VITRINE_RETURN_IF_ERROR(ReadToken(call, token, options));
    return StartChange(
        call, owner, std::move(*change), [](napi_env, const WriteResult&) { return Undefined(); },
        options, measured);
  };
  return measured.Started(start());
}

// Of the database that is the first argument.
//   change  (database) -> Result<ConfigurationChange>
template <typename MakeChange>
Result<napi_value> ConfigureDatabase(Call& call, size_t token, MakeChange make_change) {
  const auto owner = ReadOpenDatabase(call, 0);
  if (!owner.ok()) return owner.status();
  Database& database = **(*owner)->database;
  LazyStatistics* const place = &database.statistics();
  return Configure(call, *owner, {&place, 1}, token, [&] { return make_change(database); });
}

}  // namespace

// dropCollection(database: DatabaseHandle, name: string, token: CancelToken | undefined):
//   Promise<void>
Result<napi_value> DropCollection(Call& call) {
  return ConfigureDatabase(call, 2, [&](Database& database) -> Result<ConfigurationChange> {
    const Result<std::string> name = ReadString(call.env, call[1], "name");
    if (!name.ok()) return name.status();
    return database.DropChange(*name);
  });
}

// addField(collection: CollectionHandle, name: string, type: string,
//   token: CancelToken | undefined): Promise<void>
Result<napi_value> AddField(Call& call) {
  const auto handle = ReadOpenCollection(call, 0);
  if (!handle.ok()) return handle.status();
  return Configure(
      call, (*handle)->owner, (*handle)->places(), 3, [&]() -> Result<ConfigurationChange> {
        Result<std::string> name = ReadString(call.env, call[1], "name");
        if (!name.ok()) return name.status();
        const Result<FieldType> type = ReadFieldType(call.env, call[2]);
        if (!type.ok()) return type.status();
        return Database::AddFieldChange((*handle)->collection->id(), {std::move(*name), *type});
      });
}

// setAlias(database: DatabaseHandle, alias: string, name: string,
//   token: CancelToken | undefined): Promise<void>
Result<napi_value> SetAlias(Call& call) {
  return ConfigureDatabase(call, 3, [&](Database& database) -> Result<ConfigurationChange> {
    const Result<std::string> alias = ReadString(call.env, call[1], "alias");
    if (!alias.ok()) return alias.status();
    const Result<std::string> name = ReadString(call.env, call[2], "name");
    if (!name.ok()) return name.status();
    return database.AliasChange(*alias, *name);
  });
}

// dropAlias(database: DatabaseHandle, alias: string, token: CancelToken | undefined):
//   Promise<void>
Result<napi_value> DropAlias(Call& call) {
  return ConfigureDatabase(call, 2, [&](Database&) -> Result<ConfigurationChange> {
    const Result<std::string> alias = ReadString(call.env, call[1], "alias");
    if (!alias.ok()) return alias.status();
    return Database::DropAliasChange(*alias);
  });
}

}  // namespace vitrine
