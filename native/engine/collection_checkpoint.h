#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "base/thread_pool.h"
#include "engine/checkpoint_file.h"
#include "engine/collection.h"

namespace vitrine {

// The part of a checkpoint that holds one collection: docs/formats/collection-checkpoint.md.

// Writes what an image shows, with its graph unless that is incomplete.
Result<Manifest::Part> WriteCollection(const CheckpointPlace& place, uint64_t epoch,
                                       const Collection& collection, Collection::Image& image);

struct LoadedCollection {
  std::shared_ptr<Collection> collection;
  // What was wrong with the graph; ok when it is there. Without it searches are exact until it has
  // been built anew.
  Status graph;
  uint64_t record_bytes = 0;  // of its primary file
};

struct CollectionSource {
  uint32_t id = 0;
  std::string name;
  CollectionConfig config;
  const KernelTable* kernels = nullptr;
  ThreadPool* pool = nullptr;
  size_t threads = 1;
};

// Trusts no byte. kCorrupt when the points are damaged; kFormat, kIo, kOutOfMemory.
Result<LoadedCollection> ReadCollection(const CheckpointPlace& place, const Manifest::Part& part,
                                        const CollectionSource& source);

}  // namespace vitrine
