#include "storage/segment_supply.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/pages.h"
#include "base/seeded_defect.h"
#include "storage/log_format.h"
#include "storage/stepwise_file.h"

namespace vitrine {
namespace {

constexpr uint64_t kZerosBytes = uint64_t{1} << 20;

}  // namespace

SegmentSupply::SegmentSupply(FileSystem& files, std::string folder, uint64_t next,
                             LogEnd::Segment found, Lengths lengths)
    : files_(files), folder_(std::move(folder)), most_bytes_(lengths.most), next_(next) {
  totals_.next_bytes = lengths.first;
  totals_.spare_bytes = found.number == next ? found.bytes : 0;
}

Status SegmentSupply::Prepare() {
  const std::lock_guard making(making_);
  return Make(1);
}

Result<SegmentSupply::Prepared> SegmentSupply::Take(uint64_t bytes) {
  const std::lock_guard making(making_);
  VITRINE_RETURN_IF_ERROR(Make(bytes));
  Result<std::unique_ptr<File>> file = files_.OpenForWriting(folder_ + "/" + SegmentName(next_));
  if (!file.ok()) return file.status();
  const std::lock_guard lock(mutex_);
  totals_.next_bytes = std::min(2 * totals_.next_bytes, most_bytes_);
  return Prepared{next_++, std::exchange(totals_.spare_bytes, 0), std::move(*file)};
}

bool SegmentSupply::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

SegmentSupply::Totals SegmentSupply::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

Status SegmentSupply::Make(uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return {ErrorCode::kIo, folder_ + " could not be flushed before"};
    if (totals_.spare_bytes >= bytes) return {};
    // One that is too small is replaced, in one step.
    totals_.spare_bytes = 0;
    bytes = std::max(bytes, totals_.next_bytes);
  }
  const std::string path = folder_ + "/" + SegmentName(next_);
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  Status status = FillWithZeros(unfinished, bytes);
  if (status.ok()) status = files_.Rename(unfinished, path);
  if (!status.ok()) {
    // A full device needs the room; where this fails too, the name says that it can be deleted.
    (void)files_.Remove(unfinished).ok();
    return status;
  }
  if (!SeededDefect("segment-name-not-flushed")) status = files_.SyncFolderOf(path);
  const std::lock_guard lock(mutex_);
  if (!status.ok()) {
    failed_ = true;
    return status;
  }
  totals_.spare_bytes = bytes;
  ++totals_.segments;
  totals_.bytes += bytes;
  return {};
}

Status SegmentSupply::FillWithZeros(const std::string& path, uint64_t bytes) {
  Result<std::unique_ptr<File>> file = files_.Create(path);
  if (!file.ok() && file.status().code() == ErrorCode::kExists) {
    VITRINE_RETURN_IF_ERROR(files_.Remove(path));
    file = files_.Create(path);
  }
  if (!file.ok()) return file.status();
  const PageBlock zeros = PageBlock::Allocate(static_cast<size_t>(std::min(kZerosBytes, bytes)));
  if (zeros.data() == nullptr)
    return {ErrorCode::kOutOfMemory, "memory ran out while a log segment was prepared"};
  StepwiseFile steps(**file);
  for (uint64_t at = 0; at < bytes;) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(zeros.bytes(), bytes - at));
    VITRINE_RETURN_IF_ERROR(steps.WriteAt(at, std::span(zeros.data(), size)));
    at += size;
  }
  if (!SeededDefect("segment-zeros-not-flushed")) VITRINE_RETURN_IF_ERROR((*file)->Sync());
  return (*file)->Close();
}

}  // namespace vitrine
