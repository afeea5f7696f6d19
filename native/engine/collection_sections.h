#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_order.h"
#include "engine/collection_file.h"
#include "engine/link_rules.h"
#include "engine/section_elements.h"
#include "index/vector_type.h"
#include "storage/container_reader.h"
#include "storage/file_checks.h"

namespace vitrine {

// Reading sections of the files of a collection: docs/formats/collection-checkpoint.md.

inline Status CorruptSection(const ContainerReader& reader, SectionType type,
                             std::string_view what) {
  const SectionEntry* const section = reader.Find(type);
  return reader.Corrupt(SectionName(static_cast<uint32_t>(type)),
                        section == nullptr ? 0 : section->offset, what);
}

// A section that must be there, with elements of this size; `count` of them unless that is any.
inline constexpr uint64_t kAnyCount = UINT64_MAX;
inline Result<const SectionEntry*> RequireSection(const ContainerReader& reader, SectionType type,
                                                  uint64_t element_bytes, uint64_t count) {
  const SectionEntry* const section = reader.Find(type);
  if (section == nullptr || section->element_bytes != element_bytes ||
      (count != kAnyCount && section->count != count)) {
    return CorruptSection(reader, type, "it is missing or of the wrong size");
  }
  return section;
}

//   out  [bytes.size() / 4]
inline void CopyWords(std::span<const std::byte> bytes, uint32_t* out) {
  for (size_t i = 0; i * sizeof(uint32_t) < bytes.size(); ++i) {
    out[i] = LoadLittleEndian<uint32_t>(bytes.data() + i * sizeof(uint32_t));
  }
}

//   visit  (point, vector), of vectors that are what they should be
template <typename Visitor>
Status ForEachVector(const ContainerReader& reader, const CollectionConfig& config,
                     const SectionElements& rows, Visitor visit) {
  const size_t row_bytes = VectorElementBytes(config);
  for (uint64_t i = 0; i < rows.count; ++i) {
    const auto row = rows.bytes.subspan(static_cast<size_t>(i) * row_bytes, row_bytes);
    if (FindNonFinite(config.type, row.data(), config.dimension) != config.dimension ||
        !AreZero(row.subspan(VectorBytes(config.type, config.dimension)))) {
      return CorruptSection(reader, SectionType::kVectors, "a vector is not finite, or not padded");
    }
    visit(static_cast<uint32_t>(rows.first + i), row.data());
  }
  return {};
}

//   visit  (point, words), of links that keep the rules
template <typename Visitor>
Status ForEachLinks(const ContainerReader& reader, const LinkRules& rules, size_t width,
                    const SectionElements& elements, Visitor visit) {
  std::vector<uint32_t> words(width);
  const size_t bytes = width * sizeof(uint32_t);
  for (size_t i = 0; i < elements.count; ++i) {
    const auto point = static_cast<uint32_t>(elements.first + i);
    CopyWords(elements.bytes.subspan(i * bytes, bytes), words.data());
    const std::string_view wrong = rules.Check(point, words);
    if (!wrong.empty()) return CorruptSection(reader, SectionType::kLinks, wrong);
    if (rules.IsNode(point)) visit(point, words);
  }
  return {};
}

}  // namespace vitrine
