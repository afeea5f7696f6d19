#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/log_reader.h"
#include "storage/log_writer.h"

namespace vitrine {

using LogBytes = std::vector<std::byte>;

inline constexpr char kLogFolder[] = "db";

inline DatabaseId TestDatabase() {
  DatabaseId id{};
  for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i + 1);
  return id;
}

// Segments of a few pages, so that a short log has many.
inline LogWriter::Options SmallLog(uint64_t incarnation) {
  return {.database = TestDatabase(),
          .creator = "test",
          .segment_bytes = {3 * kPageBytes, 8 * kPageBytes},
          .incarnation = incarnation};
}

// The payload of record `index`, which tells it from all others.
inline LogBytes PayloadOf(uint64_t index, size_t bytes) {
  std::mt19937_64 random(index);
  LogBytes payload(8 + bytes);
  for (size_t i = 0; i < payload.size(); i += 8) {
    const uint64_t word = i == 0 ? index : random();
    std::memcpy(payload.data() + i, &word, std::min<size_t>(8, payload.size() - i));
  }
  return payload;
}

struct Replayed {
  uint64_t lsn;
  LogBytes payload;
  bool operator==(const Replayed&) const = default;
};
struct Replay {
  std::vector<Replayed> records;
  LogEnd end;
};

inline Result<Replay> ReplayLog(FileSystem& files, uint64_t covered = 0, uint64_t durable = 0,
                                LogReader::Purpose purpose = LogReader::Purpose::kInspect,
                                const std::string& folder = kLogFolder) {
  auto reader = LogReader::Open(files, folder,
                                {.purpose = purpose,
                                 .database = TestDatabase(),
                                 .covered_lsn = covered,
                                 .durable_lsn = durable});
  if (!reader.ok()) return reader.status();
  Replay replay;
  for (;;) {
    const auto frame = (*reader)->Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) break;
    const auto payload = (**frame).payload;
    replay.records.push_back({(**frame).lsn, LogBytes(payload.begin(), payload.end())});
  }
  replay.end = (*reader)->end();
  return replay;
}

inline Result<Replay> RecoverLog(FileSystem& files, uint64_t covered = 0,
                                 const std::string& folder = kLogFolder) {
  return ReplayLog(files, covered, 0, LogReader::Purpose::kRecover, folder);
}

// Opens what a recovery found, and goes on.
inline Result<std::unique_ptr<LogWriter>> OpenLog(FileSystem& files, const LogEnd& end,
                                                  uint64_t incarnation,
                                                  const std::string& folder = kLogFolder) {
  return LogWriter::Open(files, folder, end, SmallLog(incarnation));
}

inline std::string OutcomeOf(const Status& status) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.name == "outcome") return std::get<std::string>(detail.value);
  }
  return "";
}

}  // namespace vitrine
