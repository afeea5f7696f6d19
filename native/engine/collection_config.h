#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/field.h"
#include "engine/table.h"

namespace vitrine {

// What a collection is made of; does not change as long as it lives, but for fields that are added.
struct CollectionConfig {
  size_t dimension = 0;  // 1 ... kMaxDimension
  VectorType type = VectorType::kF32;
  Metric metric = Metric::kL2;
  size_t m = 16;
  size_t ef_construction = 200;
  Quantization quantization = Quantization::kAuto;
  // Where the vectors of the newest checkpoint are; those that were written since are in memory.
  VectorPlace vectors = VectorPlace::kMemory;
  Fields fields;

  friend bool operator==(const CollectionConfig&, const CollectionConfig&) = default;

  TableOptions table_options(size_t threads) const {
    return {.dimension = dimension,
            .type = type,
            .metric = metric,
            .id_type = IdType::kU32,
            .graph = {.m = m, .ef_construction = ef_construction},
            .quantization = quantization,
            .vectors = vectors,
            .threads = threads};
  }
};

// Without fields.
inline constexpr size_t kCollectionConfigBytes = 32;

// docs/formats/collection-checkpoint.md, "Configuration".
std::vector<std::byte> EncodeCollectionConfig(const CollectionConfig& config);
// kCorrupt, or kFormat for what a newer version knows. `where` is for messages.
Result<CollectionConfig> DecodeCollectionConfig(std::span<const std::byte> bytes,
                                                const std::string& where);

// What a caller leaves open: a new collection gets the default, and of one that is there any will
// do.
struct LeftOpen {
  bool m = false;
  bool ef_construction = false;
  bool quantization = false;
  bool vectors = false;
};

// A change of what collections there are: the payload of a configuration record of the log.
struct ConfigurationChange {
  enum class Kind : uint32_t {
    kCreate = 1,
    kDrop = 2,
    kSetAlias = 3,
    kDropAlias = 4,
    kAddField = 5
  };

  Kind kind = Kind::kCreate;
  uint32_t collection = 0;
  std::string name;
  CollectionConfig config;  // of kCreate
  Field field;              // of kAddField
  LeftOpen left_open = {};  // of kCreate; not in the record
};

std::vector<std::byte> EncodeChange(const ConfigurationChange& change);
Result<ConfigurationChange> DecodeChange(std::span<const std::byte> bytes,
                                         const std::string& where);

}  // namespace vitrine
