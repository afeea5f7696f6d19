#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>

#include "base/status.h"
#include "engine/collection.h"
#include "engine/collection_write.h"

namespace vitrine {

// Transactions that go into the log together and become visible together, in any number of
// collections. May throw std::bad_alloc, and then nothing has happened.
class WriteGroup {
 public:
  // The collection with an id; null: operations on it are left out. Fails where there is none and
  // there must be.
  using Find = std::function<Result<std::shared_ptr<Collection>>(uint32_t id, uint64_t lsn)>;

  WriteGroup(Find find, CollectionWrite::Conditions conditions)
      : find_(std::move(find)), conditions_(conditions) {}

  // Adds a transaction, whole or not at all; its bytes stay until Prepare.
  //   lsn      of a replayed one, else 0
  //   returns  how many points it deletes
  //   fits     asked when it is added whether it may stay; may be null
  Result<uint64_t> Add(std::span<const std::byte> transaction, uint64_t lsn,
                       const std::function<Status()>& fits = nullptr);
  size_t size() const { return count_; }
  size_t memory_bytes() const;

  Status Prepare();
  // Cannot fail. REQUIRES: Prepare succeeded
  //   lsns  [size()]
  void Publish(std::span<const uint64_t> lsns);
  void Tidy();

 private:
  struct Part {
    explicit Part(std::shared_ptr<Collection> of) : collection(std::move(of)), write(*collection) {}
    std::shared_ptr<Collection> collection;
    CollectionWrite write;
  };

  Result<uint64_t> AddOperations(std::span<const std::byte> transaction, uint64_t lsn);

  const Find find_;
  const CollectionWrite::Conditions conditions_;
  std::map<uint32_t, std::unique_ptr<Part>> parts_;
  size_t count_ = 0;
};

}  // namespace vitrine
