// Loads files that an enemy might make. The build looks at no checksum
// (VITRINE_FUZZ_SKIP_CHECKSUMS), so that mutations reach the checks behind them.
//
// There is no corpus of seeds to grow stale: where there is nothing to mutate the fuzzer saves a
// table of its own.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "../native/memory_files.h"
#include "base/byte_order.h"
#include "engine/table_file.h"
#include "kernels/kernels.h"
#include "storage/container_format.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace vitrine {
namespace {

constexpr char kPath[] = "fuzz";

const KernelTable& Kernels() {
  static const KernelTable* const kernels = SelectKernels("");
  return *kernels;
}

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
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

// A place worth changing: fields of the pages, of the table, or bytes of a section.
size_t PlaceIn(const uint8_t* data, size_t size, std::mt19937& random) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const FooterPage footer = DecodeFooter(bytes + size - kPageBytes);
  const auto in = [&](uint64_t offset, uint64_t length) {
    const uint64_t place = length == 0 ? offset : offset + random() % length;
    return static_cast<size_t>(place < size ? place : place % size);
  };
  switch (random() % 8) {
    case 0:
      return in(0, HeaderPage::kReservedFrom);
    case 1:
      return in(size - kPageBytes, FooterPage::kReservedFrom);
    case 2:
      return in(footer.table_offset, std::min<uint64_t>(footer.table_bytes, size));
    default:
      break;
  }
  const uint64_t at = footer.table_offset + random() % 7 * SectionEntry::kBytes;
  if (at > size - SectionEntry::kBytes) return in(0, size);
  const SectionEntry section = DecodeSection(bytes + at);
  return in(section.offset, std::min<uint64_t>(section.length, size));
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

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

// Without a corpus libFuzzer keeps to 4 KiB, which no file fits into.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static std::vector<char*> arguments(*argv, *argv + *argc);
  static char max_len[] = "-max_len=262144";
  arguments.insert(arguments.begin() + 1, max_len);
  arguments.push_back(nullptr);
  *argc += 1;
  *argv = arguments.data();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  MemoryFiles files;
  files.Put(kPath, Bytes(bytes, bytes + size));
  const auto table = LoadTable(kPath, Kernels(), nullptr, {.files = &files});
  if (table.ok()) {
    TryOut(**table);
  } else {
    const ErrorCode code = table.status().code();
    Require(code == ErrorCode::kCorrupt || code == ErrorCode::kFormat, "another error");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  std::mt19937 random(seed);
  if (size < 3 * kPageBytes || random() % 256 == 0) {
    const Bytes file = MakeSeed(random() % 1000);
    if (file.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
    std::transform(file.begin(), file.end(), data,
                   [](std::byte byte) { return static_cast<uint8_t>(byte); });
    size = file.size();
  }
  switch (random() % 16) {
    case 0:
      return LLVMFuzzerMutate(data, size, max_size);
    case 1:
      return size - random() % 3 * kPageBytes;
    default:
      break;
  }
  for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
    const size_t place = PlaceIn(data, size, random);
    auto* const at = reinterpret_cast<std::byte*>(data) + place;
    const size_t room = size - place;
    switch (random() % 5) {
      case 0:
        *at = static_cast<std::byte>(random());
        break;
      case 1:
        *at ^= static_cast<std::byte>(1 << random() % 8);
        break;
      case 2:
        if (room >= 4) StoreLittleEndian<uint32_t>(at, random() % 64);
        break;
      case 3:
        if (room >= 8)
          StoreLittleEndian<uint64_t>(at, (uint64_t{1} << random() % 64) - random() % 2);
        break;
      case 4:  // in place, by what libFuzzer has learned
        (void)LLVMFuzzerMutate(data + place, std::min<size_t>(8, room), std::min<size_t>(8, room));
        break;
    }
  }
  return size;
}
