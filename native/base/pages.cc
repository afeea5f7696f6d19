#include "base/pages.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace vitrine {
namespace {
constexpr size_t kHugePageThreshold = size_t{2} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;
constexpr std::align_val_t kCacheLine{64};

// Of the system.
size_t PageBytes() {
#ifdef _WIN32
  return kPage;
#else
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return page;
#endif
}

}  // namespace

PageBlock PageBlock::Allocate(size_t bytes, [[maybe_unused]] Pages pages) {
  PageBlock block;
  if (bytes == 0 || bytes > (size_t{1} << 47)) return block;
  if (bytes < kOwnPages) {
    void* const data = ::operator new(bytes, kCacheLine, std::nothrow);
    if (data == nullptr) return block;
    block.data_ = static_cast<std::byte*>(std::memset(data, 0, bytes));
    block.bytes_ = bytes;
    return block;
  }
  bytes = (bytes + kPage - 1) & ~(kPage - 1);
#ifdef _WIN32
  void* data = VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (data == nullptr) return block;
#else
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
#ifdef MADV_HUGEPAGE
  // A block that begins where a huge page may has ordinary ones at its end at most.
  const bool is_huge = pages == Pages::kHuge && bytes >= kHugePageThreshold;
  const size_t spare = is_huge ? kHugePage : 0;
#else
  constexpr size_t spare = 0;
#endif
  void* data = mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (data == MAP_FAILED) return block;
#ifdef MADV_HUGEPAGE
  if (is_huge) {
    auto* const begin = static_cast<std::byte*>(data);
    const size_t before = (0 - reinterpret_cast<uintptr_t>(data)) % kHugePage;  // NOLINT
    if (before > 0) munmap(begin, before);
    // Where pages are larger than ours the block's last one reaches beyond it.
    const size_t page = PageBytes();
    const size_t mapped = (bytes + page - 1) / page * page;
    munmap(begin + before + mapped, spare - before);
    data = begin + before;
    (void)madvise(data, bytes, MADV_HUGEPAGE);
  }
  if (pages == Pages::kSmall) (void)madvise(data, bytes, MADV_NOHUGEPAGE);
#endif
#endif
  block.data_ = static_cast<std::byte*>(data);
  block.bytes_ = bytes;
  return block;
}

PageRegion::PageRegion([[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes < kHugePage / 2 || bytes > (size_t{1} << 47)) return;
  PageBlock block = PageBlock::Allocate((bytes + kHugePage - 1) / kHugePage * kHugePage);
  next_ = std::exchange(block.data_, nullptr);
  left_ = std::exchange(block.bytes_, 0);
#endif
}

PageRegion::~PageRegion() {
#ifndef _WIN32
  if (left_ > 0) munmap(next_, left_);
#endif
}

PageBlock PageRegion::Allocate(size_t bytes) {
  if (bytes < PageBlock::kOwnPages || bytes >= kHugePageThreshold) {
    return PageBlock::Allocate(bytes);
  }
  // Blocks are unmapped one by one.
  const size_t cut = (bytes + PageBytes() - 1) / PageBytes() * PageBytes();
  if (cut > left_) return PageBlock::Allocate(bytes);
  PageBlock block;
  block.data_ = std::exchange(next_, next_ + cut);
  block.bytes_ = cut;
  left_ -= cut;
  return block;
}

void DiscardPages(std::byte* begin, size_t bytes) {
  const size_t page = PageBytes();
  const size_t before = (0 - reinterpret_cast<uintptr_t>(begin)) % page;  // NOLINT
  if (bytes < before + page) return;
  std::byte* const first = begin + before;
  const size_t whole = (bytes - before) / page * page;
  // Best effort: pages that stay are no more than memory.
#ifdef _WIN32
  (void)DiscardVirtualMemory(first, whole);
#elif defined(__linux__)
  (void)madvise(first, whole, MADV_DONTNEED);
#else
  (void)madvise(first, whole, MADV_FREE);
#endif
}

PageBlock::~PageBlock() {
  if (data_ == nullptr) return;
  if (bytes_ < kOwnPages) {
    ::operator delete(data_, kCacheLine);
    return;
  }
#ifdef _WIN32
  VirtualFree(data_, 0, MEM_RELEASE);
#else
  munmap(data_, bytes_);
#endif
}

}  // namespace vitrine
