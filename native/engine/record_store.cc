#include "engine/record_store.h"

#include <bit>
#include <cstring>
#include <utility>

namespace vitrine {

// Four sizes to each power of two from 16 on: 16, 24 (as 20 is no multiple of 8), 32, 40, 48, 56,
// 64, 80, 96, 112, 128 ...
size_t RecordStore::ClassOf(size_t bytes) {
  if (bytes <= 64) return bytes <= 16 ? 0 : (bytes - 16 + 7) / 8;
  const size_t power = std::bit_width(bytes - 1) - 1;  // 2^power < bytes <= 2^(power + 1)
  const size_t quarter = ((bytes - 1) >> (power - 2)) & 3;
  return 7 + (power - 6) * 4 + quarter;
}

size_t RecordStore::BytesOf(size_t size_class) {
  if (size_class <= 6) return 16 + size_class * 8;
  const size_t power = (size_class - 7) / 4 + 6;
  return (size_t{1} << power) + ((size_class - 7) % 4 + 1) * (size_t{1} << (power - 2));
}

// REQUIRES: called once, before any other
void RecordStore::Reserve(size_t bytes) {
  // Whole huge pages: the rest of the last one is for records to come.
  constexpr size_t kHugePage = size_t{2} << 20;
  if (bytes > kHugePage) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  PageBlock block = PageBlock::Allocate(bytes);
  if (block.data() == nullptr) return;
  reserved_ = std::move(block);
  next_ = reserved_.data();
  left_ = reserved_.bytes();
  memory_bytes_ += left_;
}

std::byte* RecordStore::Allocate(size_t bytes) {
  if (bytes > kLargest) {
    auto block = std::make_unique_for_overwrite<std::byte[]>(bytes);
    std::byte* const at = block.get();
    large_.emplace(at, std::move(block));
    memory_bytes_ += bytes;
    return at;
  }
  const size_t size_class = ClassOf(bytes);
  if (std::byte* const block = free_[size_class]; block != nullptr) {
    std::memcpy(&free_[size_class], block, sizeof(std::byte*));
    return block;
  }
  const size_t size = BytesOf(size_class);
  if (size > left_) {
    // What is left of the chunk before is given up: less than one block of this size.
    if (chunks_.size() == chunks_.capacity()) chunks_.reserve(2 * chunks_.size() + 1);
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkBytes));
    next_ = chunks_.back().get();
    left_ = kChunkBytes;
    memory_bytes_ += kChunkBytes;
  }
  left_ -= size;
  return std::exchange(next_, next_ + size);
}

void RecordStore::Free(std::byte* block, size_t bytes) {
  if (bytes > kLargest) {
    large_.erase(block);
    memory_bytes_ -= bytes;
    return;
  }
  const size_t size_class = ClassOf(bytes);
  std::memcpy(block, &free_[size_class], sizeof(std::byte*));
  free_[size_class] = block;
}

}  // namespace vitrine
