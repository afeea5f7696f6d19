// Loads files of an index that an enemy might make.

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "../native/memory_files.h"
#include "engine/table_file.h"
#include "fuzzing.h"
#include "kernels/kernels.h"

namespace vitrine {
namespace {

constexpr char kPath[] = "fuzz";

const KernelTable& Kernels() {
  static const KernelTable* const kernels = SelectKernels("");
  return *kernels;
}

std::vector<float> RandomVectors(size_t count, size_t dimension, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> vectors(count * dimension);
  for (float& component : vectors) component = static_cast<float>(random() % 2001) / 1000 - 1;
  return vectors;
}

// A small table of any metric and id type, with guests, zero vectors and removals.
Bytes MakeSeed(uint32_t seed) {
  std::mt19937 random(seed);
  const size_t dimension = 1 + random() % 20;
  auto table = Table::Create({.dimension = dimension,
                              .metric = static_cast<Metric>(random() % 3),
                              .id_type = static_cast<IdType>(random() % 2),
                              .graph = {.m = 2 + random() % 7, .ef_construction = 30}},
                             Kernels(), nullptr);
  const size_t count = random() % 60;
  std::vector<float> vectors = RandomVectors(count, dimension, seed);
  for (size_t i = 1; i < count; i += 5) {
    std::copy_n(vectors.begin(), dimension,
                vectors.begin() + static_cast<ptrdiff_t>(i * dimension));
  }
  if (count > 3) std::fill_n(vectors.begin() + static_cast<ptrdiff_t>(2 * dimension), dimension, 0);
  std::vector<PointId> ids;
  Require((*table)->AddNumbered(count, vectors, ids).ok(), "add");
  ids.resize(ids.size() / 4);
  Require((*table)->Remove(ids).ok(), "remove");
  MemoryFiles files;
  Require(SaveTable(**table, kPath, {.files = &files}).ok(), "save");
  return files.Get(kPath);
}

void TryOut(Table& table) {
  const std::vector<float> query = RandomVectors(1, table.dimension(), 1);
  std::vector<Hit> hits(20);
  for (const bool exact : {false, true}) {
    const auto found = table.Search(query.data(), {.k = 20, .exact = exact}, hits);
    Require(found.ok() && *found <= table.size(), "search");
    Require(!exact || *found == std::min<size_t>(20, table.size()), "an exact search finds all");
  }
  const std::vector<PointId> ids = table.Ids();
  Require(ids.size() == table.size(), "ids");
  const auto set = table.MakeIdSet(ids);
  Require(set.ok(), "set");
  Require(table.Search(query.data(), {.k = 20, .filter = set->get()}, hits).ok(), "filter");
  MemoryFiles files;
  Require(SaveTable(table, kPath, {.files = &files}).ok(), "save");
  Require(LoadTable(kPath, Kernels(), nullptr, {.files = &files}).ok(), "load what was saved");

  const auto removed = table.Remove(std::span(ids).first(ids.size() / 2));
  Require(removed.ok() && *removed == ids.size() / 2, "remove");
  Require(table.Sweep().ok(), "sweep");
  if (ids.size() * table.dimension() <= 100'000) {
    Require(table.Upsert(ids, RandomVectors(ids.size(), table.dimension(), 2)).ok(), "upsert");
    Require(table.Ids() == ids, "ids after upsert");
  }
}

// Of a table whose vectors nobody has looked at, so that any of them may turn out to be wrong.
void TryOutMapped(const Table& table) {
  const std::vector<float> query = RandomVectors(1, table.dimension(), 1);
  std::vector<Hit> hits(20);
  for (const bool exact : {false, true}) {
    const auto found = table.Search(query.data(), {.k = 20, .exact = exact}, hits);
    if (!found.ok()) RequireKnown(found.status());
  }
  if (const Status status = table.FetchAll(); !status.ok()) return RequireKnown(status);
  std::vector<std::byte> vector(table.vector_bytes());
  for (const PointId id : table.Ids()) {
    const Status status = table.Get({&id, 1}, std::span(vector));
    if (!status.ok()) RequireKnown(status);
  }
}

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static char max_len[] = "-max_len=262144";
  return AllowInputs(max_len, argc, argv);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  MemoryFiles files;
  files.Put(kPath, Bytes(bytes, bytes + size));
  const auto table = LoadTable(kPath, Kernels(), nullptr, {.files = &files});
  if (table.ok()) {
    TryOut(**table);
  } else {
    RequireKnown(table.status());
  }
  const auto mapped =
      LoadTable(kPath, Kernels(), nullptr, {.vectors = VectorPlace::kMapped, .files = &files});
  if (mapped.ok()) {
    TryOutMapped(**mapped);
  } else {
    RequireKnown(mapped.status());
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kSections = 8;
  return MutateFile({data, max_size}, size, 3 * kPageBytes, seed, MakeSeed,
                    [](uint8_t* file, size_t bytes, std::mt19937& random) {
                      return bytes < 2 * kPageBytes
                                 ? random() % bytes
                                 : PlaceInContainer(file, bytes, kSections, random);
                    });
}
