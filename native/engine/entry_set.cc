#include "engine/entry_set.h"

#include <algorithm>
#include <utility>

namespace vitrine {
namespace {

// Lists that are shorter stay lists.
constexpr size_t kMinBits = 64;

}  // namespace

void EntrySet::Add(EntryId entry) {
  if (!is_list()) {
    if (bits_.Test(entry)) return;
    if (entry >= bits_.limit()) bits_.Grow(std::max<size_t>(entry + size_t{1}, 2 * bits_.limit()));
    bits_.Set(entry);
    ++size_;
    return;
  }
  const auto at = list_.empty() || list_.back() < entry
                      ? list_.end()
                      : std::lower_bound(list_.begin(), list_.end(), entry);
  if (at != list_.end() && *at == entry) return;
  const size_t limit = std::max<size_t>(entry, list_.empty() ? 0 : list_.back()) + 1;
  // A number of the list takes as much as 32 bits.
  if (list_.size() < kMinBits || list_.size() < limit / 32) {
    list_.insert(at, entry);
  } else {
    EntryBitmap bits(limit + limit / 2);
    for (const EntryId one : list_) bits.Set(one);
    bits.Set(entry);
    bits_ = std::move(bits);
    list_ = {};
  }
  ++size_;
}

void EntrySet::Remove(EntryId entry) {
  if (!Contains(entry)) return;
  --size_;
  if (is_list()) {
    list_.erase(std::lower_bound(list_.begin(), list_.end(), entry));
  } else if (size_ == 0) {
    bits_ = {};
  } else {
    bits_.Clear(entry);
  }
}

bool EntrySet::Contains(EntryId entry) const {
  return is_list() ? std::binary_search(list_.begin(), list_.end(), entry) : bits_.Test(entry);
}

void EntrySet::AddTo(EntryBitmap& bitmap) const {
  for (const EntryId entry : list_) bitmap.Set(entry);
  std::vector<uint64_t>& words = bitmap.words();
  // Beyond the limit nothing is set.
  const size_t count = std::min(words.size(), bits_.words().size());
  for (size_t i = 0; i < count; ++i) words[i] |= bits_.words()[i];
}

}  // namespace vitrine
