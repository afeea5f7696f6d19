// What collections and aliases there are, and what changes that.

#include <algorithm>
#include <utility>

#include "engine/database.h"

namespace vitrine {
namespace {

bool IsWhatIsAskedFor(const CollectionConfig& config, const ConfigurationChange& change) {
  CollectionConfig asked = change.config;
  if (change.left_open.m) asked.m = config.m;
  if (change.left_open.ef_construction) asked.ef_construction = config.ef_construction;
  if (change.left_open.quantization) asked.quantization = config.quantization;
  if (change.left_open.vectors) asked.vectors = config.vectors;
  return asked == config;
}

}  // namespace

Result<std::shared_ptr<Collection>> Database::FindCollection(uint32_t id) const {
  const std::shared_lock lock(catalog_mutex_);
  const auto found = catalog_.by_id.find(id);
  if (found != catalog_.by_id.end()) return found->second;
  return Status(ErrorCode::kNotFound, "the collection was dropped");
}

Result<Database::Need> Database::CheckChange(ConfigurationChange& change) const {
  using Kind = ConfigurationChange::Kind;
  const std::shared_lock lock(catalog_mutex_);
  const auto collection = catalog_.by_name.find(change.name);
  const auto alias = catalog_.aliases.find(change.name);
  const auto target = catalog_.by_id.find(change.collection);
  switch (change.kind) {
    case Kind::kCreate:
      if (!IsCollectionName(change.name)) {
        return Status(ErrorCode::kOption,
                      "a name has 1 to 128 of A-Z, a-z, 0-9, _ and -, and begins with a letter or "
                      "digit");
      }
      VITRINE_RETURN_IF_ERROR(ArrangeFields(change.config.fields));
      if (alias != catalog_.aliases.end()) {
        return Status(ErrorCode::kExists, '"' + change.name + "\" is an alias");
      }
      if (collection == catalog_.by_name.end()) {
        change.collection = catalog_.next;
        return Need::kChange;
      }
      if (IsWhatIsAskedFor(collection->second->config(), change)) return Need::kNothing;
      return Status(ErrorCode::kExists, "collection \"" + change.name +
                                            "\" is there already, with another configuration" +
                                            (collection->second->fields() == change.config.fields
                                                 ? ""
                                                 : ": its fields differ; addField adds one"));
    case Kind::kSetAlias:
      if (!IsCollectionName(change.name)) {
        return Status(ErrorCode::kOption, "an alias is named as a collection is");
      }
      if (collection != catalog_.by_name.end()) {
        return Status(ErrorCode::kExists, '"' + change.name + "\" is a collection");
      }
      break;
    case Kind::kDropAlias:
      if (alias == catalog_.aliases.end()) {
        return Status(ErrorCode::kNotFound, "there is no alias \"" + change.name + '"');
      }
      return Need::kChange;
    case Kind::kAddField:
      return CheckNewField(change.field, change.collection);
    case Kind::kDrop:
      break;
  }
  if (target == catalog_.by_id.end()) {
    return Status(ErrorCode::kNotFound, "the collection was dropped");
  }
  return Need::kChange;
}

// REQUIRES: catalog_mutex_ is held
Result<Database::Need> Database::CheckNewField(const Field& field, uint32_t collection) const {
  const auto found = catalog_.by_id.find(collection);
  if (found == catalog_.by_id.end()) {
    return Status(ErrorCode::kNotFound, "the collection was dropped");
  }
  Fields fields = found->second->fields();
  if (const Field* const before = FindField(fields, field.name)) {
    if (before->type == field.type) return Need::kNothing;
    return Status(ErrorCode::kExists,
                  "field '" + field.name + "' is there already, as " +
                      std::string(kFieldTypeNames[static_cast<size_t>(before->type)]));
  }
  fields.push_back(field);
  VITRINE_RETURN_IF_ERROR(ArrangeFields(fields));
  return Need::kChange;
}

Result<std::unique_ptr<FieldColumns>> Database::ReadNewField(
    const ConfigurationChange& change) const {
  const Result<std::shared_ptr<Collection>> collection = FindCollection(change.collection);
  if (!collection.ok()) return collection.status();
  Result<std::unique_ptr<FieldColumns>> values =
      (*collection)->ReadField(change.field, Collection::FieldSource::kWritten);
  if (!values.ok()) return values;
  VITRINE_RETURN_IF_ERROR(
      CheckLimits(memory().total() + (*values)->memory_bytes(), disk().total()));
  return values;
}

Result<std::shared_ptr<Collection>> Database::MakeCollection(
    const ConfigurationChange& change) const {
  return Collection::Create(change.collection, change.name, change.config, *options_.kernels,
                            options_.pool, options_.threads);
}

void Database::CommitChange(PendingWrite& write) {
  ConfigurationChange& change = *write.change_;
  Status status = WriteFailure();
  if (status.ok()) {
    status = write.StartTurn();
    if (!status.ok() && status.code() == ErrorCode::kTimeout) Count({.refused_for_deadline = 1});
  }
  if (status.ok()) {
    const Result<Need> need = CheckChange(change);
    if (need.ok() && *need == Need::kNothing) {
      WriteResult result{.lsn = last_lsn(), .durable = true};
      if (change.kind == ConfigurationChange::Kind::kCreate) {
        const Result<std::shared_ptr<Collection>> found = FindCollection(change.name);
        if (found.ok()) result.collection = *found;
      }
      return write.Done(std::move(result));
    }
    if (!need.ok()) status = need.status();
  }
  std::shared_ptr<Collection> created;
  if (status.ok() && change.kind == ConfigurationChange::Kind::kCreate) {
    Result<std::shared_ptr<Collection>> made = MakeCollection(change);
    if (made.ok()) {
      created = std::move(*made);
    } else {
      status = made.status();
    }
  }
  std::unique_ptr<FieldColumns> values;
  if (status.ok() && change.kind == ConfigurationChange::Kind::kAddField) {
    Result<std::unique_ptr<FieldColumns>> read = ReadNewField(change);
    if (read.ok()) {
      values = std::move(*read);
    } else {
      status = read.status();
    }
  }
  if (!status.ok()) return write.Done(NotApplied(std::move(status)));
  std::vector<LogRecord> records;
  records.push_back({FrameKind::kConfiguration, 1, EncodeChange(change)});
  // What the catalog will be is made before the log has it: nothing may fail afterwards.
  Catalog after;
  {
    const std::shared_lock lock(catalog_mutex_);
    after = catalog_;
  }
  ChangeCatalog(after, change, created);
  write.state_ = PendingWrite::State::kNoMemoryInFlight;
  bool durable = false;
  const Result<uint64_t> lsn = Append(std::move(records), durable);
  if (!lsn.ok()) return write.Done(lsn.status());
  {
    const std::unique_lock lock(catalog_mutex_);
    if (change.kind == ConfigurationChange::Kind::kDrop) {
      const Collection& dropped = *catalog_.by_id.at(change.collection);
      dropped_maintenance_.Add(dropped.table().maintenance());
    }
    std::swap(catalog_, after);
  }
  if (values != nullptr) catalog_.by_id.at(change.collection)->AddField(std::move(values));
  last_lsn_.store(*lsn, std::memory_order_release);
  DatabaseCounts counted;
  counted.changes = 1;
  Count(counted);
  write.Done(WriteResult{.lsn = *lsn, .durable = durable, .collection = std::move(created)});
}

void Database::ChangeCatalog(Catalog& catalog, const ConfigurationChange& change,
                             std::shared_ptr<Collection> created) {
  using Kind = ConfigurationChange::Kind;
  switch (change.kind) {
    case Kind::kCreate:
      catalog.by_name.emplace(change.name, created);
      catalog.by_id.emplace(change.collection, std::move(created));
      catalog.next = std::max(catalog.next, change.collection + 1);
      break;
    case Kind::kDrop:
      catalog.by_name.erase(catalog.by_id.at(change.collection)->name());
      catalog.by_id.erase(change.collection);
      std::erase_if(catalog.aliases,
                    [&](const auto& alias) { return alias.second == change.collection; });
      break;
    case Kind::kSetAlias:
      catalog.aliases.insert_or_assign(change.name, change.collection);
      break;
    case Kind::kDropAlias:
      catalog.aliases.erase(change.name);
      break;
    case Kind::kAddField:
      break;  // the collection itself has changed
  }
}

}  // namespace vitrine
