// Floats that are whole bytes: pixels, histograms, counts. Where walks score codes, such a table
// keeps its vectors as bytes too, and compares by them what a search looks at closer.

#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/table.h"

namespace vitrine {

// Rows that are still to come are looked at when they are all here.
void Table::CopyBytesIfWhole() {
  if (!settled()) return;
  while (CopySomeBytes(SlotLimit(), Parallelism())) {
  }
}

// Mapped vectors are left in their file to save memory, and a row that has never been read is not
// known to be bytes.
bool Table::BeginBytes() {
  if (ElementBytes(type()) == 1 || vectors_.is_mapped() || byte_store_ != nullptr) return false;
  auto store = std::make_unique<VectorStore>(dimension(), metric(), kernels_, VectorType::kU8);
  // Searches are as right without them.
  if (!store->Grow(SlotLimit())) return false;
  copied_bytes_ = std::move(store);
  copied_words_ = 0;
  return true;
}

bool Table::CopySomeBytes(size_t most, size_t threads) {
  if (copied_bytes_ == nullptr && !BeginBytes()) return false;
  std::vector<RowWork> works(threads);
  for (RowWork& work : works) work.bytes.resize(dimension());
  std::atomic<bool> whole{true};  // relaxed: a reason to stop early
  const size_t all = (SlotLimit() + 63) / 64;
  const size_t words = std::min(all - copied_words_, most / 64 + 1);
  ParallelFor(pool_, threads, words, [&](size_t worker, size_t i) {
    if (!whole.load(std::memory_order_relaxed)) return;
    RowWork& work = works[worker];
    const size_t word = copied_words_ + i;
    ForEachRow(word, word + 1, [&](Slot slot) {
      const float* const floats = vectors_.AsFloats(vectors_.Row(slot), work.floats);
      if (vectors_.ToBytes(floats, work.bytes.data())) {
        copied_bytes_->Put(slot, work.bytes.data());
      } else {
        whole.store(false, std::memory_order_relaxed);
      }
    });
  });
  if (!whole.load(std::memory_order_relaxed)) {
    copied_bytes_.reset();
    return false;
  }
  copied_words_ += words;
  if (copied_words_ < all) return true;
  const std::unique_lock lock(id_mutex_);
  byte_store_ = std::move(copied_bytes_);
  bytes_.store(byte_store_.get(), std::memory_order_release);
  return false;
}

// The bytes of a row that nobody has been shown; false where it has none.
bool Table::PutBytes(Slot slot, const float* vector, std::vector<uint8_t>& work) {
  work.resize(dimension());
  if (!vectors_.ToBytes(vector, work.data())) return false;
  byte_store_->Put(slot, work.data());
  return true;
}

// A row that nobody has been shown has no bytes: no row is compared as bytes by who sees it.
void Table::EndBytes() {
  bytes_.store(nullptr, std::memory_order_release);
  bytes_end_ = readers_.published() + 1;
}

// Readers from before a row without bytes came compare the others as bytes.
void Table::FreeBytesUnlessUsed(uint64_t oldest) {
  if (bytes_end_ > oldest) return;
  bytes_end_ = UINT64_MAX;
  const std::unique_lock lock(id_mutex_);
  byte_store_.reset();
}

}  // namespace vitrine
