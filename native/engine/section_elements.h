#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/byte_order.h"
#include "base/first_failure.h"
#include "base/thread_pool.h"
#include "storage/container_reader.h"

namespace vitrine {

// Elements of a section as they pass by: their bytes, and the number of the first.
struct SectionElements {
  uint64_t first;
  uint64_t count;
  std::span<const std::byte> bytes;
};

// What one read brings in, about: it stays in a core's own cache while it is checked and copied.
inline constexpr size_t kSectionReadBytes = size_t{192} << 10;

// Elements of one read, whole words of a bitmap.
inline uint64_t ElementsOfRead(const SectionEntry& section) {
  return RoundUp(std::max<uint64_t>(kSectionReadBytes / section.element_bytes, 1), 64);
}

// Calls visit(elements) -> Status with all elements of a section, in their order, on this thread.
//   buffer  memory to reuse
template <typename Visitor>
Status ForEachElementsInTurn(const ContainerReader& reader, const SectionEntry& section,
                             std::vector<std::byte>& buffer, Visitor visit) {
  const uint64_t step = ElementsOfRead(section);
  for (uint64_t first = 0; first < section.count; first += step) {
    const uint64_t count = std::min(step, section.count - first);
    const auto bytes = reader.Read(section, first, count, buffer);
    if (!bytes.ok()) return bytes.status();
    VITRINE_RETURN_IF_ERROR(visit(SectionElements{first, count, *bytes}));
  }
  return {};
}

// What sections are read into, a thread its own: memory that the system gives out cleared, page by
// page, and that is worth using again for the next section.
using SectionBuffers = std::vector<std::vector<std::byte>>;

// The same on up to `parallelism` threads, in any order. Each call has all elements of some words
// of a bitmap, so that threads rarely meet.
//   buffers  grow to `parallelism` and to what is read
//   beside   (buffer) -> Status, is called once meanwhile, with memory to reuse
template <typename Visitor, typename Beside>
Status ForEachElements(const ContainerReader& reader, const SectionEntry& section, ThreadPool* pool,
                       size_t parallelism, SectionBuffers& buffers, Visitor visit, Beside beside) {
  const uint64_t step = ElementsOfRead(section);
  const size_t steps = static_cast<size_t>((section.count + step - 1) / step);
  if (buffers.size() < parallelism) buffers.resize(parallelism);
  FirstFailure failure;
  ParallelFor(pool, parallelism, steps + 1, [&](size_t worker, size_t i) {
    if (failure.failed()) return;
    if (i == 0) return failure.Note(beside(buffers[worker]));
    const uint64_t first = (i - 1) * step;
    const uint64_t count = std::min(step, section.count - first);
    const auto bytes = reader.Read(section, first, count, buffers[worker]);
    failure.Note(bytes.ok() ? visit(SectionElements{first, count, *bytes}) : bytes.status());
  });
  return failure.Take();
}

template <typename Visitor>
Status ForEachElements(const ContainerReader& reader, const SectionEntry& section, ThreadPool* pool,
                       size_t parallelism, SectionBuffers& buffers, Visitor visit) {
  return ForEachElements(reader, section, pool, parallelism, buffers, visit,
                         [](std::vector<std::byte>&) { return Status(); });
}

}  // namespace vitrine
