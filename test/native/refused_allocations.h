#pragma once

// Replaces the allocator of the program that includes it, so that tests can refuse any allocation.
// One .cc of a program includes it, and no other.

#include <cstddef>
#include <cstdlib>
#include <new>

// The allocator of this program is replaced: it cannot use what it is.
// NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-avoid-non-const-global-variables)
namespace vitrine {

// Allocations that this thread may still make; none is refused while it is negative.
inline thread_local long allocations_left = -1;
// Whether all is well again after one that was refused.
inline thread_local bool refuse_once = false;

inline void* AllocateOrRefuse(size_t bytes, size_t alignment) {
  if (allocations_left == 0) {
    if (refuse_once) allocations_left = -1;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) --allocations_left;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(bytes == 0 ? 1 : bytes)
                           : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inlined: compilers warn when they see what `delete` calls, and not what `new` called.
[[gnu::noinline]] inline void Release(void* memory) { std::free(memory); }

}  // namespace vitrine

void* operator new(size_t bytes) { return vitrine::AllocateOrRefuse(bytes, 1); }
void* operator new[](size_t bytes) { return vitrine::AllocateOrRefuse(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return vitrine::AllocateOrRefuse(bytes, static_cast<size_t>(alignment));
}
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return vitrine::AllocateOrRefuse(bytes, static_cast<size_t>(alignment));
}
// Their defaults would call those above; runtimes of sanitizers have some of their own.
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return vitrine::AllocateOrRefuse(bytes, static_cast<size_t>(alignment));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return ::operator new(bytes, std::align_val_t{1}, nothrow);
}
void* operator new[](size_t bytes, const std::nothrow_t& nothrow) noexcept {
  return ::operator new(bytes, std::align_val_t{1}, nothrow);
}
void operator delete(void* memory) noexcept { vitrine::Release(memory); }
void operator delete[](void* memory) noexcept { vitrine::Release(memory); }
void operator delete(void* memory, size_t) noexcept { vitrine::Release(memory); }
void operator delete[](void* memory, size_t) noexcept { vitrine::Release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { vitrine::Release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { vitrine::Release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { vitrine::Release(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  vitrine::Release(memory);
}

// NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-avoid-non-const-global-variables)
