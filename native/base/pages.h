#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace vitrine {

// A block of zeroed memory that starts at a cache line. From kOwnPages on it is taken straight from
// the operating system: pages become resident when they are first written to, and go back to it at
// once. Smaller blocks come from the heap, so that a table of a few points, which has some twenty
// of them, does not cost as many system calls. Blocks of 2 MiB and more begin where a huge page may
// and ask for such, which saves TLB misses on random rows (5 to 8 % of a search over 500,000
// vectors) and page faults, two thirds of them when 30,000 vectors are loaded.
class PageBlock {
 public:
  static constexpr size_t kOwnPages = size_t{64} << 10;
  // Small ones are for blocks that are used here and there: a huge page would become resident for
  // the sake of one row.
  enum class Pages : uint8_t { kHuge, kSmall };

  PageBlock() = default;
  // An empty block (`data() == nullptr`) when memory is refused.
  static PageBlock Allocate(size_t bytes, Pages pages = Pages::kHuge);
  PageBlock(PageBlock&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PageBlock& operator=(PageBlock&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~PageBlock();

  std::byte* data() const { return data_; }
  // As many as were asked for, from kOwnPages on in whole pages of 4 KiB.
  size_t bytes() const { return bytes_; }
  // Whether it was taken straight from the operating system.
  bool has_own_pages() const { return bytes_ >= kOwnPages; }

 private:
  friend class PageRegion;

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Huge pages for blocks that are made together and will all be written to, each too small for one
// of its own: the first write to a page costs about as much whether it is huge or not. The rest is
// given back with the region. A block may outlive it.
class PageRegion {
 public:
  // Without any, blocks are as PageBlock::Allocate makes them.
  PageRegion() = default;
  // For blocks of `bytes` in all, or less: whole huge pages. For less than half a page, or where
  // memory is refused or there are no huge pages, without any.
  explicit PageRegion(size_t bytes);
  PageRegion(const PageRegion&) = delete;
  PageRegion& operator=(PageRegion&& other) noexcept {
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
    return *this;
  }
  ~PageRegion();

  // As PageBlock::Allocate; cut from the region as long as there is room.
  PageBlock Allocate(size_t bytes);

 private:
  std::byte* next_ = nullptr;
  size_t left_ = 0;
};

// Gives those pages back to the operating system that lie in [begin, begin + bytes) as a whole.
// They can be used again; what they hold until they are written to is not known. REQUIRES: all of
// it is in a block that has pages of its own
void DiscardPages(std::byte* begin, size_t bytes);

}  // namespace vitrine
