#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/entry_set.h"

namespace vitrine {

// Which entries have which keywords: an inverted list for each. A tree rather than a hash table:
// whoever chooses keywords cannot make it slow.
class KeywordColumn {
 public:
  // May throw std::bad_alloc, and then nothing changed. Nothing happens when it is there.
  void Add(std::string_view keyword, EntryId entry);
  // Does not fail. Nothing happens when it is not there.
  void Remove(std::string_view keyword, EntryId entry);

  // How many entries have the keyword.
  size_t Count(std::string_view keyword) const;
  void AddTo(std::string_view keyword, EntryBitmap& bitmap) const;
  size_t memory_bytes() const { return memory_bytes_; }

 private:
  using Lists = std::map<std::string, EntrySet, std::less<>>;
  // A node, about, without what its list takes.
  static size_t NodeBytes(std::string_view keyword) {
    return sizeof(Lists::value_type) + 32 + (keyword.size() > 15 ? keyword.size() : 0);
  }

  Lists lists_;
  size_t memory_bytes_ = 0;
};

}  // namespace vitrine
