#pragma once

#include <cstddef>
#include <memory>

#include "base/block_pool.h"
#include "binding/vector_copy.h"

namespace vitrine {

// Where an environment keeps the queries of many searches that wait at a time. On the JS thread
// only; what it returns may go on any.
class QueryBlocks {
 public:
  //   waiting  searches of this environment
  // May throw std::bad_alloc.
  VectorCopy Copy(const TypedArray& query, VectorType type, size_t waiting) {
    const size_t bytes = BlockPool::Rounded(query.length * ElementBytes(type));
    if (waiting >= kMany && bytes > 0 && bytes <= BlockPool::kBytes / kMany) Prepare(bytes);
    std::byte* const block =
        pool_ != nullptr && pool_->block_bytes() == bytes ? pool_->Take() : nullptr;
    return block != nullptr ? VectorCopy(query, type, pool_, block)
                            : VectorCopy(query, type, VectorCopy::kPagesOfQueries);
  }

 private:
  // Few queries are not worth a huge page.
  static constexpr size_t kMany = 64;

  void Prepare(size_t bytes) {
    if (pool_ == nullptr) {
      pool_ = BlockPool::Create(bytes);
    } else if (pool_->block_bytes() != bytes && pool_.use_count() == 1) {
      // Another size has its turn when no query of this one is left: only this thread takes shares.
      pool_ = BlockPool::Create(bytes);
    }
  }

  std::shared_ptr<BlockPool> pool_;
};

}  // namespace vitrine
