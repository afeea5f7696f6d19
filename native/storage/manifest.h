#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.h"
#include "base/status.h"
#include "storage/file_system.h"
#include "storage/log_format.h"

namespace vitrine {

// The files that make up a database, as docs/formats/manifest.md lays them out: names, encoding and
// decoding, and the rules that hold whatever the collections mean.

inline constexpr size_t kMaxCollectionName = 128;
inline constexpr size_t kMaxManifestBytes = size_t{64} << 20;
// The part of a checkpoint that belongs to no collection.
inline constexpr uint32_t kDatabasePart = 0;

// [A-Za-z0-9][A-Za-z0-9_-]{0,127}
bool IsCollectionName(std::string_view name);

struct Manifest {
  struct Collection {
    uint32_t id = 0;  // never given again
    std::string name;
    std::vector<std::byte> config;  // the engine's
    bool operator==(const Collection&) const = default;
  };
  struct Alias {
    std::string name;
    uint32_t collection = 0;
    bool operator==(const Alias&) const = default;
  };
  // The files of one collection, or of the database itself. Unchanged ones are named by later
  // checkpoints too.
  struct Part {
    uint32_t collection = kDatabasePart;
    uint64_t epoch = 0;  // in the names of its files
    uint64_t primary_bytes = 0;
    Digest128 primary_root{};
    uint64_t graph_bytes = 0;  // 0: there is no such file
    Digest128 graph_root{};
    // Keys and payloads in the primary file. Not in manifests: 0 until the file is written or read.
    uint64_t record_bytes = 0;
    bool operator==(const Part&) const = default;
  };
  // A checkpoint: everything up to `covered_lsn`, and nothing after it.
  struct Generation {
    uint64_t epoch = 0;
    uint64_t covered_lsn = 0;
    std::vector<Part> parts;  // ascending by collection

    const Part* Find(uint32_t collection) const;
    Part* Find(uint32_t collection);
    bool operator==(const Generation&) const = default;
  };

  DatabaseId database{};
  uint64_t epoch = 0;        // that of the newest checkpoint
  uint64_t durable_lsn = 0;  // known to be on the device when this was written
  uint64_t log_segment = 0;  // the one in use then, 0 for none
  uint32_t next_collection = 1;
  std::vector<Collection> collections;  // ascending by id
  std::vector<Alias> aliases;           // ascending by name
  Generation newest;
  std::optional<Generation> previous;

  bool operator==(const Manifest&) const = default;
};

// "manifest-00000000000000000017"
std::string ManifestName(uint64_t epoch);
// Nothing when it is not the name of a manifest.
std::optional<uint64_t> ManifestEpoch(std::string_view name);

enum class PartFile : uint8_t { kPrimary, kGraph };
// "ckpt-00000000000000000017-0000000002.prim"
std::string CheckpointName(uint64_t epoch, uint32_t collection, PartFile file);
bool IsCheckpointName(std::string_view name);
// Whether a file can be deleted unseen: it was to take another one's place.
bool IsUnfinishedFile(std::string_view name);
// What a damaged file is called from then on.
std::string QuarantinedName(std::string_view name);

std::vector<std::byte> EncodeManifest(const Manifest& manifest, std::string_view creator);
// Trusts no byte: kCorrupt, or kFormat for what a newer version wrote. `path` is for messages.
Result<Manifest> DecodeManifest(std::span<const std::byte> bytes, const std::string& path,
                                uint64_t epoch);

// Writes the manifest of its epoch, in one step and to the device, and reads it back before.
Status WriteManifest(FileSystem& files, const std::string& folder, const Manifest& manifest,
                     std::string_view creator);
Result<Manifest> ReadManifest(FileSystem& files, const std::string& folder, uint64_t epoch);

}  // namespace vitrine
