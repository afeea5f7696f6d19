#include "engine/idempotency_window.h"

#include <algorithm>
#include <vector>

#include "storage/byte_stream.h"

namespace vitrine {

const IdempotencyWindow::Done* IdempotencyWindow::Find(const Digest128& key) const {
  const auto found = done_.find(key);
  return found == done_.end() || found->second.lsn == 0 ? nullptr : &found->second;
}

void IdempotencyWindow::Begin(const Digest128& key) {
  done_.reserve(done_.size() + 1);
  order_.push_back(key);
  done_.emplace(key, Done{});
}

void IdempotencyWindow::Finish(const Digest128& key, const Done& done) {
  const auto found = done_.find(key);
  if (found != done_.end()) found->second = done;
  Forget(done.time_ms);
}

void IdempotencyWindow::Cancel(const Digest128& key) {
  done_.erase(key);
  if (!order_.empty() && order_.back() == key) order_.pop_back();
}

void IdempotencyWindow::Forget(uint64_t now_ms) {
  while (!order_.empty()) {
    const auto oldest = done_.find(order_.front());
    if (oldest != done_.end()) {
      const Done& done = oldest->second;
      // Clocks may go back: what is from the future is kept.
      const bool old = done.lsn != 0 && now_ms > done.time_ms && now_ms - done.time_ms > kKeepMs;
      if (!old && done_.size() <= kKeepCount) return;
      done_.erase(oldest);
    }
    order_.pop_front();
  }
}

Result<Manifest::Part> IdempotencyWindow::Write(const CheckpointPlace& place,
                                                uint64_t epoch) const {
  CheckpointFile file{.epoch = epoch};
  VITRINE_RETURN_IF_ERROR(WriteCheckpointFile(place, file, [&](ContainerWriter& writer) {
    writer.BeginSection(SectionType::kIdempotency, kRecordBytes);
    std::vector<std::byte> bytes;
    for (const Digest128& key : order_) {
      const Done* const done = Find(key);
      if (done == nullptr) continue;
      bytes.clear();
      ByteWriter out(bytes);
      out.Append(std::span(key));
      out.Put(done->lsn);
      out.Put(done->time_ms);
      out.Put(done->deleted);
      VITRINE_RETURN_IF_ERROR(writer.Append(bytes));
    }
    return writer.EndSection();
  }));
  return Manifest::Part{.collection = kDatabasePart,
                        .epoch = epoch,
                        .primary_bytes = file.bytes,
                        .primary_root = file.root};
}

Result<IdempotencyWindow> IdempotencyWindow::Read(const CheckpointPlace& place,
                                                  const Manifest::Part& part) {
  const auto reader = OpenPrimary(place, part);
  if (!reader.ok()) return reader.status();
  const SectionEntry* const section = (*reader)->Find(SectionType::kIdempotency);
  if (section == nullptr || section->element_bytes != kRecordBytes) {
    return (*reader)->Corrupt("idempotency", 0, "the section is missing or of the wrong size");
  }
  IdempotencyWindow window;
  std::vector<std::byte> buffer;
  const auto bytes = (*reader)->Read(*section, 0, section->count, buffer);
  if (!bytes.ok()) return bytes.status();
  ByteReader in(*bytes);
  for (uint64_t i = 0; i < section->count; ++i) {
    Digest128 key{};
    const std::span<const std::byte> key_bytes = in.Take(key.size());
    std::copy(key_bytes.begin(), key_bytes.end(), key.begin());
    Done done;
    done.lsn = in.Get<uint64_t>();
    done.time_ms = in.Get<uint64_t>();
    done.deleted = in.Get<uint64_t>();
    if (done.lsn == 0 || done.lsn >= kNumberLimit || window.done_.contains(key)) {
      return (*reader)->Corrupt("idempotency", section->offset + i * kRecordBytes,
                                "a record makes no sense");
    }
    window.order_.push_back(key);
    window.done_.emplace(key, done);
  }
  return window;
}

}  // namespace vitrine
