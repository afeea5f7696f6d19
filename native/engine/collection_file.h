#pragma once

#include <cstddef>

#include "engine/collection_config.h"
#include "index/vector_type.h"
#include "storage/container_format.h"

namespace vitrine {

// What writing and reading the files of a collection have in common:
// docs/formats/collection-checkpoint.md.

// Of the section `config` of either file.
inline constexpr size_t kPartConfigBytes = 64;

// Of a vector in the primary file.
inline size_t VectorElementBytes(const CollectionConfig& config) {
  return static_cast<size_t>(RoundUp(VectorBytes(config.type, config.dimension), 64));
}

// What points look like in files does not depend on fields: when one is added the files still hold.
inline CollectionConfig WithoutFields(CollectionConfig config) {
  config.fields.clear();
  return config;
}

}  // namespace vitrine
