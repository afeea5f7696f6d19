#include "engine/number_column.h"

#include <algorithm>
#include <utility>

namespace vitrine {

// The first pair that is not before this one.
size_t NumberColumn::Block::LowerBound(double number, EntryId entry) const {
  size_t begin = 0;
  size_t count = size;
  while (count > 0) {
    const size_t half = count / 2;
    if (IsBefore(begin + half, number, entry)) {
      begin += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return begin;
}

void NumberColumn::Block::Open(size_t at) {
  std::copy_backward(numbers + at, numbers + size, numbers + size + 1);
  std::copy_backward(entries + at, entries + size, entries + size + 1);
  ++size;
}

void NumberColumn::Block::Close(size_t at) {
  std::copy(numbers + at + 1, numbers + size, numbers + at);
  std::copy(entries + at + 1, entries + size, entries + at);
  --size;
}

// Moves the pairs from `from` on to the end of another block.
void NumberColumn::Block::MoveTail(size_t from, Block& to) {
  std::copy(numbers + from, numbers + size, to.numbers + to.size);
  std::copy(entries + from, entries + size, to.entries + to.size);
  to.size += size - from;
  size = from;
}

size_t NumberColumn::BlockOf(double number, EntryId entry) const {
  // The last block that does not begin behind the pair.
  const auto behind = std::partition_point(blocks_.begin(), blocks_.end(), [&](const auto& block) {
    return block->IsBefore(0, number, entry) ||
           (block->numbers[0] == number && block->entries[0] == entry);
  });
  return behind == blocks_.begin() ? 0 : static_cast<size_t>(behind - blocks_.begin()) - 1;
}

void NumberColumn::Add(double number, EntryId entry) {
  if (blocks_.empty()) blocks_.push_back(std::make_unique_for_overwrite<Block>());
  size_t i = BlockOf(number, entry);
  if (blocks_[i]->size == kBlock) {
    auto block = std::make_unique_for_overwrite<Block>();
    const auto next = blocks_.begin() + static_cast<ptrdiff_t>(i) + 1;
    Block& right = **blocks_.insert(next, std::move(block));
    // Numbers that only grow fill their blocks.
    const bool at_end = i + 2 == blocks_.size() && blocks_[i]->LowerBound(number, entry) == kBlock;
    blocks_[i]->MoveTail(at_end ? kBlock - 1 : kBlock / 2, right);
    if (right.IsBefore(0, number, entry)) ++i;
  }
  Block& block = *blocks_[i];
  const size_t at = block.LowerBound(number, entry);
  block.Open(at);
  block.numbers[at] = number;
  block.entries[at] = entry;
}

void NumberColumn::Remove(double number, EntryId entry) {
  if (blocks_.empty()) return;
  const size_t i = BlockOf(number, entry);
  Block& block = *blocks_[i];
  const size_t at = block.LowerBound(number, entry);
  if (at == block.size || block.numbers[at] != number || block.entries[at] != entry) return;
  block.Close(at);
  if (block.size == 0) {
    blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(i));
  } else if (i + 1 < blocks_.size() && block.size + blocks_[i + 1]->size <= kBlock / 2) {
    blocks_[i + 1]->MoveTail(0, block);
    blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(i) + 1);
  }
}

template <typename Visitor>
void NumberColumn::ForEachRun(const NumberRange& range, Visitor visit) const {
  auto block = std::partition_point(blocks_.begin(), blocks_.end(), [&](const auto& one) {
    return !range.Reaches(one->numbers[one->size - 1]);
  });
  for (; block != blocks_.end() && range.Admits((*block)->numbers[0]); ++block) {
    const double* const begin = (*block)->numbers;
    const double* const end = begin + (*block)->size;
    const double* const from =
        std::partition_point(begin, end, [&](double number) { return !range.Reaches(number); });
    const double* const to =
        std::partition_point(from, end, [&](double number) { return range.Admits(number); });
    visit(**block, static_cast<size_t>(from - begin), static_cast<size_t>(to - begin));
  }
}

size_t NumberColumn::Count(const NumberRange& range) const {
  size_t count = 0;
  ForEachRun(range, [&](const Block&, size_t begin, size_t end) { count += end - begin; });
  return count;
}

void NumberColumn::AddTo(const NumberRange& range, EntryBitmap& bitmap) const {
  ForEachRun(range, [&](const Block& block, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) bitmap.Set(block.entries[i]);
  });
}

}  // namespace vitrine
