#pragma once

#include <cstddef>
#include <cstdint>

// What a table tells of itself.

namespace vitrine {

// Bytes of memory, by what they are for.
struct TableMemory {
  size_t vectors = 0;
  size_t graph = 0;
  size_t codes = 0;
  size_t ids = 0;
  size_t buffers = 0;  // that searches work in, kept for those to come
  size_t other = 0;
  size_t total() const { return vectors + graph + codes + ids + buffers + other; }
};

// What a table consists of, and in total what was put into it since it was made or loaded.
struct TableCounts {
  uint64_t live_points = 0;
  uint64_t deleted_rows = 0;    // in the graph until a sweep, without a point
  uint64_t unindexed_rows = 0;  // of a graph that was lost: not linked again yet
  uint64_t indexed_vectors = 0;
};

// The blocks that rows lie in, vectors, graph and codes; and how much of them rows are in.
struct TableBlocks {
  uint64_t reserved = 0;  // bytes
  uint64_t used = 0;
};

}  // namespace vitrine
