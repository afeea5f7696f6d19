// Replays logs that an enemy might make, and writes on. The build looks at no checksum
// (VITRINE_FUZZ_SKIP_CHECKSUMS), so that mutations reach the checks behind them.
//
// An input is the first segment, of three pages, and behind it the second one. There is no corpus
// of seeds to grow stale: where there is nothing to mutate the fuzzer writes a log of its own.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "../native/memory_files.h"
#include "base/byte_order.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace vitrine {
namespace {

constexpr char kFolder[] = "log";
constexpr size_t kFirstBytes = 3 * kPageBytes;
constexpr DatabaseId kDatabase = {std::byte{1}};

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

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

void RequireKnown(const Status& status) {
  Require(status.code() == ErrorCode::kCorrupt || status.code() == ErrorCode::kFormat,
          "another error");
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

}  // namespace
}  // namespace vitrine

using namespace vitrine;  // NOLINT: libFuzzer's functions are global

// Without a corpus libFuzzer keeps to 4 KiB, which no segment fits into.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static std::vector<char*> arguments(*argv, *argv + *argc);
  static char max_len[] = "-max_len=32768";
  arguments.insert(arguments.begin() + 1, max_len);
  arguments.push_back(nullptr);
  *argc += 1;
  *argv = arguments.data();
  return 0;
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
  std::mt19937 random(seed);
  if (size < kFirstBytes || random() % 64 == 0) {
    const Bytes log = MakeSeed(random() % 1000);
    if (log.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
    std::transform(log.begin(), log.end(), data,
                   [](std::byte byte) { return static_cast<uint8_t>(byte); });
    size = log.size();
  }
  switch (random() % 16) {
    case 0:
      return LLVMFuzzerMutate(data, size, max_size);
    case 1:
      return size - std::min<size_t>(size, random() % 3 * kPageBytes);
    default:
      break;
  }
  for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
    // The fields of a header page, or the head of a group; frames follow at multiples of 8.
    const size_t page = random() % (size / kPageBytes) * kPageBytes;
    const size_t places[] = {32 + random() % 48, 368 + random() % 44, random() % 48,
                             random() % 256 * 8, random() % kPageBytes};
    const size_t place = page + places[random() % std::size(places)];
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
      case 4: {  // another page in the place of this one
        const size_t other = random() % (size / kPageBytes) * kPageBytes;
        std::copy_n(data + other, kPageBytes, data + page);
        break;
      }
    }
  }
  return size;
}
