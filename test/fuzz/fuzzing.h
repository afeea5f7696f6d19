#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <vector>

#include "base/byte_order.h"
#include "base/status.h"
#include "storage/container_format.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace vitrine {

// What the fuzzers share. Their builds look at no checksum (VITRINE_FUZZ_SKIP_CHECKSUMS), so that
// mutations reach the checks behind them. There is no corpus of seeds to grow stale: where there is
// nothing to mutate a fuzzer makes a file of its own.

inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// What a reader may say of bytes that an enemy made.
inline void RequireKnown(const Status& status) {
  Require(status.code() == ErrorCode::kCorrupt || status.code() == ErrorCode::kFormat,
          "another error");
}

// Lets inputs be as long as `argument`, "-max_len=...", says: without a corpus libFuzzer keeps to
// 4 KiB, which no file fits into. Called once, with what LLVMFuzzerInitialize gets.
inline int AllowInputs(char* argument, int* argc, char*** argv) {
  static std::vector<char*> arguments(*argv, *argv + *argc);
  arguments.insert(arguments.begin() + 1, argument);
  arguments.push_back(nullptr);
  *argc += 1;
  *argv = arguments.data();
  return 0;
}

// Changes a few bytes at `place`, as one who knows what numbers files are made of.
//   REQUIRES: place < size
inline void ChangeAt(uint8_t* data, size_t size, size_t place, std::mt19937& random) {
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
      if (room >= 8) {
        StoreLittleEndian<uint64_t>(at, (uint64_t{1} << random() % 64) - random() % 2);
      }
      break;
    case 4:  // in place, by what libFuzzer has learned
      (void)LLVMFuzzerMutate(data + place, std::min<size_t>(8, room), std::min<size_t>(8, room));
      break;
  }
}

// Mutates an input that is a file of at least `least` bytes; anything shorter is replaced by what
// `make_seed(number)` makes, and whole inputs now and then too.
//   choose_place(data, size, random)  a place worth changing, below size
template <typename MakeSeed, typename ChoosePlace>
size_t MutateFile(std::span<uint8_t> room, size_t size, size_t least, unsigned seed,
                  MakeSeed make_seed, ChoosePlace choose_place) {
  std::mt19937 random(seed);
  uint8_t* const data = room.data();
  if (size < least || random() % 128 == 0) {
    const std::vector<std::byte> file = make_seed(random() % 1000);
    if (file.size() > room.size()) return LLVMFuzzerMutate(data, size, room.size());
    std::transform(file.begin(), file.end(), data,
                   [](std::byte byte) { return static_cast<uint8_t>(byte); });
    size = file.size();
  }
  switch (random() % 16) {
    case 0:
      return LLVMFuzzerMutate(data, size, room.size());
    case 1:
      return size - std::min<size_t>(size, random() % 3 * kPageBytes);
    default:
      break;
  }
  for (size_t changes = 1 + random() % 3; changes > 0 && size > 0; --changes) {
    ChangeAt(data, size, choose_place(data, size, random), random);
  }
  return size;
}

// A place in a container that is worth changing: fields of the pages, of the table, or bytes of one
// of its `sections` sections.
//   REQUIRES: size >= 2 * kPageBytes
inline size_t PlaceInContainer(const uint8_t* data, size_t size, size_t sections,
                               std::mt19937& random) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const FooterPage footer = DecodeFooter(bytes + size - kPageBytes);
  const auto in = [&](uint64_t offset, uint64_t length) {
    const uint64_t place = length == 0 ? offset : offset + random() % length;
    return static_cast<size_t>(place % size);
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
  const uint64_t at = footer.table_offset + random() % sections * SectionEntry::kBytes;
  if (at > size - SectionEntry::kBytes) return in(0, size);
  const SectionEntry section = DecodeSection(bytes + at);
  return in(section.offset, std::min<uint64_t>(section.length, size));
}

}  // namespace vitrine
