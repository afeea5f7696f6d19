#include "engine/keyword_column.h"

#include <utility>

namespace vitrine {

void KeywordColumn::Add(std::string_view keyword, EntryId entry) {
  auto list = lists_.find(keyword);
  if (list == lists_.end()) {
    EntrySet set;
    set.Add(entry);
    list = lists_.emplace(std::string(keyword), std::move(set)).first;
    memory_bytes_ += NodeBytes(keyword) + list->second.memory_bytes();
    return;
  }
  const size_t before = list->second.memory_bytes();
  list->second.Add(entry);
  memory_bytes_ += list->second.memory_bytes() - before;
}

void KeywordColumn::Remove(std::string_view keyword, EntryId entry) {
  const auto list = lists_.find(keyword);
  if (list == lists_.end()) return;
  memory_bytes_ -= list->second.memory_bytes();
  list->second.Remove(entry);
  if (list->second.size() == 0) {
    memory_bytes_ -= NodeBytes(keyword);
    lists_.erase(list);
  } else {
    memory_bytes_ += list->second.memory_bytes();
  }
}

size_t KeywordColumn::Count(std::string_view keyword) const {
  const auto list = lists_.find(keyword);
  return list == lists_.end() ? 0 : list->second.size();
}

void KeywordColumn::AddTo(std::string_view keyword, EntryBitmap& bitmap) const {
  const auto list = lists_.find(keyword);
  if (list != lists_.end()) list->second.AddTo(bitmap);
}

}  // namespace vitrine
