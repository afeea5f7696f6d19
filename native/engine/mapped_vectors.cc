#include "engine/mapped_vectors.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/seeded_defect.h"

namespace vitrine {
namespace {

// What the verification of blocks needs, and what the rows lie in.
struct MappedSection {
  std::shared_ptr<const ContainerReader> reader;
  std::unique_ptr<FileMapping> mapping;
  SectionEntry section;
  VectorType type;
  std::unique_ptr<const LazyRows> factors;

  // Padding is not looked at: nobody reads it.
  Status Verify(size_t block) const {
    if (SeededDefect("mapped-block-unchecked")) return {};
    if (factors != nullptr) VITRINE_RETURN_IF_ERROR(FetchFactors(block));
    std::vector<std::byte> buffer;
    const auto bytes = reader->ReadBlock(section, block, buffer);
    if (!bytes.ok()) return bytes.status();
    // Blocks and rows begin at multiples of 64 bytes: no component is cut in two.
    const size_t components = ComponentsIn(type, bytes->size());
    const size_t at = FindNonFinite(type, bytes->data(), components);
    if (at == components) return {};
    return reader->Corrupt(SectionName(section.type),
                           section.offset + block * kBlockBytes + at * ElementBytes(type),
                           "a component is not finite");
  }

  // Of all rows that the block has a part of.
  Status FetchFactors(size_t block) const {
    const uint64_t first = block * kBlockBytes / section.element_bytes;
    const uint64_t end = std::min<uint64_t>(
        section.count, ((block + 1) * kBlockBytes - 1) / section.element_bytes + 1);
    return factors->Fetch(static_cast<Slot>(first), static_cast<size_t>(end - first));
  }
};

}  // namespace

Result<std::unique_ptr<MappedRows>> MapVectors(std::shared_ptr<const ContainerReader> reader,
                                               const SectionEntry& section,
                                               const VectorSection& rows,
                                               std::unique_ptr<const LazyRows> factors,
                                               MappedRows::Known known) {
  Result<std::unique_ptr<FileMapping>> mapping = reader->Map(section);
  if (!mapping.ok()) return mapping.status();
  const MappedRows::Layout layout{
      .data = (*mapping)->data() + section.offset,
      .count = static_cast<size_t>(section.count),
      .row_bytes = section.element_bytes,
      .used_bytes = rows.used_bytes,
      .block_bytes = kBlockBytes,
  };
  const auto mapped = std::make_shared<const MappedSection>(MappedSection{
      std::move(reader), std::move(*mapping), section, rows.type, std::move(factors)});
  return std::make_unique<MappedRows>(
      layout, [mapped](size_t block) { return mapped->Verify(block); }, known);
}

}  // namespace vitrine
