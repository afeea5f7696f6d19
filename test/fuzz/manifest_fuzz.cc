// Decodes manifests that an enemy might make: what is accepted is written as it was read.

#include <random>
#include <string>
#include <vector>

#include "fuzzing.h"
#include "storage/file_checks.h"
#include "storage/manifest.h"

namespace vitrine {
namespace {

constexpr uint64_t kEpoch = 9;

Manifest::Generation MakeGeneration(uint64_t epoch, uint32_t parts, std::mt19937& random) {
  Manifest::Generation generation{.epoch = epoch, .covered_lsn = random() % 100, .parts = {}};
  for (uint32_t i = 0; i < parts; ++i) {
    Manifest::Part part{.collection = i, .epoch = epoch - random() % 2, .primary_bytes = 4096};
    part.primary_root[0] = std::byte{1};
    part.graph_bytes = random() % 2 * 8192;
    generation.parts.push_back(part);
  }
  return generation;
}

std::vector<std::byte> MakeSeed(uint32_t seed) {
  std::mt19937 random(seed);
  const uint32_t collections = random() % 4;
  Manifest manifest;
  manifest.database = {std::byte{1}};
  manifest.epoch = kEpoch;
  manifest.durable_lsn = 120;
  manifest.log_segment = random() % 3;
  manifest.next_collection = collections + 1;
  for (uint32_t id = 1; id <= collections; ++id) {
    manifest.collections.push_back(
        {id, std::string(1 + random() % 9, static_cast<char>('a' + id)), {32, std::byte{7}}});
  }
  for (uint32_t i = 0; i < collections; ++i) {
    manifest.aliases.push_back({"Alias" + std::to_string(i), 1 + i % collections});
  }
  manifest.newest = MakeGeneration(kEpoch, collections + 1, random);
  if (random() % 2 == 0) manifest.previous = MakeGeneration(kEpoch - 1, collections, random);
  return EncodeManifest(manifest, "a fuzzer");
}

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static char max_len[] = "-max_len=16384";
  return AllowInputs(max_len, argc, argv);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const Result<Manifest> manifest = DecodeManifest(bytes, "fuzz", kEpoch);
  if (!manifest.ok()) {
    RequireKnown(manifest.status());
    return 0;
  }
  const std::vector<std::byte> again = EncodeManifest(*manifest, "somebody else");
  const Result<Manifest> same = DecodeManifest(again, "fuzz", kEpoch);
  Require(same.ok() && *same == *manifest, "what was read is written as it was");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return MutateFile({data, max_size}, size, kPageBytes + 64, seed, MakeSeed,
                    [](const uint8_t*, size_t bytes, std::mt19937& random) {
                      // The body, mostly; else the header page.
                      const bool body = bytes > kPageBytes && random() % 8 != 0;
                      return body ? kPageBytes + random() % (bytes - kPageBytes)
                                  : random() % std::min<size_t>(bytes, 416);
                    });
}
