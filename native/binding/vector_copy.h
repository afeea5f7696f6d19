#pragma once

#include <cstddef>
#include <cstring>
#include <memory>

#include "base/block_pool.h"
#include "base/pages.h"
#include "binding/js_value.h"
#include "index/vector_type.h"

namespace vitrine {

// A copy of an array of vectors that outlives the call: what JavaScript does to its array meanwhile
// (detach it, shrink it, write to it from another thread) no longer matters.
class VectorCopy {
 public:
  VectorCopy() = default;
  // From so many bytes on, what is written goes into pages of its own. They go back to the system
  // when it is freed, which allocators do not do with blocks that come and go.
  static constexpr size_t kPagesOfPoints = size_t{1} << 20;
  // Searches come again: new pages, which the system clears, cost a batch as much as its walks.
  static constexpr size_t kPagesOfQueries = size_t{16} << 20;

  //   array       as ReadVectorArray reads it
  //   pages_from  one of the above
  // May throw std::bad_alloc.
  VectorCopy(const TypedArray& array, VectorType type, size_t pages_from)
      : bytes_(array.length * ElementBytes(type)) {
    if (bytes_ >= pages_from) pages_ = PageBlock::Allocate(bytes_);
    std::byte* to = pages_.data();
    if (to == nullptr) {
      block_.reset(std::make_unique_for_overwrite<std::byte[]>(bytes_).release());
      to = block_.get();
    }
    Fill(array, to);
  }
  // In a block of `pool`. REQUIRES: it was taken there, and is large enough
  VectorCopy(const TypedArray& array, VectorType type, std::shared_ptr<BlockPool> pool,
             std::byte* block)
      : block_(block, Release{std::move(pool)}), bytes_(array.length * ElementBytes(type)) {
    Fill(array, block);
  }

  const std::byte* data() const { return data_; }
  size_t size_bytes() const { return bytes_; }
  VectorView view() const { return {data_, bytes_}; }

 private:
  struct Release {
    std::shared_ptr<BlockPool> pool;  // null: it is of the heap
    void operator()(std::byte* block) const {
      if (pool == nullptr) {
        std::default_delete<std::byte[]>()(block);
      } else {
        pool->Give(block);
      }
    }
  };
  void Fill(const TypedArray& array, std::byte* to) {
    if (bytes_ > 0) std::memcpy(to, array.data, bytes_);
    data_ = to;
  }

  std::unique_ptr<std::byte[], Release> block_;  // one of these two
  PageBlock pages_;
  const std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace vitrine
