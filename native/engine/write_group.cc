#include "engine/write_group.h"

#include <utility>

#include "base/seeded_defect.h"

namespace vitrine {

Result<uint64_t> WriteGroup::Add(std::span<const std::byte> transaction, uint64_t lsn,
                                 const std::function<Status()>& fits) {
  Result<uint64_t> deleted = AddOperations(transaction, lsn);
  if (deleted.ok() && fits) {
    Status status = fits();
    if (!status.ok()) deleted = std::move(status);
  }
  for (auto& [id, part] : parts_) {
    if (deleted.ok() || SeededDefect("half-a-batch-kept")) {
      part->write.Accept();
    } else {
      part->write.Undo();
    }
  }
  if (deleted.ok()) ++count_;
  return deleted;
}

Result<uint64_t> WriteGroup::AddOperations(std::span<const std::byte> transaction, uint64_t lsn) {
  TransactionReader reader(transaction);
  uint64_t deleted = 0;
  for (;;) {
    const std::optional<PointWrite> operation = reader.Next();
    if (!operation) break;
    auto part = parts_.find(operation->collection);
    if (part == parts_.end() || lsn != 0) {
      // A replay asks for each: a checkpoint may cover one transaction and not the next.
      const Result<std::shared_ptr<Collection>> collection = find_(operation->collection, lsn);
      if (!collection.ok()) return collection.status();
      if (*collection == nullptr) continue;
      if (part == parts_.end()) {
        part = parts_.emplace(operation->collection, std::make_unique<Part>(*collection)).first;
      }
    }
    const Result<size_t> gone = part->second->write.Add(*operation, count_, conditions_);
    if (!gone.ok()) return gone.status();
    deleted += *gone;
  }
  if (reader.failed()) return Status(ErrorCode::kCorrupt, "a transaction makes no sense");
  return deleted;
}

size_t WriteGroup::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [id, part] : parts_) bytes += part->write.memory_bytes();
  return bytes;
}

Status WriteGroup::Prepare() {
  for (auto& [id, part] : parts_) VITRINE_RETURN_IF_ERROR(part->write.Prepare());
  return {};
}

void WriteGroup::Publish(std::span<const uint64_t> lsns) {
  for (auto& [id, part] : parts_) part->write.Publish(lsns);
}

void WriteGroup::Tidy() {
  for (auto& [id, part] : parts_) part->write.Tidy();
}

}  // namespace vitrine
