// Replays logs that an enemy might make, and writes on.
//
// An input is the first segment, of three pages, and behind it the second one.

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "../native/memory_files.h"
#include "fuzzing.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"

namespace vitrine {
namespace {

constexpr char kFolder[] = "log";
constexpr size_t kFirstBytes = 3 * kPageBytes;
constexpr DatabaseId kDatabase = {std::byte{1}};

std::string PathOf(uint64_t number) { return std::string(kFolder) + "/" + SegmentName(number); }

LogWriter::Options WriterOptions(uint64_t incarnation) {
  return {.database = kDatabase,
          .segment_bytes = {kFirstBytes, 4 * kPageBytes},
          .incarnation = incarnation};
}

struct Replay {
  std::vector<Bytes> payloads;
  LogEnd end;
};

Result<Replay> Read(MemoryFiles& files, uint64_t covered) {
  auto reader = LogReader::Open(
      files, kFolder,
      {.purpose = LogReader::Purpose::kRecover, .database = kDatabase, .covered_lsn = covered});
  if (!reader.ok()) return reader.status();
  Replay replay;
  uint64_t lsn = covered;
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) break;
    Require((**frame).lsn > lsn, "numbers ascend");
    lsn = (**frame).lsn;
    const auto payload = (**frame).payload;
    replay.payloads.emplace_back(payload.begin(), payload.end());
  }
  replay.end = (*reader)->end();
  Require(replay.end.last_lsn >= lsn, "the end is behind the last frame");
  return replay;
}

void Append(LogWriter& log, const Bytes& payload) {
  Require(log.Append({.payload = payload}, LogWriter::Until::kDurable).ok(), "append");
}

// A log of one or two segments.
Bytes MakeSeed(uint32_t seed) {
  std::mt19937 random(seed);
  MemoryFiles files;
  auto log = LogWriter::Open(files, kFolder, Read(files, 0)->end, WriterOptions(1 + random() % 3));
  const size_t count = 1 + random() % 4;
  for (size_t i = 0; i < count; ++i) Append(**log, Bytes(random() % 1500, std::byte{7}));
  if (random() % 2 == 0) Require((*log)->Close().ok(), "close");
  Bytes input = files.Get(PathOf(1));
  if (files.Has(PathOf(2))) {
    const Bytes& second = files.Get(PathOf(2));
    input.insert(input.end(), second.begin(), second.end());
  }
  return input;
}

void WriteOn(MemoryFiles& files, const Replay& before, uint64_t covered) {
  auto log = LogWriter::Open(files, kFolder, before.end, WriterOptions(99));
  Require(log.ok(), "open");
  for (size_t i = 0; i < 3; ++i) Append(**log, Bytes(2000, std::byte{9}));
  Require((*log)->Close().ok(), "close");
  const auto after = Read(files, covered);
  Require(after.ok(), "read what was written");
  Require(after->payloads.size() == before.payloads.size() + 3 &&
              std::equal(before.payloads.begin(), before.payloads.end(), after->payloads.begin()),
          "the same frames, and those that followed");
}

// The fields of a header page, or the head of a group; frames follow at multiples of 8. Now and
// then another page takes the place of the one that is chosen.
size_t PlaceInLog(uint8_t* data, size_t size, std::mt19937& random) {
  if (size < kPageBytes) return random() % size;
  const size_t page = random() % (size / kPageBytes) * kPageBytes;
  if (random() % 5 == 0) {
    std::copy_n(data + random() % (size / kPageBytes) * kPageBytes, kPageBytes, data + page);
  }
  const size_t places[] = {32 + random() % 48, 368 + random() % 44, random() % 48,
                           random() % 256 * 8, random() % kPageBytes};
  return page + places[random() % std::size(places)];
}

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static char max_len[] = "-max_len=32768";
  return AllowInputs(max_len, argc, argv);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  const size_t first = std::min(size, kFirstBytes);
  for (const uint64_t covered : {0, 2}) {
    MemoryFiles files;
    files.Put(PathOf(1), Bytes(bytes, bytes + first));
    if (size > first) files.Put(PathOf(2), Bytes(bytes + first, bytes + size));
    const auto replay = Read(files, covered);
    if (replay.ok()) {
      WriteOn(files, *replay, covered);
    } else {
      RequireKnown(replay.status());
    }
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return MutateFile({data, max_size}, size, kFirstBytes, seed, MakeSeed, PlaceInLog);
}
