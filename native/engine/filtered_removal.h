#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"
#include "engine/collection.h"
#include "engine/transaction.h"

namespace vitrine {

// The collection with an id; kNotFound.
using FindCollectionById = std::function<Result<std::shared_ptr<Collection>>(uint32_t id)>;

// The same transaction with removals of points in the place of removals by filter: of those that
// the filter admits now, as the operations before it leave them. A transaction without such
// removals comes back as it is, but for its time. kNotFound, kTooLarge; may throw std::bad_alloc.
// REQUIRES: nobody writes meanwhile
Result<Transaction> ResolveRemovals(Transaction transaction, const FindCollectionById& find);

}  // namespace vitrine
